"""Thresholds with a promise: how much of what is there will be missed, in units that are yet to come.

Losses of units at the 99 thresholds, from images that stream by; :mod:`flawscope.evaluation.risk_bounds`
turns them into a threshold. Minimum areas and presence are fixed before: what survives them at a threshold
survives at every lower one too, so that losses never fall as the threshold rises. They are applied to all
thresholds at once, by opening the image of levels instead of every mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import area_opening

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.counts import THRESHOLDS, disk_maximum, threshold_levels
from flawscope.evaluation.risk_bounds import (
    Bound,
    check_wish,
    close_to_refusal,
    highest_in_expectation,
    highest_with_confidence,
    units_needed,
)
from flawscope.inspection.areas import AreasAt
from flawscope.types import IGNORE_INDEX

Risk = Literal["pixels", "cracks", "images"]
Values = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]

RISKS: tuple[Risk, ...] = get_args(Risk)
FOUND_SHARE, FOUND_PX = 0.5, 2
"""A crack is found when this share of its pixels has a predicted pixel within so many px."""
_EIGHT = np.ones((3, 3), dtype=bool)

MEANING: dict[str, str] = {
    "pixels": "share of a unit's true pixels that are not predicted",
    "cracks": "share of a unit's cracks of which less than half lies within 2 px of what is predicted",
    "images": "share of a unit's images with the class in which nothing is predicted",
}
"""What is missed, by name of the risk."""


@dataclass(frozen=True, slots=True)
class RiskOptions:
    """Which promise is wanted."""

    level: float = 0.1
    """Largest miss rate, in (0, 1)."""
    confidence: float | None = None
    """None: in expectation; else the probability that the level holds, in [0.5, 1)."""
    risk: Risk = "pixels"
    bound: Bound = "wsr"
    """Upper confidence bound: betting, or Hoeffding and Bentkus."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.risk not in RISKS:
            raise UsageError(f"There is no risk {self.risk!r}; expected one of: {', '.join(RISKS)}.")
        check_wish(self.level, self.confidence, self.bound)

    @property
    def words(self) -> str:
        """The promise in a line."""
        how = "in expectation" if self.confidence is None else f"with confidence {self.confidence:g}"
        return f"at most {self.level:g} of {self.risk} missed, {how}"


@dataclass(frozen=True, slots=True, eq=False)
class RiskChoice:
    """The threshold of one class and the promise that it carries."""

    class_name: str
    threshold: float
    min_area_px: int
    presence_px: int
    options: RiskOptions
    units: int
    """Units (groups) that hold the class."""
    images: int
    """Images that hold the class."""
    risk_there: float
    """Mean loss of the units at the threshold."""
    curve: Values = field(repr=False)
    """Mean loss of the units at the 99 thresholds."""
    close: bool = False
    """Whether another draw of units might well have been refused: see `close_to_refusal`."""

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON takes it."""
        return {
            "threshold": self.threshold,
            "min_area_px": self.min_area_px,
            "presence_px": self.presence_px,
            "risk": self.options.risk,
            "risk_is": MEANING[self.options.risk],
            "level": self.options.level,
            "confidence": self.options.confidence,
            "method": self.method,
            "units": self.units,
            "images": self.images,
            "risk_at_threshold": round(self.risk_there, 6),
            "curve": {
                "threshold": [round(float(t), 2) for t in THRESHOLDS],
                "risk": [round(float(value), 6) for value in self.curve],
            },
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the promise."""
        if not self.close:
            return ()
        return (
            f"{self.class_name}: at {THRESHOLDS[0]:g}, the lowest threshold, the units still miss "
            f"{self.curve[0]:.3f} on average, so that others drawn as they were might have been refused; the "
            f"promise counts that as no miss, and where it is given more than {self.options.level:g} may be "
            "missed: take more units",
        )

    @property
    def method(self) -> str:
        """Name of the method."""
        if self.options.confidence is None:
            return "conformal risk control"
        bound = {"wsr": "Waudby-Smith and Ramdas", "hb": "Hoeffding and Bentkus"}[self.options.bound]
        return f"risk-controlling prediction sets, bound of {bound}"


@dataclass(slots=True)
class _Unit:
    """Sums of one unit at the 99 thresholds."""

    missed: Values = field(default_factory=lambda: np.zeros(len(THRESHOLDS)))
    there: float = 0.0
    images: int = 0


