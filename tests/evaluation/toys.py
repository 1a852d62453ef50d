"""Data sets in memory and models whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import ImageError
from flawscope.inspection.postprocess import to_mask
from flawscope.types import ClassInfo, Prediction, Sample

CRACK = (ClassInfo(1, "crack"),)


def picture(seed: int, size_hw: tuple[int, int] = (40, 48)) -> tuple[np.ndarray, np.ndarray]:
    """A bright photograph and its mask; the crack is dark, so that darkness finds it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(150, 255, (*size_hw, 3)).astype(np.uint8)
    mask = np.zeros(size_hw, np.uint8)
    row = int(rng.integers(8, size_hw[0] - 8))
    mask[row : row + 2, 4:-4] = 1
    image[mask == 1] = 20
    return image, mask


def unreadable() -> np.ndarray:
    """Reads as a truncated file does."""
    raise ImageError("It is cut off.\nCopy it again.")


def sample(name: str, image: np.ndarray, mask: np.ndarray | None, **more: str) -> Sample:
    """A sample that is already in memory."""
    return Sample(name, lambda: image, None if mask is None else (lambda: mask), **more)


def dataset(count: int = 4, split: Split | None = None, classes: tuple[ClassInfo, ...] = CRACK) -> Dataset:
    """``count`` cracked pictures from two sources; the groups hold two each."""
    samples = tuple(
        sample(f"{k:03d}", *picture(k), source="AB"[k % 2], group=f"g{k // 2}") for k in range(count)
    )
    return Dataset(Path("toys"), "none", classes, "segmentation", samples, split, classes_named=True)


class Dark:
    """Sure of a class where the picture is dark; ``shift_px`` moves its answer down."""

    def __init__(
        self, shift_px: int = 0, classes: tuple[ClassInfo, ...] = CRACK, min_area_px: int = 0
    ) -> None:
        self.classes = classes
        self._shift_px = shift_px
        self._min_area_px = min_area_px

    def predict(self, image: np.ndarray) -> Prediction:
        """Probability = darkness, in all planes but the first 0."""
        dark = 1 - image.mean(axis=2, dtype=np.float32) / 255
        probability = np.zeros((len(self.classes), *dark.shape), np.float32)
        probability[0] = np.roll(dark, self._shift_px, axis=0)
        ids = tuple(info.id for info in self.classes)
        mask, _ = to_mask(probability, [0.5] * len(ids), [self._min_area_px] * len(ids), class_ids=ids)
        return Prediction(mask, probability, ids)
