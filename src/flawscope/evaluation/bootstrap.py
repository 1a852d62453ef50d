"""95 % limits by drawing groups with replacement.

Pictures of one photograph, part or plate resemble each other; drawing them one by one would give limits
that are too narrow, so whole groups are drawn (percentile bootstrap, Efron 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_CELLS_AT_ONCE = 8_000_000
"""Weights held at once, so that memory stays near 64 MB however many groups there are."""


def group_sums(columns: Mapping[str, Values], keys: Sequence[str]) -> dict[str, Values]:
    """Sum each column (N or N x 99) over the rows of a group; groups in order of first appearance."""
    number: dict[str, int] = {}
    where = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)
    order = np.argsort(where, kind="stable")
    starts = np.flatnonzero(np.diff(where[order], prepend=-1)) if len(keys) else np.zeros(0, dtype=np.intp)
    return {
        name: np.add.reduceat(column[order], starts, axis=0) if len(starts) else column
        for name, column in columns.items()
    }


def resampled_limits(
    grouped: Mapping[str, Values],
    figures_of: Callable[[Mapping[str, Values]], dict[str, Values]],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return name -> (2.5 %, 97.5 %) quantiles of the figures over draws of as many groups as there are.

    ``grouped`` columns are G or G x 99. ``figures_of`` takes their weighted sums (leading axis: draws). Draws
    where a figure is not defined are left out; a figure that never is has no limits.
    """
    groups = len(next(iter(grouped.values())))
    rng = np.random.default_rng(seed)
    chance = np.full(groups, 1.0 / groups)
    parts: dict[str, list[Values]] = {}
    left = draws
    while left:
        now = min(left, max(1, _CELLS_AT_ONCE // groups))
        weights = rng.multinomial(groups, chance, size=now).astype(np.float64)
        for name, values in figures_of({n: weights @ column for n, column in grouped.items()}).items():
            parts.setdefault(name, []).append(values)
        left -= now
    limits = {}
    for name, chunks in parts.items():
        values = np.concatenate(chunks)
        values = values[~np.isnan(values)]
        if len(values):
            low, high = np.quantile(values, [0.025, 0.975])
            limits[name] = (float(low), float(high))
    return limits
