"""Pixels on their way into another layout: class ids renumbered, image and mask resized together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from flawscope.types import IGNORE_INDEX, Mask, RgbImage

Stack = npt.NDArray[np.bool_]

LEAST_SHARE = 0.25
"""A pixel of a smaller mask belongs to a class that covers this share of it: a crack of 1 px outlives a
halving, where nearest pixels would tear it and half of the area would lose it."""


def class_planes(mask: Mask, class_ids: Mapping[int, int], count: int) -> tuple[Stack, npt.NDArray[np.bool_]]:
    """A mask as planes H x W x ``count`` bool of the new classes (ids from 1), and where it is ignored."""
    stack = np.zeros((*mask.shape[:2], count), np.bool_)
    ignored = np.zeros(mask.shape[:2], np.bool_)
    for old, new in class_ids.items():
        if mask.ndim == 3:
            if old <= mask.shape[2]:
                stack[..., new - 1] |= mask[..., old - 1]
        else:
            stack[..., new - 1] |= mask == old
    if mask.ndim == 2:
        ignored = np.asarray(mask == IGNORE_INDEX, np.bool_)
    return stack, ignored


def pieces(plane: npt.NDArray[np.bool_]) -> Iterator[tuple[npt.NDArray[np.bool_], tuple[int, int]]]:
    """Pieces connected over sides or corners: each within its box, and the box's top and left in px."""
    labels, _ = ndimage.label(plane, structure=np.ones((3, 3), np.int8))
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        yield labels[rows, columns] == number, (rows.start, columns.start)


def index_mask(stack: Stack, ignored: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """H x W uint8 class index with 255 where ignored; of overlapping classes the last one shows."""
    index = np.zeros(stack.shape[:2], np.uint8)
    for channel in range(stack.shape[2]):
        index[stack[..., channel]] = channel + 1
    index[ignored & (index == 0)] = IGNORE_INDEX
    return index


def resize_image(image: RgbImage, size_hw: tuple[int, int]) -> RgbImage:
    """H x W x 3 uint8, interpolated; means over what falls into a pixel where it shrinks."""
    picture = Image.fromarray(image).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8)


def resize_plane(plane: npt.NDArray[np.bool_], size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """A bool plane on another grid: pixels of which ``LEAST_SHARE`` is covered (half, where it grows)."""
    if plane.shape == size_hw:
        return plane
    shrinks = size_hw[0] * size_hw[1] < plane.shape[0] * plane.shape[1]
    picture = Image.fromarray(plane.astype(np.float32))
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    share = np.asarray(picture.resize((size_hw[1], size_hw[0]), method))
    return np.asarray(share >= (LEAST_SHARE if shrinks else 0.5), np.bool_)


def resize_stack(stack: Stack, size_hw: tuple[int, int]) -> Stack:
    """H x W x C bool on another grid; where the source classes do not overlap, neither do the results."""
    if stack.shape[:2] == size_hw:
        return stack
    planes = np.stack([resize_plane(stack[..., i], size_hw) for i in range(stack.shape[2])], axis=-1)
    if stack.shape[2] > 1 and not (stack.sum(axis=2) > 1).any():
        first = planes.argmax(axis=2)
        planes &= first[..., None] == np.arange(stack.shape[2])
    return planes
