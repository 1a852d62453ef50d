"""The threshold of a gate for a stated miss rate: as many images spared as the missed ones allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from flawscope.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class GateCut:
    """A threshold and what it does to the images that it was chosen on."""

    threshold: float
    level: float
    """Largest share of the defective images that may be missed."""
    confidence: float | None
    defective: int
    missed: int
    """Defective images that are taken for clean."""
    clean: int
    spared: int
    """Clean images that are."""

    @property
    def rule(self) -> str:
        """How it was chosen, for the bundle."""
        how = "in expectation" if self.confidence is None else f"with confidence {self.confidence:g}"
        return (
            f"at most {self.level:g} of defective images missed, {how}; here {self.missed} of "
            f"{self.defective}, while {self.spared} of {self.clean} clean ones are spared"
        )


def gate_cut(
    scores: npt.ArrayLike, defective: Sequence[bool], level: float, confidence: float | None = None
) -> GateCut:
    """The highest threshold at which the misses stay at or below ``level``.

    ``scores``: N probabilities of a defect; ``defective``: N truths. Images to come are taken to be drawn
    as these. Without ``confidence`` the chance that the next defective image is missed is at most the
    level: (missed + 1) / (n + 1) <= level (conformal prediction: the score of the next one is as likely at
    any rank among the n). With it, with that probability over these images, the share that is missed in the
    long run is at most the level: the binomial upper bound of Clopper and Pearson (1934), from the lowest
    threshold upwards to the first that fails, so that no threshold is tested twice. The threshold lies
    halfway between two scores, on none.

    Raises UsageError for a level or confidence outside (0, 1), DataError where there are too few defective
    images.
    """
    if not 0 < level < 1 or (confidence is not None and not 0 < confidence < 1):
        raise UsageError(
            f"A gate's level is {level:g} and its confidence {confidence}; expected numbers between 0 and 1."
        )
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(defective, dtype=bool)
    bad = np.sort(score[truth])
    check_enough(len(bad), level, confidence)
    allowed = _allowed(len(bad), level, confidence)
    lowest_kept = float(bad[allowed])
    below = score[score < lowest_kept]
    threshold = (lowest_kept + (float(below.max()) if len(below) else 0.0)) / 2
    return GateCut(
        threshold,
        level,
        confidence,
        len(bad),
        int((bad < threshold).sum()),
        int((~truth).sum()),
        int((score[~truth] < threshold).sum()),
    )


def check_enough(defective: int, level: float, confidence: float | None = None) -> None:
    """Refuse fewer defective images than can show a miss rate. Raises DataError."""
    if _allowed(defective, level, confidence) < 0:
        raise DataError(
            f"{defective} defective images cannot show that at most {level:g} of them are missed.\n"
            f"Expected at least {_needed(level, confidence)}; or state a higher rate."
        )


def _allowed(count: int, level: float, confidence: float | None) -> int:
    """Most misses among ``count`` defective images that keep the promise; -1 where not even none does."""
    if confidence is None:
        return min(math.floor(level * (count + 1) + 1e-9) - 1, count - 1)
    missed = np.arange(count)
    bounds = stats.beta.ppf(confidence, missed + 1, count - missed)
    return int(np.count_nonzero(bounds <= level)) - 1


def _needed(level: float, confidence: float | None) -> int:
    """Fewest defective images of which none may be missed."""
    if confidence is None:
        return math.ceil(1.0 / level - 1e-9) - 1
    return math.ceil(math.log(1.0 - confidence) / math.log(1.0 - level) - 1e-9)
