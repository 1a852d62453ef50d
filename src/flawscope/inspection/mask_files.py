"""Masks as files: PNG, or above 100 megapixels a tiled, deflated TIFF that is written band by band."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.images.atomic import atomic_path
from flawscope.types import Prediction

TIFF_FROM_PIXELS = 100_000_000
"""Masks with more pixels than this become TIFFs."""

MASK_SUFFIXES = (".png", ".tif")
"""Of masks up to that size, and above it."""

_TILE_PX = 512


def plane_stem(stem_path: str, class_id: int) -> str:
    """Stem of the mask of one of several overlapping classes."""
    return f"{stem_path}.c{class_id}"


def mask_name(stem_path: str, size_hw: tuple[int, int]) -> str:
    """Name of the class-index mask below ``masks/``."""
    return f"{stem_path}{MASK_SUFFIXES[size_hw[0] * size_hw[1] > TIFF_FROM_PIXELS]}"


def write_masks(folder: Path, stem_path: str, prediction: Prediction) -> None:
    """Write ``STEM.png`` (uint8 class index) and, for overlapping classes, ``STEM.cK.png`` (0 / 255) each.

    Raises OutputError.
    """
    mask = prediction.mask
    size_hw = (mask.shape[0], mask.shape[1])
    write_mask(folder / mask_name(stem_path, size_hw), mask)
    if prediction.stack is not None:
        for number, plane in zip(prediction.class_ids, prediction.stack, strict=True):
            name = mask_name(plane_stem(stem_path, number), size_hw)
            write_mask(folder / name, plane.view(np.uint8) * np.uint8(255))


def write_mask(path: Path, mask: npt.NDArray[np.uint8]) -> None:
    """Write an H x W uint8 array as PNG or tiled TIFF, by the suffix. Raises OutputError."""
    with atomic_path(path) as temporary:
        if path.suffix == ".tif":
            _write_tiff(temporary, mask)
        else:
            Image.fromarray(mask).save(temporary, format="PNG", compress_level=6)


def _write_tiff(path: Path, mask: npt.NDArray[np.uint8]) -> None:
    import tifffile

    writer: Any = tifffile.TiffWriter(path, bigtiff=mask.size > 2**31)
    with writer:
        writer.write(
            _tiles(mask),
            shape=mask.shape,
            dtype=mask.dtype,
            tile=(_TILE_PX, _TILE_PX),
            compression="zlib",
            photometric="minisblack",
            metadata=None,
        )


def _tiles(mask: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    for y in range(0, mask.shape[0], _TILE_PX):
        for x in range(0, mask.shape[1], _TILE_PX):
            part = mask[y : y + _TILE_PX, x : x + _TILE_PX]
            tile = np.zeros((_TILE_PX, _TILE_PX), dtype=np.uint8)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
