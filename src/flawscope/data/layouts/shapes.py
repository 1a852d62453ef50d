"""Drawn annotations (polygons, boxes, run lengths) as masks, for the layouts that hold such.

Coordinates are in pixels with corners on whole numbers: the centre of the first pixel is (0.5, 0.5). A pixel
is inside when its centre is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset, ImageFile, Problem
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.split_file import Split
from flawscope.errors import DataError, ImageError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import read_size
from flawscope.types import IGNORE_INDEX, Mask, Sample

Plane = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotated object."""

    class_id: int
    rings_xy: tuple[tuple[float, ...], ...] = ()
    """Polygons x1, y1, x2, y2, ...; in pixels, or in 0..1 of the image's sides where ``relative``."""
    relative: bool = False
    rle: Any = None
    """Run lengths instead of polygons."""
    where: str = ""
    dialect: str = "coco"
    """Dialect of ``rle``, a key of ``images.rle.DIALECTS``."""

    def draw(self, size_hw: tuple[int, int]) -> Plane:
        """The object as H x W bool. Raises DataError for run lengths that do not fit."""
        if self.rle is not None:
            return decode_rle(self.rle, size_hw, self.dialect, self.where).astype(np.bool_)
        plane = np.zeros(size_hw, np.bool_)
        scale = (size_hw[1], size_hw[0]) if self.relative else (1, 1)
        for ring in self.rings_xy:
            fill(plane, np.asarray(ring, np.float64).reshape(-1, 2) * scale)
        return plane


