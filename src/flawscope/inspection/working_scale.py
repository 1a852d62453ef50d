"""The working scale: at which size the network should see a photograph.

A network knows cracks of the widths it was trained on. A crack 40 px wide in a 12-megapixel photograph looks
like nothing it knows, and like an ordinary crack at a quarter of the size. The finder runs the network at
several sizes on the most telling part of the photograph and asks at which size the most crack is seen:
confident, long, and of a width that the network knows. The photograph's own size wins unless another one
tells clearly more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from flawscope.inspection.preprocess import resize_image, scaled_size_hw
from flawscope.types import FloatArray, RgbImage

Predict = Callable[[RgbImage], FloatArray]
"""Probabilities C x H x W of a picture at its own size."""

DEFAULT_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)
"""Tried where the manifest names none but 1."""

_LEAST_SIDE_PX = 96
"""Below this a picture holds too little surroundings for the network to judge."""
_LEAST_COMPONENT_PX = 12
_PROBE_PX = 1024
_PROBES = 2
_OVERVIEW_PIXELS = 2_000_000


@dataclass(frozen=True, slots=True)
class ScaleSearch:
    """What the finder needs to know of the bundle, and how sure it must be.

    The defaults were chosen on training parts of two crack sets, as they are and enlarged three times.
    """

    candidates: tuple[float, ...] = (1.0,)
    """The manifest's ``working_scales``; (1.0,) alone means that none were named: the default ones are
    tried."""
    width_range_px: tuple[float, float] = (1.0, 9.0)
    """Widths that the network knows."""
    threshold: float = 0.3
    """Probability from which a pixel is looked at; independent of the threshold for the result."""
    native_bonus: float = 1.3
    """Another size must show this many times the evidence of the photograph's own size ..."""
    least_share: float = 0.2
    """... and, beyond that, this share of the shorter side of what is looked at."""

    @property
    def scales(self) -> tuple[float, ...]:
        """The sizes to try."""
        return self.candidates if self.candidates != (1.0,) else DEFAULT_SCALES


def candidate_scales(size_hw: tuple[int, int], search: ScaleSearch) -> tuple[float, ...]:
    """The sizes worth trying for a picture: the named ones, none that leaves less than 96 px."""
    fits = [scale for scale in search.scales if scale >= 1.0 or min(size_hw) * scale >= _LEAST_SIDE_PX]
    return tuple(dict.fromkeys((1.0, *sorted(fits, reverse=True))))


def choose_scale(
    size_hw: tuple[int, int],
    read: Callable[[int, int, int, int], RgbImage],
    overview: Callable[[float], RgbImage],
    predict: Predict,
    search: ScaleSearch,
) -> float:
    """The candidate that shows the most evidence of cracks; 1.0 when none does clearly better.

    ``read(y0, y1, x0, x1)`` gives a part of the photograph, ``overview(scale)`` all of it at a scale.
    """
    scales = candidate_scales(size_hw, search)
    if len(scales) == 1:
        return 1.0
    totals = dict.fromkeys(scales, 0.0)
    side = 0
    for box in _probes(size_hw, overview, predict, scales, search):
        part = read(*box)
        side = max(side, min(part.shape[:2]))
        for scale in scales:
            small = resize_image(part, scaled_size_hw((part.shape[0], part.shape[1]), scale))
            totals[scale] += evidence(predict(small), scale, search) ** 2
    return pick({scale: math.sqrt(total) for scale, total in totals.items()}, side, search)


def pick(found: Mapping[float, float], side_px: int, search: ScaleSearch) -> float:
    """The scale with the most evidence, the photograph's own unless another clearly beats it."""
    best = max(found, key=lambda scale: found[scale])
    needed = search.native_bonus * found.get(1.0, 0.0) + search.least_share * side_px
    return best if found[best] > needed else 1.0


def evidence(probability: FloatArray, scale: float, search: ScaleSearch) -> float:
    """Confident length of crack of a known width, in pixels of the photograph.

    For each component whose median width lies in the known range: length of its centreline times its mean
    ``(p - threshold) / (1 - threshold)`` there. Their root of squares favours one long crack over the many
    short pieces into which a crack falls, and the specks that texture gives, at a size that does not suit.
    """
    from skimage.morphology import skeletonize

    best = probability.max(axis=0)
    mask = best >= search.threshold
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if not count:
        return 0.0
    line = np.asarray(skeletonize(mask), dtype=np.bool_)
    # Distance to the nearest pixel outside; a bar of width w has 2 d - 1 = w on its middle row.
    width = 2.0 * ndimage.distance_transform_edt(mask) - 1.0
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    number = labels[line]
    numbers = np.unique(number[areas[number] >= _LEAST_COMPONENT_PX])
    if not len(numbers):
        return 0.0
    length = np.bincount(number, minlength=count + 1)[numbers]
    middle = np.asarray(ndimage.median(width[line], number, numbers))
    certain = np.asarray(ndimage.mean(best[line], number, numbers))
    low, high = search.width_range_px
    sure = (certain - search.threshold) / max(1e-6, 1.0 - search.threshold)
    known = (middle >= low) & (middle <= high)
    return float(np.sqrt(np.sum(np.square((sure * length)[known]))) / scale)


def _probes(
    size_hw: tuple[int, int],
    overview: Callable[[float], RgbImage],
    predict: Predict,
    scales: tuple[float, ...],
    search: ScaleSearch,
) -> list[tuple[int, int, int, int]]:
    """Boxes (y0, y1, x0, x1) to try the scales on: all of a small picture, else where the overview answers
    most."""
    height, width = size_hw
    if height <= _PROBE_PX and width <= _PROBE_PX:
        return [(0, height, 0, width)]
    scale = min(min(scales), math.sqrt(_OVERVIEW_PIXELS / (height * width)))
    response = predict(overview(scale)).max(axis=0)
    response = np.where(response >= 0.5 * search.threshold, response, 0.0)
    edge_y = min(response.shape[0], max(1, round(_PROBE_PX * scale)))
    edge_x = min(response.shape[1], max(1, round(_PROBE_PX * scale)))
    boxes = []
    for _ in range(_PROBES):
        sums = _box_sums(response, edge_y, edge_x)
        y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
        response[y : y + edge_y, x : x + edge_x] = 0.0
        y0 = min(int(y / scale), max(0, height - _PROBE_PX))
        x0 = min(int(x / scale), max(0, width - _PROBE_PX))
        boxes.append((y0, min(height, y0 + _PROBE_PX), x0, min(width, x0 + _PROBE_PX)))
    return boxes


def _box_sums(values: npt.NDArray[np.float32], edge_y: int, edge_x: int) -> npt.NDArray[np.float64]:
    table = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    rows = table[edge_y:] - table[:-edge_y]
    return np.asarray(rows[:, edge_x:] - rows[:, :-edge_x], dtype=np.float64)
