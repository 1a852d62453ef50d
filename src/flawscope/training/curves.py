"""Figures at all 99 thresholds at once, pooled over images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.counts import THRESHOLDS, count_curves, within

Sums = npt.NDArray[np.float64]
"""5 x 99: predicted, true positive, predicted near truth, truth near predicted, true pixels."""

COLUMNS = 5


def empty_sums() -> Sums:
    """Return zeros."""
    return np.zeros((COLUMNS, len(THRESHOLDS)))


def add_image(sums: Sums, level: npt.NDArray[np.uint8], true: npt.NDArray[np.bool_]) -> None:
    """Add one class of one image: ``level`` from ``threshold_levels``, 0 where ignored; ``true`` likewise."""
    found = count_curves(level, true, within(true, 2))
    sums[0] += found.predicted
    sums[1] += found.true_positive
    sums[2] += found.predicted_hit_tol2
    sums[3] += found.true_hit_tol2
    sums[4] += np.count_nonzero(true)


def pooled(sums: Sums) -> dict[str, Sums]:
    """Return ``f1``, ``f1_tol2``, ``iou`` and ``mean`` (of the two F1) at each threshold; 0 for 0 / 0.

    ``sums`` may have leading axes.
    """
    predicted, hit, near, reached, true = np.moveaxis(sums, -2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.nan_to_num(2 * hit / (predicted + true))
        iou = np.nan_to_num(hit / (predicted + true - hit))
        precision, recall = np.nan_to_num(near / predicted), np.nan_to_num(reached / true)
        f1_tol2 = np.nan_to_num(2 * precision * recall / (precision + recall))
    return {"f1": f1, "f1_tol2": f1_tol2, "iou": iou, "mean": (f1 + f1_tol2) / 2}
