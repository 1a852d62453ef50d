"""Threshold and minimum area of each class from a stream of labelled images.

Images stream by once. Their probabilities are kept on disk as numbers of thresholds reached (one byte a
pixel, compressed), so that minimum areas can be tried without predicting again.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from flawscope.errors import DataError, ImageError
from flawscope.evaluation.counts import (
    THRESHOLDS,
    Curves,
    count_curves,
    disk_maximum,
    threshold_levels,
    within,
)
from flawscope.evaluation.curves import curve_figures
from flawscope.evaluation.segmentation import f1_of_hits, ratio
from flawscope.types import IGNORE_INDEX

Measure = Literal["f1", "f1_tol2", "mean"]
Values = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]

MEASURES: tuple[Measure, ...] = ("f1", "f1_tol2", "mean")
AREAS_PX = (0, 10, 20, 40, 80, 160, 320)
"""Minimum areas that are tried, in pixels of the photograph."""

_EQUAL = 1e-9
_NEARBY = range(-20, 21, 5)
"""Thresholds around the best one (in hundredths) at which the areas are tried too."""


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdChoice:
    """What was chosen for one class, and the curves behind it."""

    class_name: str
    threshold: float
    min_area_px: int
    score: float
    """The measure with both."""
    measure: str
    curves: dict[str, Values]
    """precision, recall, f1 (and ``*_tol2``) at the 99 thresholds, without a minimum area."""
    areas: dict[int, float]
    """Minimum area -> the measure at the chosen threshold."""
    of_px: int
    """Median number of pixels of the images that the area was chosen on."""

    def to_dict(self) -> dict[str, Any]:
        """The choice and its curves as JSON takes them (undefined = None)."""
        return {
            "threshold": self.threshold,
            "min_area_px": self.min_area_px,
            "measure": self.measure,
            "score": self.score,
            "areas": {str(area): value for area, value in self.areas.items()},
            "curve": {
                "threshold": [round(float(t), 2) for t in THRESHOLDS],
                **{
                    n: [None if np.isnan(v) else round(float(v), 5) for v in c]
                    for n, c in self.curves.items()
                },
            },
        }


@dataclass(slots=True)
class _ClassSums:
    true: float = 0.0
    curves: dict[str, Values] = field(
        default_factory=lambda: {name: np.zeros(len(THRESHOLDS)) for name in Curves.__dataclass_fields__}
    )


class Chooser:
    """Takes images one by one, then chooses. Memory is one image; the rest waits in a temporary file."""

    def __init__(
        self,
        class_names: Sequence[str],
        measure: Measure = "mean",
        areas_px: Sequence[int] = AREAS_PX,
        slack: float = 0.0,
    ) -> None:
        """Differences of the measure up to ``slack`` count as noise of the images.

        Of the thresholds that are as good as the best one the middle is taken; of the areas the one that
        tells most images right (something found where something is), and of these the smallest.
        """
        self._names = tuple(class_names)
        self._measure: Measure = measure
        self._slack = slack
        self._areas_px = tuple(sorted(set(areas_px)))
        self._sums = [_ClassSums() for _ in self._names]
        self._spool: IO[bytes] = tempfile.TemporaryFile(prefix="flawscope-levels-")  # noqa: SIM115
        self._index: list[list[tuple[int, int, tuple[int, int]]]] = [[] for _ in self._names]
        self.images = 0
        """Images taken so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def add(
        self, probability: Sequence[npt.NDArray[np.floating]], truth: Sequence[npt.NDArray[np.uint8]]
    ) -> None:
        """Take one image: a plane H x W a class of probabilities, and of truth (0, 1, 255 ignore).

        Raises ImageError when the sizes differ.
        """
        for k, (plane, true_plane) in enumerate(zip(probability, truth, strict=True)):
            if plane.shape != true_plane.shape:
                raise ImageError(f"The mask has shape {true_plane.shape} and the prediction {plane.shape}.")
            true = true_plane == 1
            level = threshold_levels(plane)
            level[true_plane == IGNORE_INDEX] = 0
            sums = self._sums[k]
            sums.true += float(np.count_nonzero(true))
            curves = count_curves(level, true, within(true, 2))
            for name, total in sums.curves.items():
                total += getattr(curves, name)
            self._store(k, level, true)
        self.images += 1

    def choose(self) -> tuple[ThresholdChoice, ...]:
        """Return the choice for each class that occurs. Raises DataError when none does."""
        if len(self.absent) == len(self._names):
            raise DataError(
                f"None of the {self.images} images shows: {', '.join(self._names)}.\n"
                "A threshold needs images with the class; name another part with --part."
            )
        return tuple(self._choose(k) for k, sums in enumerate(self._sums) if sums.true)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes that no image has shown so far."""
        return tuple(name for name, sums in zip(self._names, self._sums, strict=True) if not sums.true)

    def _choose(self, k: int) -> ThresholdChoice:
        sums = self._sums[k]
        curves = curve_figures(sums.curves, np.full(len(THRESHOLDS), sums.true))
        curve = curves["f1"] / 2 + curves["f1_tol2"] / 2 if self._measure == "mean" else curves[self._measure]
        best = _middle_of_best(curve, self._slack)
        tried = sorted({int(np.clip(best + 1 + step, 1, 99)) for step in _NEARBY})
        scores, wrong = self._scores(k, tried)
        noise = max(self._slack, _EQUAL)
        rows = np.flatnonzero(scores.max(axis=1) >= scores.max() - noise)
        row = int(min(rows, key=lambda at: abs(tried[at] - best - 1)))
        columns = np.flatnonzero(scores[row] >= scores[row].max() - noise)
        column = int(min(columns, key=lambda at: (wrong[row, at], at)))
        return ThresholdChoice(
            class_name=self._names[k],
            threshold=round(float(THRESHOLDS[tried[row] - 1]), 2),
            min_area_px=self._areas_px[column],
            score=float(scores[row, column]),
            measure=self._measure,
            curves=curves,
            areas={area: float(scores[row, c]) for c, area in enumerate(self._areas_px)},
            of_px=sorted(height * width for _, _, (height, width) in self._index[k])[self.images // 2],
        )

    def _scores(self, k: int, tried: Sequence[int]) -> tuple[Values, Values]:
        """Return the measure at each level of ``tried`` and each minimum area, and how many images it tells
        wrong."""
        totals = np.zeros((4, len(tried), len(self._areas_px)))
        wrong = np.zeros(totals.shape[1:])
        for level, true in self._stored(k):
            near_true = within(true, 2)
            for row, number in enumerate(tried):
                counts = area_counts(level >= number, true, near_true, self._areas_px)
                totals[:, row] += counts
                wrong[row] += (counts[0] > 0) != true.any()
        predicted, tp, predicted_hit, true_hit = totals
        true_total = np.full(predicted.shape, self._sums[k].true)
        strict = np.nan_to_num(ratio(2 * tp, predicted + true_total))
        tolerant = np.nan_to_num(f1_of_hits(predicted_hit, predicted, true_hit, true_total))
        return {"f1": strict, "f1_tol2": tolerant, "mean": (strict + tolerant) / 2}[self._measure], wrong

    def _store(self, k: int, level: Levels, true: npt.NDArray[np.bool_]) -> None:
        data = zlib.compress(level.tobytes() + np.packbits(true).tobytes(), level=1)
        self._index[k].append((self._spool.seek(0, 2), len(data), (level.shape[0], level.shape[1])))
        self._spool.write(data)

    def _stored(self, k: int) -> Iterator[tuple[Levels, npt.NDArray[np.bool_]]]:
        for offset, length, size_hw in self._index[k]:
            self._spool.seek(offset)
            data = np.frombuffer(zlib.decompress(self._spool.read(length)), dtype=np.uint8)
            pixels = size_hw[0] * size_hw[1]
            true = np.unpackbits(data[pixels:], count=pixels).astype(np.bool_)
            yield data[:pixels].reshape(size_hw), true.reshape(size_hw)


def area_counts(
    predicted: npt.NDArray[np.bool_],
    true: npt.NDArray[np.bool_],
    near_true: npt.NDArray[np.bool_],
    areas_px: Sequence[int],
) -> Values:
    """Return predicted, hit strictly, hit within 2 px, and true hit within 2 px: 4 x areas.

    A component survives every minimum area up to its own size. So each pixel carries the number of areas
    that its component survives, and histograms of that number hold the counts for all areas at once. A true
    pixel is hit by the largest component within 2 px.
    """
    labels, count = ndimage.label(predicted, structure=np.ones((3, 3), dtype=bool))
    if not count:
        return np.zeros((4, len(areas_px)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    survives = np.searchsorted(np.asarray(areas_px), sizes, side="right").astype(np.uint8)
    survives[0] = 0
    rank = survives[labels]

    def at_each(ranks: Levels) -> Values:
        histogram = np.bincount(ranks, minlength=len(areas_px) + 1)
        return np.cumsum(histogram[::-1])[::-1][1:].astype(np.float64)

    hit_rank = disk_maximum(rank, 2)
    return np.stack(
        [at_each(rank.ravel()), at_each(rank[true]), at_each(rank[near_true]), at_each(hit_rank[true])]
    )


def _middle_of_best(curve: Values, slack: float = 0.0) -> int:
    """Return the middle of the stretch around the largest value where the curve is within ``slack`` of it.

    There it is furthest from getting worse. Of several largest values the middle one counts.
    """
    best = np.flatnonzero(curve >= curve.max() - _EQUAL)
    first = last = int(best[len(best) // 2])
    good = curve >= curve.max() - max(slack, _EQUAL)
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(curve) and good[last + 1]:
        last += 1
    return (first + last + 1) // 2
