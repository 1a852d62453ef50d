"""Stochastic width (CoreDeep): training masks are drawn wider, so that no one width is the truth.

Masks are dilated by squares one after another, 3 x 3, then 5 x 5, then 8 x 8: version 0 is the mask as drawn,
version k the mask after the first k squares. A line becomes 2, 6 and 13 px wider.

A square of an even edge has no middle pixel. Its anchor is the pixel (edge / 2, edge / 2), counted from 0, as
in OpenCV: 8 x 8 grows a mask by 3 px up and to the left and by 4 px down and to the right, so that the middle
of a line moves by half a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.types import IGNORE_INDEX, Mask


def widen(mask: Mask, kernels_px: Sequence[int]) -> Mask:
    """Dilate every class by squares with these edges, one after another.

    ``mask`` is H x W uint8 class ids (0 background, 255 ignore) or H x W x K bool; the same comes back, and
    without squares the very mask. A pixel that is drawn as a class stays that class, an ignored one stays
    ignored; where two classes reach the same background pixel in the same step, the larger id takes it.
    """
    if not len(kernels_px):
        return mask
    if mask.ndim == 3:
        planes = [_dilate(plane, kernels_px).astype(bool) for plane in np.moveaxis(mask, -1, 0)]
        return np.stack(planes, axis=-1)
    ignored = mask == IGNORE_INDEX
    # An ignored pixel is no crack that could grow, and what grows across it is hidden by it afterwards.
    grown = _dilate(np.where(ignored, 0, mask), kernels_px)
    grown[ignored] = IGNORE_INDEX
    return grown


def reach_px(kernels_px: Sequence[int]) -> int:
    """How far a pixel can be reached from: the most rows or columns that ``widen`` looks beyond a window."""
    return sum(edge // 2 for edge in kernels_px)


def _dilate(mask: npt.NDArray[Any], kernels_px: Sequence[int]) -> npt.NDArray[np.uint8]:
    import cv2

    out = np.ascontiguousarray(mask, dtype=np.uint8)
    for edge in kernels_px:
        grown = cv2.dilate(out, np.ones((edge, edge), np.uint8), anchor=(edge // 2, edge // 2))
        out = np.where(out == 0, grown, out).astype(np.uint8)
    return out
