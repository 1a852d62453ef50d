"""Precision, recall and F1 over the 99 thresholds, from summed counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.counts import THRESHOLDS, ClassCounts, Curves
from flawscope.evaluation.segmentation import f1_of_hits, ratio

Values = npt.NDArray[np.float64]


def pooled_curves(counts: Sequence[ClassCounts]) -> dict[str, Values]:
    """Return precision, recall and F1 (strict, and ``*_tol2``) at the 99 thresholds, counts summed."""
    curves = [c.curves for c in counts if c.curves is not None]
    true = np.full(len(THRESHOLDS), float(sum(c.true_pixels for c in counts)))
    return curve_figures(sum_curves(curves), true)


def sum_curves(curves: Sequence[Curves]) -> dict[str, Values]:
    """Return the four counts summed over images."""
    names = ("predicted", "true_positive", "predicted_hit_tol2", "true_hit_tol2")
    zero = np.zeros(len(THRESHOLDS))
    return {name: sum((getattr(c, name).astype(np.float64) for c in curves), zero) for name in names}


def curve_figures(sums: dict[str, Values], true: Values) -> dict[str, Values]:
    """Return the curves of :func:`pooled_curves` from summed counts and the number of true pixels."""
    predicted, tp = sums["predicted"], sums["true_positive"]
    return {
        "precision": ratio(tp, predicted),
        "recall": ratio(tp, true),
        "f1": np.nan_to_num(ratio(2 * tp, predicted + true)),
        "precision_tol2": ratio(sums["predicted_hit_tol2"], predicted),
        "recall_tol2": ratio(sums["true_hit_tol2"], true),
        "f1_tol2": np.nan_to_num(
            f1_of_hits(sums["predicted_hit_tol2"], predicted, sums["true_hit_tol2"], true)
        ),
    }
