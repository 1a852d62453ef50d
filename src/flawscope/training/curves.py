"""Figures at all 99 thresholds at once, pooled over images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.counts import THRESHOLDS, count_curves, within
from flawscope.evaluation.curves import curve_figures

Sums = npt.NDArray[np.float64]
"""5 x 99: predicted, true positive, predicted near truth, truth near predicted, true pixels."""

_NAMES = ("predicted", "true_positive", "predicted_hit_tol2", "true_hit_tol2")


def empty_sums() -> Sums:
    """Return zeros."""
    return np.zeros((len(_NAMES) + 1, len(THRESHOLDS)))


def add_image(sums: Sums, level: npt.NDArray[np.uint8], true: npt.NDArray[np.bool_]) -> None:
    """Add one class of one image: ``level`` from ``threshold_levels``, 0 where ignored; ``true`` likewise."""
    found = count_curves(level, true, within(true, 2))
    for row, name in enumerate(_NAMES):
        sums[row] += getattr(found, name)
    sums[-1] += np.count_nonzero(true)


def pooled(sums: Sums) -> dict[str, Sums]:
    """Return ``f1``, ``f1_tol2`` and ``iou`` at each threshold; 0 for 0 / 0."""
    named = dict(zip(_NAMES, sums[:4], strict=True))
    curves = curve_figures(named, sums[4])
    f1 = curves["f1"]
    return {"f1": f1, "f1_tol2": curves["f1_tol2"], "iou": f1 / (2 - f1)}
