"""What ``explore`` keeps of one image: its check, a row of figures, and its masks as run lengths.

Everything is counted on the decoded mask, cut to the box around its marked pixels; the picture itself is read
once. A row holds numbers only, so a data set of any size fits in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from flawscope.data.integrity import SampleCheck, read_sample
from flawscope.images.rle import encode_rle
from flawscope.types import ClassInfo, Mask, Sample

WIDEST_PX = 128
"""Lines that are wider count as so wide."""

_TILE_PX = 1024
_SHARPNESS_SIDE_PX = 2048
_EIGHT = np.ones((3, 3), np.bool_)

Plane = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class in one image that shows it."""

    share: float
    """Marked share of the pixels that are not ignored, 0..1; 1 for a label of the whole image."""
    pixels: int = 0
    components: int = 0
    """Connected parts, pixels that touch at a corner being connected."""
    largest_px: int = 0
    width_mean_px: float | None = None
    """Kind ``line`` only: mean width along the middle line."""
    width_max_px: float | None = None


@dataclass(frozen=True, slots=True)
class ImageRow:
    """What is kept of one image that could be used."""

    name: str
    source: str
    size_hw: tuple[int, int]
    brightness: float
    """Mean grey value, 0..255."""
    contrast: float
    """Standard deviation of the grey values."""
    sharpness: float
    """Variance of the Laplacian of the grey values (Pech-Pacheco et al., ICPR 2000); grain raises it too."""
    classes: Mapping[int, ClassFigures] = field(default_factory=dict)
    """Class id -> figures, present classes only, in order of id."""
    share: float = 0.0
    """Share of pixels that any class marks, 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """All that one image gives."""

    check: SampleCheck
    row: ImageRow | None = None
    """None where the image or its mask cannot be used."""
    rles: Mapping[int, str] = field(default_factory=dict)
    """Class id -> run lengths, dialect ``severstal``."""
    widths: Mapping[int, npt.NDArray[np.int64]] = field(default_factory=dict)
    """Class id -> how many middle-line pixels are 0, 1, ... ``WIDEST_PX`` px wide; kind ``line`` only."""


def look(sample: Sample, classes: Sequence[ClassInfo]) -> Look:
    """Read one sample and count what there is. Raises nothing on bad files."""
    check, image, mask = read_sample(sample)
    if image is None:
        return Look(check)
    grey = np.asarray(Image.fromarray(image).convert("L"))
    figures = {number: ClassFigures(1.0) for number in sample.labels}
    share, rles = float(bool(figures)), dict[int, str]()
    widths = dict[int, npt.NDArray[np.int64]]()
    if mask is not None:
        figures = {}
        for info in classes:
            if not check.positive_px.get(info.id):
                continue
            plane = plane_of(mask, info.id)
            figures[info.id], counts = measure_class(plane, check.valid_px, info.kind == "line")
            rles[info.id] = encode_rle(plane)
            if counts is not None:
                widths[info.id] = counts
        share = _marked_share(mask, check)
    row = ImageRow(
        name=sample.name,
        source=sample.source,
        size_hw=check.size_hw,
        brightness=float(grey.mean()),
        contrast=float(grey.std(dtype=np.float32)),
        sharpness=sharpness_of(grey),
        classes=figures,
        share=share,
    )
    return Look(check, row, rles, widths)


def plane_of(mask: Mask, class_id: int) -> Plane:
    """The pixels of one class, H x W bool, of a mask of class indices or a stack H x W x C."""
    plane: Plane = mask[..., class_id - 1] if mask.ndim == 3 else mask == class_id
    return plane


def _marked_share(mask: Mask, check: SampleCheck) -> float:
    # Where classes overlap, a pixel of two of them is one pixel all the same.
    marked = int(mask.any(axis=2).sum()) if mask.ndim == 3 else sum(check.positive_px.values())
    return marked / check.valid_px if check.valid_px else 0.0


def measure_class(
    plane: Plane, valid_px: int, is_line: bool
) -> tuple[ClassFigures, npt.NDArray[np.int64] | None]:
    """Figures of one class from its pixels (H x W bool, at least one marked); of a line its widths too."""
    cut = _cut_to_marked(plane)
    labels, count = ndimage.label(cut, structure=_EIGHT)
    sizes = np.bincount(labels.ravel())[1:]
    pixels = int(sizes.sum())
    counts = width_counts(cut) if is_line else None
    mean, most = _mean_and_most(counts) if counts is not None else (None, None)
    share = pixels / valid_px if valid_px else 0.0
    return ClassFigures(share, pixels, int(count), int(sizes.max()), mean, most), counts


def _cut_to_marked(plane: Plane) -> Plane:
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    # One empty pixel around it, where the picture goes on: the rim of the picture itself is no edge.
    box = (slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2))
    return np.ascontiguousarray(plane[box])


def width_counts(plane: Plane) -> npt.NDArray[np.int64]:
    """How many pixels of the middle line are 0, 1, ... ``WIDEST_PX`` px wide.

    A cheap look, where ``inspect`` measures to a fraction of a pixel: twice the Euclidean distance d from a
    skeleton pixel to the nearest unmarked one, less the pixel that both sides share. Where a line is an even
    number of pixels wide, its skeleton runs beside pixels that are as far from the edge, and nothing is
    shared. Upright and level bars come out exact. Works in tiles, so that masks of any size fit.
    """
    from skimage.morphology import skeletonize  # slow to import, and only sets with lines need it

    counts = np.zeros(WIDEST_PX + 1, np.int64)
    rim = WIDEST_PX // 2
    for y in range(0, plane.shape[0], _TILE_PX):
        for x in range(0, plane.shape[1], _TILE_PX):
            y0, x0 = max(0, y - rim), max(0, x - rim)
            tile = plane[y0 : y + _TILE_PX + rim, x0 : x + _TILE_PX + rim]
            if tile.all():
                continue  # wider than anything that is called a line
            middle = skeletonize(tile)
            if middle.any():
                own = np.zeros(tile.shape, np.bool_)
                own[y - y0 : y - y0 + _TILE_PX, x - x0 : x - x0 + _TILE_PX] = True
                widths = np.rint(_widths(tile, middle)[own[middle]])
                rounded = np.minimum(widths, WIDEST_PX).astype(np.int64)
                counts += np.bincount(rounded, minlength=WIDEST_PX + 1)
    return counts


def _widths(tile: Plane, middle: Plane) -> npt.NDArray[np.float64]:
    """Width at each pixel of the middle line, in the order of its pixels."""
    distance: npt.NDArray[np.float64] = ndimage.distance_transform_edt(tile)
    beside = np.pad(np.where(middle, 0.0, distance), 1)
    rows, columns = np.nonzero(middle)
    nearby = [beside[rows + 1 + dy, columns + 1 + dx] for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    own = distance[rows, columns]
    shared = np.max(nearby, axis=0) < own
    widths: npt.NDArray[np.float64] = 2 * own - shared
    return widths


def _mean_and_most(counts: npt.NDArray[np.int64]) -> tuple[float | None, float | None]:
    total = int(counts.sum())
    if not total:
        return None, None
    return float((counts * np.arange(len(counts))).sum() / total), float(np.flatnonzero(counts)[-1])


def sharpness_of(grey: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (4 neighbours) of a grey image H x W; of large ones the middle. 0 if tiny."""
    side = _SHARPNESS_SIDE_PX
    y, x = max(0, (grey.shape[0] - side) // 2), max(0, (grey.shape[1] - side) // 2)
    wide: npt.NDArray[np.int16] = grey[y : y + side, x : x + side].astype(np.int16)
    if min(wide.shape) < 3:
        return 0.0
    inner: npt.NDArray[Any] = 4 * wide[1:-1, 1:-1] - wide[:-2, 1:-1] - wide[2:, 1:-1]
    inner -= wide[1:-1, :-2]
    inner -= wide[1:-1, 2:]
    return float(inner.var(dtype=np.float32))
