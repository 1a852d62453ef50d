"""From probabilities to masks: thresholds, minimum areas, presence. None of it is inside an exported
graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from flawscope.errors import UsageError
from flawscope.types import FloatArray

BoolArray = npt.NDArray[np.bool_]

_EIGHT = np.ones((3, 3), dtype=bool)


def open_area(mask: BoolArray, min_area_px: int) -> BoolArray:
    """The mask without its 8-connected components of fewer than ``min_area_px`` pixels."""
    if min_area_px <= 1 or not mask.any():
        return mask
    labels, _ = ndimage.label(mask, structure=_EIGHT)
    keep = np.bincount(labels.ravel()) >= min_area_px
    keep[0] = False
    return np.asarray(keep[labels], dtype=np.bool_)


def to_mask(
    probability: FloatArray,
    thresholds: Sequence[float],
    min_area_px: Sequence[int],
    presence_px: Sequence[int] | None = None,
    class_ids: Sequence[int] | None = None,
) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """Mask H x W uint8 of class ids (0 background) and stack C x H x W bool, from probabilities C x H x W.

    A pixel belongs to a class from its threshold on (``>=``). Components below the class's minimum area go; a
    class with fewer than ``presence_px`` pixels in the whole image goes. In the mask the most probable class
    wins; the stack keeps overlaps. ``class_ids`` defaults to 1..C.
    """
    count = probability.shape[0]
    ids = tuple(class_ids) if class_ids is not None else tuple(range(1, count + 1))
    presence = tuple(presence_px) if presence_px is not None else (0,) * count
    if not len(thresholds) == len(min_area_px) == len(presence) == len(ids) == count:
        raise UsageError(
            f"The prediction has {count} class(es); thresholds and areas need one value for each."
        )
    stack = np.stack(
        [plane >= np.float32(limit) for plane, limit in zip(probability, thresholds, strict=True)]
    )
    return finish_stack(stack, probability, min_area_px, presence, ids)


def finish_stack(
    stack: BoolArray,
    probability: FloatArray | None,
    min_area_px: Sequence[int],
    presence_px: Sequence[int],
    class_ids: Sequence[int],
) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """As :func:`to_mask`, from planes that are already cut at their thresholds; ``stack`` is changed in
    place.

    ``probability`` decides between overlapping classes and may be None for one class.
    """
    for index, (area, least) in enumerate(zip(min_area_px, presence_px, strict=True)):
        stack[index] = open_area(stack[index], area)
        if least > 0 and int(np.count_nonzero(stack[index])) < least:
            stack[index] = False
    mask = np.zeros(stack.shape[1:], dtype=np.uint8)
    if len(stack) == 1 or probability is None:
        for plane, number in zip(stack, class_ids, strict=True):
            mask[plane] = number
        return mask, stack
    best = np.zeros(mask.shape, dtype=np.float32)
    for plane, values, number in zip(stack, probability, class_ids, strict=True):
        wins = plane & (values > best)
        best[wins] = values[wins]
        mask[wins] = number
    return mask, stack
