"""Which crops of labelled images are free of cracks: a deterministic choice without overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

CROP_PX = 160
MARGIN_PX = 12
"""Least distance of a crop's pixels from any labelled pixel."""
STEP_PX = 4
"""Corners are tried on a grid this fine."""


def clean_corners(
    mask: npt.NDArray[Any], crop_px: int = CROP_PX, margin_px: float = MARGIN_PX, step_px: int = STEP_PX
) -> list[tuple[int, int]]:
    """Top-left corners (row, column) of crops that overlap neither each other nor the labels' surroundings.

    ``mask``: H x W, anything but 0 is a label (ignored pixels as well), or H x W x C bool. Corners are tried
    row by row from the top left, on a grid of ``step_px`` that also holds the last row and column; each that
    is free is taken. Every pixel of a crop is at least ``margin_px`` (Euclidean) from every labelled pixel.
    """
    labelled: npt.NDArray[np.bool_] = np.asarray(mask.any(axis=-1) if mask.ndim == 3 else mask != 0)
    height, width = labelled.shape
    if height < crop_px or width < crop_px:
        return []
    taken = labelled.copy()
    if labelled.any():
        taken |= np.asarray(ndimage.distance_transform_edt(~labelled)) < margin_px
    corners: list[tuple[int, int]] = []
    for row in _starts(height, crop_px, step_px):
        for column in _starts(width, crop_px, step_px):
            window = taken[row : row + crop_px, column : column + crop_px]
            if not window.any():
                window[:] = True
                corners.append((row, column))
    return corners


def _starts(extent: int, crop_px: int, step_px: int) -> list[int]:
    last = extent - crop_px
    return sorted({*range(0, last + 1, step_px), last})