def fill(plane: Plane, corners_xy: npt.NDArray[np.float64]) -> None:
    """Mark the pixels of ``plane`` whose centre lies inside a polygon (N x 2, px; even-odd rule).

    Each side is followed from row to row; where it passes a row's line of centres, what lies to the right of
    it changes between inside and outside.
    """
    height, width = plane.shape
    ends = np.roll(corners_xy, -1, axis=0)
    low, high = np.minimum(corners_xy[:, 1], ends[:, 1]), np.maximum(corners_xy[:, 1], ends[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    count = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64) - first
    sides = np.repeat(np.arange(len(first)), count)
    if not len(sides):
        return
    rows = np.arange(len(sides)) - np.repeat(np.cumsum(count) - count, count) + first[sides]
    x, y = corners_xy[sides].T
    slope = (ends[sides, 0] - x) / (ends[sides, 1] - y)
    columns = np.clip(np.ceil(x + (rows + 0.5 - y) * slope - 0.5), 0, width).astype(np.int64)
    top, left = int(rows.min()), int(columns.min())
    size_hw = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    passed = np.bincount((rows - top) * size_hw[1] + columns - left, minlength=size_hw[0] * size_hw[1])
    inside = np.cumsum(passed.reshape(size_hw), axis=1)[:, : width - left] % 2 == 1
    plane[top : top + size_hw[0], left : left + inside.shape[1]] |= inside


def box_ring(x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    """A box as a polygon."""
    return (x0, y0, x1, y0, x1, y1, x0, y1)


def turned(ring: Sequence[float], about_xy: tuple[float, float], angle_deg: float) -> tuple[float, ...]:
    """A polygon turned about a point, clockwise on the picture."""
    points = np.asarray(ring, np.float64).reshape(-1, 2) - about_xy
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    back = points @ np.array([[cosine, sine], [-sine, cosine]]) + about_xy
    return tuple(back.ravel().tolist()) if angle_deg else tuple(ring)


def lies_outside(ring: Sequence[float], size_hw: tuple[int, int]) -> bool:
    """True when the box around a polygon (px) lies beside the image, by more than the px of rounding."""
    x, y = ring[0::2], ring[1::2]
    return min(x) > size_hw[1] + 1 or min(y) > size_hw[0] + 1 or max(x) < -1 or max(y) < -1


def crosses_itself(ring: Sequence[float]) -> bool:
    """True when two sides of a polygon cross inside both (touching corners do not count)."""
    points = np.asarray(ring, np.float64).reshape(-1, 2)
    ends = np.roll(points, -1, axis=0)
    count = len(points)
    for first in range(count - 2):
        last = count - 1 if first == 0 else count
        a, b = points[first], ends[first]
        c, d = points[first + 2 : last], ends[first + 2 : last]
        one, two = _side(a, b, c) * _side(a, b, d), _side(c, d, a) * _side(c, d, b)
        if ((one < 0) & (two < 0)).any():
            return True
    return False


def ring_problem(ring: object, size_hw: tuple[int, int] | None = None) -> str:
    """What is wrong with a polygon x1, y1, x2, y2, ... of an image of that size; empty when nothing."""
    if not isinstance(ring, Sequence) or len(ring) < 6 or len(ring) % 2:
        return "holds a polygon that is no list of three points (x, y) or more"
    if not all(map(_is_number, ring)):
        return "holds a polygon with a coordinate that is no number"
    if size_hw is not None and lies_outside(ring, size_hw):
        return f"lies outside its image of {size_hw[1]} x {size_hw[0]} px"
    if crosses_itself(ring):
        return "holds a polygon that crosses itself; expected sides that do not cross"
    return ""


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _side(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], p: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    cross: npt.NDArray[np.float64] = np.asarray(
        (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (p[..., 0] - a[..., 0])
    )
    return cross


@dataclass(frozen=True, slots=True)
class ShapesMask:
    """Draws the mask of one image from its objects when called."""

    shapes: tuple[Shape, ...]
    image_path: str
    stack_depth: int = 0
    """Number of classes when they overlap in the set; 0 = class index."""

    def __call__(self) -> Mask:
        """H x W uint8 class index, or H x W x C bool where classes of the set overlap. Raises ImageError."""
        size_hw = read_size(self.image_path)
        stack = np.zeros((*size_hw, self.stack_depth), np.bool_)
        mask: npt.NDArray[np.uint8] = np.zeros(size_hw, np.uint8)
        try:
            for shape in self.shapes:
                plane = shape.draw(size_hw)
                if self.stack_depth:
                    stack[..., shape.class_id - 1] |= plane
                else:
                    mask[plane] = shape.class_id
        except DataError as error:
            raise ImageError(str(error)) from error
        return stack if self.stack_depth else mask

    def overlaps(self) -> bool:
        """True when objects of two classes share a pixel; files that cannot be read share none."""
        classes = {shape.class_id for shape in self.shapes}
        if len(classes) < 2:
            return False
        try:
            size_hw = read_size(self.image_path)
            planes = dict[int, Plane]()
            for shape in self.shapes:
                drawn = shape.draw(size_hw)
                planes[shape.class_id] = planes.get(shape.class_id, drawn) | drawn
        except (ImageError, DataError):
            return False
        return bool((np.sum(list(planes.values()), axis=0) > 1).any())


@dataclass(frozen=True, slots=True)
class Annotated:
    """One image with its objects."""

    name: str
    image: Path
    shapes: tuple[Shape, ...]
    truth: str
    """File the objects came from."""
    part: str = ""


def build(
    root: Path,
    layout: str,
    found: Sequence[Annotated],
    class_names: Mapping[int, str],
    options: ReadOptions,
    problems: Sequence[Problem],
) -> Dataset:
    """A segmentation data set of annotated images; its masks are stacks if classes overlap anywhere.

    Raises DataError for more classes than an index mask can hold.
    """
    found = _unique_names(found, root)
    masks = [ShapesMask(item.shapes, str(item.image)) for item in found]
    with ThreadPoolExecutor(4) as pool:
        overlap = any(pool.map(ShapesMask.overlaps, masks))
    depth = max(class_names, default=1)
    top = max((shape.class_id for item in found for shape in item.shapes), default=0)
    if top >= IGNORE_INDEX and not overlap:
        raise DataError(
            f"{root}: '{class_names[top]}' is class {top} of {depth}.\n"
            f"Expected at most {IGNORE_INDEX - 1} where classes do not overlap; leave out unused ones."
        )
    source = options.description.source or root.resolve().name
    samples = []
    parts: dict[str, list[str]] = {}
    for item, mask in zip(found, masks, strict=True):
        reader = replace(mask, stack_depth=depth) if overlap else mask
        image = ImageFile(str(item.image))
        samples.append(Sample(item.name, image, reader, (), source, "", str(item.image), item.truth))
        parts.setdefault(item.part, []).append(item.name)
    classes = described_classes(options.description, class_names)
    own = len(parts) > 1 and "" not in parts
    split = Split(parts={part: tuple(names) for part, names in parts.items()}) if own else None
    return Dataset(
        root, layout, classes, "segmentation", tuple(samples), split, tuple(problems), True, overlap
    )


def _unique_names(found: Sequence[Annotated], root: Path) -> list[Annotated]:
    """Put the part before names that occur twice, and the suffix behind those that still do; folders that are
    no parts come before those that are left."""
    count = Counter(item.name for item in found)
    named = [
        replace(item, name=f"{item.part}/{item.name}") if count[item.name] > 1 and item.part else item
        for item in found
    ]
    count = Counter(item.name for item in named)
    named = [
        replace(item, name=item.name + item.image.suffix) if count[item.name] > 1 else item for item in named
    ]
    count = Counter(item.name for item in named)
    return [
        replace(item, name=item.image.relative_to(root).as_posix().removeprefix("images/"))
        if count[item.name] > 1
        else item
        for item in named
    ]
