"""Scores of one class against its truth over all thresholds: ROC, precision and recall, calibration.

Everywhere ``scores`` are N probabilities and ``positive`` N booleans; images of equal score cannot be told
apart by a threshold, so ties are one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.segmentation import ratio

Values = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CALIBRATION_BINS = 15
"""Equal bins of probability (Guo et al., ICML 2017)."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What is predicted and what of it is right, from the highest threshold to the lowest."""

    threshold: Values
    """Falling; the first is infinite, where nothing is predicted."""
    true_positives: Values
    false_positives: Values

    @property
    def recall(self) -> Values:
        """Share of the positives that is predicted; NaN without positives."""
        return ratio(self.true_positives, self.true_positives[-1:])

    @property
    def false_rate(self) -> Values:
        """Share of the negatives that is predicted; NaN without negatives."""
        return ratio(self.false_positives, self.false_positives[-1:])

    @property
    def precision(self) -> Values:
        """Share of what is predicted that is positive; NaN where nothing is."""
        return ratio(self.true_positives, self.true_positives + self.false_positives)


def steps(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Steps:
    """Count what every threshold that changes anything predicts."""
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], truth[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, True)[: len(ranked)])
    found = np.cumsum(hit)[last_of_tie].astype(np.float64)
    wrong = np.cumsum(~hit)[last_of_tie].astype(np.float64)
    zero = np.zeros(1)
    return Steps(
        np.concatenate([[np.inf], ranked[last_of_tie]]),
        np.concatenate([zero, found]),
        np.concatenate([zero, wrong]),
    )


def roc_area(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Return the chance that a positive scores above a negative, ties counted half; NaN without both.

    That is the area under the ROC curve by trapezoids (Hanley and McNeil 1982).
    """
    curve = steps(scores, positive)
    right, up = curve.false_rate, curve.recall
    return float(np.sum(np.diff(right) * (up[1:] + up[:-1]) / 2)) if len(right) > 1 else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How often what is said with a probability is so; one value a bin, NaN where a bin is empty."""

    images: Values
    said: Values
    """Mean probability."""
    seen: Values
    """Share that is right."""

    @property
    def error(self) -> float:
        """Expected calibration error: |said - seen|, weighted by images; NaN without images."""
        gap = np.nan_to_num(np.abs(self.said - self.seen))
        return float(ratio(np.asarray(np.sum(self.images * gap)), np.asarray(np.sum(self.images))))


def calibration(scores: npt.ArrayLike, right: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> Calibration:
    """Sort probabilities into equal bins; a bin holds its lower edge, the last one also 1."""
    score, hit = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    where = np.minimum((score * bins).astype(np.intp), bins - 1)
    images = np.bincount(where, minlength=bins).astype(np.float64)
    said: Values = np.bincount(where, score, bins).astype(np.float64)
    seen: Values = np.bincount(where, hit, bins).astype(np.float64)
    return Calibration(images, ratio(said, images), ratio(seen, images))
