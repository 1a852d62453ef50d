"""Contact sheets: a few images of each class, from little marked to much, drawn with their masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset
from flawscope.data.explore_look import ImageRow, plane_of
from flawscope.errors import ImageError
from flawscope.reporting.colours import class_colours
from flawscope.reporting.explore_page import Picture, Sheet
from flawscope.reporting.overlay import draw_overlay, encode_jpeg, shrink
from flawscope.types import IGNORE_INDEX, ClassInfo, Mask, RgbImage

PICTURES = 96
"""Pictures of a page, so that it stays small with many classes."""

_MOST, _LEAST = 8, 3
_CLEAN = 4
_SIDE_PX = 480
_STRIP_SIDE_PX = 960
_STRIP = 3.0
"""Images this many times as wide as high are shown larger, below each other."""
_QUALITY = 82
_TINY_PX, _ENLARGED = 64, 6
_IGNORED = (96, 96, 96)


def choose(rows: Sequence[ImageRow], class_id: int | None, count: int) -> list[str]:
    """Names of images that show a class (None: that show none), from little of it to much.

    Those that show it alone come first; all steps of its share are there, so that the sheet is no selection
    of the largest. The same rows give the same names.
    """
    if class_id is None:
        own = [row for row in rows if not row.classes]
        return [own[number].name for number in _spread(len(own), count)]
    having = [row for row in rows if class_id in row.classes]
    alone = [row for row in having if len(row.classes) == 1]
    pool = alone if len(alone) >= min(count, len(having)) else having
    pool.sort(key=lambda row: row.classes[class_id].share)
    return [pool[number].name for number in _spread(len(pool), count)]


def _spread(total: int, count: int) -> list[int]:
    """``count`` numbers below ``total``, evenly from the middle of the first step to that of the last."""
    if total <= count:
        return list(range(total))
    return [int((number + 0.5) * total / count) for number in range(count)]


def sheets(dataset: Dataset, rows: Sequence[ImageRow]) -> Iterator[Sheet]:
    """A sheet for each class that occurs, and one of clean images; reads the chosen images once more."""
    row_of = {row.name: row for row in rows}
    colours = class_colours(dataset.classes)
    present = [info for info in dataset.classes if any(info.id in row.classes for row in rows)]
    count = min(_MOST, max(_LEAST, PICTURES // max(1, 2 * len(present))))
    for info in present:
        names = choose(rows, info.id, count)
        captions = [_caption(row_of[name], info) for name in names]
        yield _sheet(dataset, info.name, "#{:02x}{:02x}{:02x}".format(*colours[info.name]), names, captions)
    clean = choose(rows, None, _CLEAN)
    if clean:
        yield _sheet(dataset, "no class", "", clean, ["" for _ in clean])


def _caption(row: ImageRow, info: ClassInfo) -> str:
    figures = row.classes[info.id]
    if not figures.pixels:
        return ""
    share = f"{100 * figures.share:.2f} %"
    return share if len(row.classes) == 1 else f"{share}, with {len(row.classes) - 1} more"


def _sheet(dataset: Dataset, title: str, colour: str, names: Sequence[str], captions: Sequence[str]) -> Sheet:
    pictures = []
    wide = False
    for name, caption in zip(names, captions, strict=True):
        drawn = _picture(dataset, name, caption)
        if drawn is not None:
            pictures.append(drawn[0])
            wide = wide or drawn[1]
    return Sheet(title, colour, tuple(pictures), wide)


def _picture(dataset: Dataset, name: str, caption: str) -> tuple[Picture, bool] | None:
    sample = dataset[name]
    try:
        image, mask = sample.image(), sample.mask
    except ImageError:  # it was there a moment ago
        return None
    strip = image.shape[1] >= _STRIP * image.shape[0]
    side = _STRIP_SIDE_PX if strip else _SIDE_PX
    if mask is None and max(image.shape[:2]) < _TINY_PX:
        # The noise of JPEG would fill a digit of a few pixels.
        image = image.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    small = shrink(image, side)
    if mask is None or not mask.any():
        return Picture(name, caption, encode_jpeg(small, _QUALITY)), strip
    on_image = draw_overlay(small, [], dataset.classes, mask=mask, size_hw=image.shape[:2])
    black = on_black(mask, dataset.classes, small.shape[:2])
    return Picture(name, caption, encode_jpeg(on_image, _QUALITY), encode_jpeg(black, _QUALITY)), strip


def on_black(mask: Mask, classes: Sequence[ClassInfo], size_hw: tuple[int, ...]) -> RgbImage:
    """The mask alone in the colours of its classes: h x w x 3 uint8; ignored pixels are grey.

    size_hw: of the result; a pixel is coloured when any under it is marked, so that hairlines stay whole.
    """
    height, width = size_hw
    canvas: npt.NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
    colours = class_colours(classes)
    planes = [(plane_of(mask, info.id), colours[info.name]) for info in classes]
    if mask.ndim == 2:
        planes.insert(0, (mask == IGNORE_INDEX, _IGNORED))
    for plane, colour in planes:
        rows, columns = np.nonzero(plane)
        canvas[rows * height // mask.shape[0], columns * width // mask.shape[1]] = colour
    return canvas
