"""CoreDeep's threshold: as high as cracks bear without falling apart (section 3.1 of the paper).

For each image, between its smallest and largest crack probability: ten bins; raise the threshold bin by bin
until there are more components than in the first mask (argmax, so 0.5); divide that bin by ten once and lower
the threshold until there are as many as at first. Then ten bins over the thresholds of all images: the
middle of the fullest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.component_curve import ComponentCurve, Neighbours, component_curve
from flawscope.types import IGNORE_INDEX

Values = npt.NDArray[np.float64]

Begin = Literal["lowest", "half"]

BINS = 10
FIRST_THRESHOLD = 0.5
"""Where the argmax of two classes cuts."""

HIGH = 0.899
"""Figures 7a and 7b of the paper show the images above this threshold."""

LOWEST, HIGHEST = 0.01, 0.99
"""Bounds of a choice: at 0 every pixel would count, at 1 hardly any."""

SAME, NARROW = 1e-6, 1e-3
"""Thresholds closer together than the first are one, which gets bins of the second."""


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """What the search found for one image."""

    image: str
    threshold: float
    components: int
    """Components of the first mask, at 0.5."""
    components_after: int
    """Components at the threshold."""
    at_once: bool
    """Whether the first bin of all ended the search: faint specks outnumber the first components."""
    rises: bool
    """Whether there ever were more components than at first; if not, the threshold is the last one tried."""


@dataclass(frozen=True, slots=True, eq=False)
class ConnectivityChoice:
    """The threshold of one class, and the thresholds of all images behind it."""

    class_name: str
    threshold: float
    """Middle of the fullest bin, to two places."""
    images: tuple[ImageSearch, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    """Images in each of the ten bins between the ``edges``: figures 7c and 7d."""
    neighbours: int = 8

    @property
    def values(self) -> Values:
        """Thresholds of all images."""
        return np.array([one.threshold for one in self.images])

    @property
    def above_high(self) -> int:
        """Images whose threshold lies above .899 (figures 7a and 7b)."""
        return int((self.values > HIGH).sum())

    @property
    def at_once(self) -> int:
        """Images in which the first bin ended the search."""
        return sum(one.at_once for one in self.images)

    @property
    def name(self) -> str:
        """How the paper names a model's results at this threshold, less the model: ``95``."""
        return threshold_name(self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """The choice, figure 7's histograms and the search of every image."""
        high = self.values[self.values > HIGH]
        counts, edges = np.histogram(high, BINS, (HIGH, max(1.0, HIGH)))
        k = _fullest(self.counts)
        return {
            "threshold": self.threshold,
            "neighbours": self.neighbours,
            "fullest_bin": [round(edge, 6) for edge in self.edges[k : k + 2]],
            "histogram": {"edges": [round(edge, 6) for edge in self.edges], "images": list(self.counts)},
            "histogram_above_0.899": {
                "edges": [round(float(edge), 6) for edge in edges],
                "images": [int(count) for count in counts],
                "images_above": self.above_high,
            },
            "images": [
                {
                    "image": one.image,
                    "threshold": round(one.threshold, 6),
                    "components": one.components,
                    "components_after": one.components_after,
                    "rises": one.rises,
                }
                for one in self.images
            ],
        }


def threshold_name(threshold: float) -> str:
    """``95`` for 0.95: the paper's SW95 is the model SW cut there."""
    return f"{100 * threshold:.4g}"


def search_image(curve: ComponentCurve, low: float, high: float) -> tuple[float, int | None]:
    """Return the threshold of one image and the bin that ended the search; None where no bin did.

    ``low`` and ``high`` are its smallest and largest probability. Where no threshold of the divided bin has
    as many components as the first mask, the bin's lower end is taken.
    """
    first = int(curve.count(FIRST_THRESHOLD))
    edges = np.linspace(low, high, BINS + 1)
    more = np.flatnonzero(curve.count(edges[1:]) > first)
    if not len(more):
        return float(edges[-1]), None
    finer = np.linspace(edges[more[0]], edges[more[0] + 1], BINS + 1)
    same = np.flatnonzero(curve.count(finer) == first)
    return float(finer[same[-1]] if len(same) else finer[0]), int(more[0])


class ConnectivitySearch:
    """Takes images one by one, then chooses. Keeps one number an image and class."""

    def __init__(
        self, class_names: Sequence[str], neighbours: Neighbours = 8, begin: Begin = "lowest"
    ) -> None:
        """``begin``: at each image's smallest probability, as the paper; or at 0.5, above faint specks."""
        if begin not in get_args(Begin):
            raise UsageError(f"The search begins at lowest or half; found {begin!r}.")
        self._begin = begin
        self._names = tuple(class_names)
        self._neighbours: Neighbours = neighbours
        self._found: list[list[ImageSearch]] = [[] for _ in self._names]
        self.images = 0
        """Images taken so far."""
        self.silent = [0 for _ in self._names]
        """Images of the class in which nothing reaches 0.5, a class."""

    def add(
        self,
        name: str,
        probability: Sequence[npt.NDArray[np.floating]],
        truth: Sequence[npt.NDArray[np.uint8]],
    ) -> None:
        """Take one image: planes H x W of probabilities and of truth (0, 1, 255 ignore), one a class.

        Only images whose truth holds the class have a say, as the paper's crack images; ignored pixels count
        as having no probability.
        """
        for k, (plane, true) in enumerate(zip(probability, truth, strict=True)):
            if not (true == 1).any():
                continue
            valid = true != IGNORE_INDEX
            seen = np.where(valid, plane, 0) if not valid.all() else plane
            low, high = float(plane[valid].min()), float(plane[valid].max())
            if high < FIRST_THRESHOLD:
                self.silent[k] += 1
                continue
            curve = component_curve(seen, self._neighbours)
            if self._begin == "half":
                low = FIRST_THRESHOLD
            threshold, ended = search_image(curve, low, high)
            first, after = int(curve.count(FIRST_THRESHOLD)), int(curve.count(threshold))
            self._found[k].append(ImageSearch(name, threshold, first, after, ended == 0, ended is not None))
        self.images += 1

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes for which no image had a say."""
        return tuple(name for name, found in zip(self._names, self._found, strict=True) if not found)

    def choose(self) -> tuple[ConnectivityChoice, ...]:
        """Return the choice for each class that occurs. Raises DataError when none does."""
        if len(self.absent) == len(self._names):
            raise DataError(
                f"None of the {self.images} images shows a class that the model finds at 0.5 "
                f"({', '.join(self._names)}).\nThe search needs such images; name another part with --part."
            )
        return tuple(
            _choice(name, found, self._neighbours)
            for name, found in zip(self._names, self._found, strict=True)
            if found
        )


def _choice(name: str, found: Sequence[ImageSearch], neighbours: int) -> ConnectivityChoice:
    values = np.array([one.threshold for one in found])
    counts, edges = np.histogram(values, _bins(values))
    k = _fullest(counts)
    middle = round(float(edges[k] + edges[k + 1]) / 2, 2)
    return ConnectivityChoice(
        class_name=name,
        threshold=min(max(middle, LOWEST), HIGHEST),
        images=tuple(found),
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
        neighbours=neighbours,
    )


def _bins(values: Values) -> Values:
    """Edges of ten bins over the values; where all are equal, of narrow ones with that value in a middle."""
    low, high = float(values.min()), float(values.max())
    if high - low < SAME:
        middle = (BINS + 1) / 2
        low, high = low - NARROW * middle, low + NARROW * (BINS - middle)
    return np.linspace(low, high, BINS + 1)


def _fullest(counts: npt.NDArray[np.intp] | Sequence[int]) -> int:
    """Number of the fullest bin; of equally full ones the highest."""
    return len(counts) - 1 - int(np.argmax(np.asarray(counts)[::-1]))