class RiskChooser:
    """Takes images one by one, then chooses. Keeps 99 numbers a unit and class."""

    def __init__(
        self,
        class_names: Sequence[str],
        options: RiskOptions,
        min_area_px: Mapping[str, int],
        presence_px: Mapping[str, int],
        areas_of: AreasAt | None = None,
    ) -> None:
        """``areas_of``: minimum area and presence in images of a size, where they go by it."""
        self._names = tuple(class_names)
        self._options = options
        self._area_px = [min_area_px.get(name, 0) for name in self._names]
        self._presence_px = [max(1, presence_px.get(name, 0)) for name in self._names]
        self._areas_of = areas_of
        self._units: list[dict[str, _Unit]] = [{} for _ in self._names]
        self.images = 0
        """Images taken so far."""

    def add(
        self,
        unit: str,
        probability: Sequence[npt.NDArray[np.floating]],
        truth: Sequence[npt.NDArray[np.uint8]],
    ) -> None:
        """Take one image of a unit: planes H x W of probabilities and of truth (0, 1, 255), one a class.

        An image that does not hold a class has nothing of it to miss.
        """
        for k, (plane, true_plane) in enumerate(zip(probability, truth, strict=True)):
            true = true_plane == 1
            if not true.any():
                continue
            level = surviving_levels(plane, *self._least(k, plane.shape))
            level[true_plane == IGNORE_INDEX] = 0
            missed, there = LOSSES[self._options.risk](level, true)
            sums = self._units[k].setdefault(unit, _Unit())
            sums.missed += missed
            sums.there += there
            sums.images += 1
        self.images += 1

    def _least(self, k: int, shape: tuple[int, ...]) -> tuple[int, int]:
        if self._areas_of is None:
            return self._area_px[k], self._presence_px[k]
        areas, presence = self._areas_of((shape[0], shape[1]))
        return areas.get(self._names[k], 0), max(1, presence.get(self._names[k], 0))

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes that no image has shown so far."""
        return tuple(name for name, units in zip(self._names, self._units, strict=True) if not units)

    def choose(self) -> tuple[RiskChoice, ...]:
        """Return the choice for each class that occurs.

        Raises DataError when none does, where there are too few units, and where no threshold keeps the
        promise.
        """
        if len(self.absent) == len(self._names):
            wish = self._options
            need = units_needed(wish.level, wish.confidence, wish.bound)
            raise DataError(
                f"None of the {self.images} images shows: {', '.join(self._names)}.\n"
                f"The promise needs {need} units or more that do."
            )
        return tuple(self._choose(k) for k, units in enumerate(self._units) if units)

    def _choose(self, k: int) -> RiskChoice:
        options, units = self._options, list(self._units[k].values())
        losses = np.stack([unit.missed / unit.there for unit in units])
        if options.confidence is None:
            found = highest_in_expectation(losses, options.level)
        else:
            found = highest_with_confidence(
                losses, options.level, options.confidence, options.bound, options.seed
            )
        curve = losses.mean(axis=0)
        if found is None:
            raise DataError(
                f"No threshold of {self._names[k]} keeps the promise ({options.words}): at {THRESHOLDS[0]:g} "
                f"the {len(units)} units still miss {curve[0]:.3f} on average.\n"
                "Take a higher --level, more units, a smaller minimum area, or a better model."
            )
        return RiskChoice(
            class_name=self._names[k],
            threshold=round(float(THRESHOLDS[found]), 2),
            min_area_px=self._area_px[k],
            presence_px=self._presence_px[k],
            options=options,
            units=len(units),
            images=sum(unit.images for unit in units),
            risk_there=float(curve[found]),
            curve=curve,
            close=options.confidence is None and close_to_refusal(losses, options.level),
        )


def surviving_levels(
    probability: npt.NDArray[np.floating], min_area_px: int = 0, presence_px: int = 1
) -> Levels:
    """How many of the 99 thresholds each pixel survives, minimum area and presence included: H x W uint8.

    ``level >= k`` is what inspection predicts at threshold number k, counted from 1.
    """
    level = threshold_levels(probability)
    if min_area_px > 1:
        level = area_opening(level, min_area_px, connectivity=2)
    if presence_px > 1:
        # Above the level that so many pixels reach, nothing is there at all.
        reached = np.cumsum(np.bincount(level.ravel(), minlength=100)[::-1])[::-1]
        level = np.minimum(level, np.uint8(np.flatnonzero(reached >= presence_px).max(initial=0)))
    return np.asarray(level, dtype=np.uint8)


def _below(levels: Levels) -> Values:
    """How many of the levels lie below each threshold, which are then missed there."""
    return np.cumsum(np.bincount(levels, minlength=100))[:-1].astype(np.float64)


def missed_pixels(level: Levels, true: npt.NDArray[np.bool_]) -> tuple[Values, float]:
    """True pixels missed at the 99 thresholds, and true pixels in all."""
    return _below(level[true]), float(np.count_nonzero(true))


def missed_cracks(level: Levels, true: npt.NDArray[np.bool_]) -> tuple[Values, float]:
    """Cracks (8-connected in the truth) missed at the 99 thresholds, and cracks in all."""
    labels, count = ndimage.label(true, structure=_EIGHT)
    near, number = disk_maximum(level, FOUND_PX)[true], labels[true]
    # A crack is found up to the level that half of its pixels reach.
    order = np.lexsort((-near.astype(np.int16), number))
    near = near[order]
    sizes = np.bincount(number, minlength=count + 1)[1:]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    found_up_to = near[starts + np.ceil(FOUND_SHARE * sizes).astype(np.intp) - 1]
    return _below(found_up_to), float(count)


def missed_image(level: Levels, true: npt.NDArray[np.bool_]) -> tuple[Values, float]:
    """1 at the thresholds where nothing is predicted, wherever it may be; and 1 image."""
    return _below(np.array([level.max()])), 1.0


LOSSES = {"pixels": missed_pixels, "cracks": missed_cracks, "images": missed_image}
"""What is missed in one image, by name of the risk."""
