"""Small data sets on disk, in their true form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.uint8]


def photo(seed: int, size_hw: tuple[int, int] = (24, 32)) -> Array:
    """A photograph of its own: smooth random content, no two seeds alike."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    fine = rng.integers(-20, 20, (*size_hw, 3))
    smooth = np.asarray(coarse.resize((size_hw[1], size_hw[0]), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + fine, 0, 255).astype(np.uint8)


def truth(seed: int, size_hw: tuple[int, int] = (24, 32), classes: int = 1) -> Array:
    """A mask of class indices with a block of each class somewhere."""
    rng = np.random.default_rng(1000 + seed)
    mask = np.zeros(size_hw, np.uint8)
    for class_id in range(1, classes + 1):
        y, x = int(rng.integers(0, size_hw[0] - 6)), int(rng.integers(0, size_hw[1] - 6))
        mask[y : y + 5, x : x + 4] = class_id
    return mask


def save(path: Path, pixels: npt.NDArray[np.generic] | Image.Image, **options: object) -> Path:
    """Write pixels in the format of the suffix, folders created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def image_mask_set(root: Path, count: int = 6, images: str = "images", masks: str = "masks") -> Path:
    """``images/000.png`` with ``masks/000.png`` (0 / 255), and so on."""
    for number in range(count):
        save(root / images / f"{number:03d}.png", photo(number))
        save(root / masks / f"{number:03d}.png", truth(number) * 255)
    return root
