"""Threshold and minimum area of each class, chosen on validation images through the very inspection path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.counts import THRESHOLDS, threshold_levels
from flawscope.inspection.postprocess import open_area
from flawscope.training.curves import add_image, empty_sums, pooled
from flawscope.training.validate import class_planes
from flawscope.types import IGNORE_INDEX, ClassInfo, FloatArray, Mask

Levels = npt.NDArray[np.uint8]
Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What was chosen for one class, and how good it was on the images it was chosen on."""

    threshold: float
    min_area_px: int
    value: float
    """The rule's figure with both."""


@dataclass(eq=False)
class _Seen:
    level: Levels
    true: npt.NDArray[np.bool_]


class Chooser:
    """Takes images one by one, then chooses. Keeps two bytes a pixel and class."""

    def __init__(self, classes: Sequence[ClassInfo], rule: str, areas_px: Sequence[int]) -> None:
        self._classes = classes
        self._rule = rule
        self._areas_px = areas_px
        self._seen: list[list[_Seen]] = [[] for _ in classes]

    def add(self, probability: FloatArray, mask: Mask) -> None:
        """Take one image: probability K x H x W, mask as a sample holds it."""
        valid = np.ones(mask.shape[:2], bool) if mask.ndim == 3 else mask != IGNORE_INDEX
        for k, plane in enumerate(class_planes(mask, self._classes)):
            level = np.where(valid, threshold_levels(probability[k]), 0).astype(np.uint8)
            self._seen[k].append(_Seen(level, np.ascontiguousarray(plane & valid)))

    def choose(self) -> list[Choice]:
        """Return the choice of each class: the best threshold, then the best area at that threshold.

        A class that occurs in no image gets threshold 0.5 and the first area.
        """
        return [self._choose(seen) for seen in self._seen]

    def _choose(self, seen: Sequence[_Seen]) -> Choice:
        if not any(one.true.any() for one in seen):
            return Choice(0.5, self._areas_px[0], 0.0)
        curve = _curve(seen, self._rule)
        # Of equally good thresholds the middle one: it stands furthest from where things get worse.
        best = np.flatnonzero(curve >= curve.max() - 1e-9)
        number = int(best[len(best) // 2]) + 1
        values = [self._at_area(seen, number, area) for area in self._areas_px]
        chosen = int(np.argmax(values))
        return Choice(float(THRESHOLDS[number - 1]), self._areas_px[chosen], float(values[chosen]))

    def _at_area(self, seen: Sequence[_Seen], number: int, area_px: int) -> float:
        cleaned = [_Seen(open_area(one.level >= number, area_px).astype(np.uint8), one.true) for one in seen]
        return float(_curve(cleaned, self._rule)[0])


def _curve(seen: Sequence[_Seen], rule: str) -> Curve:
    """Return the rule's figure, pooled over all pixels, at each of the 99 thresholds."""
    sums = empty_sums()
    for one in seen:
        add_image(sums, one.level, one.true)
    return pooled(sums)[rule]
