"""Cuts a mask into connected pieces, each in a small box of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

BoolArray = npt.NDArray[np.bool_]

MARGIN_PX = 3
"""Empty rim around each cut-out, so that rays and contours end inside it."""

EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One 8-connected piece of a class, cut out with an empty rim."""

    own: BoolArray
    """h x w: the pixels of this piece alone, with a rim of ``MARGIN_PX`` empty pixels."""
    origin_xy: tuple[int, int]
    """Photograph coordinates of the cut-out's pixel (0, 0); negative at the photograph's edge."""
    box_xywh: tuple[int, int, int, int]
    """Tight box on the photograph."""
    area_px: int
    at_border: bool


def components(mask: BoolArray) -> Iterator[Component]:
    """Yield the 8-connected components of a mask, from top to bottom.

    mask: H x W bool. Components are cut out one at a time, so memory stays at one label image.
    """
    labels, count = ndimage.label(mask, structure=EIGHT)
    if count == 0:
        return
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    height, width = mask.shape
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = box
        own = np.zeros(
            (rows.stop - rows.start + 2 * MARGIN_PX, columns.stop - columns.start + 2 * MARGIN_PX), bool
        )
        np.equal(labels[box], index, out=own[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX])
        yield Component(
            own=own,
            origin_xy=(columns.start - MARGIN_PX, rows.start - MARGIN_PX),
            box_xywh=(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
            area_px=int(areas[index]),
            at_border=rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width,
        )


def fill_pinholes(own: BoolArray, largest_px: int = 8) -> BoolArray:
    """Close holes of at most ``largest_px`` pixels: a pinhole is noise and would make a loop in the skeleton.

    own: h x w bool with an empty rim. Returns ``own`` itself when there is nothing to close.
    """
    labels, count = ndimage.label(~own)
    if count <= 1:
        return own
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes <= largest_px
    small[0] = False
    small[labels[0, 0]] = False
    if not small.any():
        return own
    filled: BoolArray = own | small[labels]
    return filled
