"""Thresholds of a sigmoid classifier's classes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.label_curves import steps


def best_f1(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The threshold in 0..1 of largest F1, N scores against N truths; 0.5 where no image shows the class.

    Halfway between the lowest score that is kept and the highest that is not, so that it does not sit on an
    image. Of equal ones the highest.
    """
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if not truth.any():
        return 0.5
    found = steps(score, truth)
    f1 = 2 * found.true_positives / (found.true_positives + found.false_positives + truth.sum())
    best = int(np.argmax(f1))
    lower = float(found.threshold[best + 1]) if best + 1 < len(f1) else 0.0
    return float(np.clip((float(found.threshold[best]) + lower) / 2, 0.0, 1.0))
