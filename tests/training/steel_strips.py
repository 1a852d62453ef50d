"""Strips of the form of the Severstal competition: names, sizes, table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from flawscope.images.rle import encode_rle


def write_severstal(root: Path, kinds: list[tuple[int, ...]], size_hw: tuple[int, int]) -> Path:
    """Write strips of the competition's form: one with each tuple of classes that it shows.

    Beside them what else is in the downloaded folder: strips without a table, and a form to fill in.
    """
    (root / "train_images").mkdir(parents=True)
    lines = ["ImageId,ClassId,EncodedPixels"]
    for number, classes in enumerate(kinds):
        rng = np.random.default_rng(number)
        image = rng.integers(90, 130, size_hw, dtype=np.uint8)
        name = f"{number:09x}.jpg"
        for class_id in classes:
            mask = np.zeros(size_hw, np.uint8)
            top, left = (int(rng.integers(size // 2)) for size in size_hw)
            mask[top : top + size_hw[0] // 3, left : left + size_hw[1] // 8] = 1
            image[mask > 0] = 40 * class_id
            lines.append(f"{name},{class_id},{encode_rle(mask)}")
        Image.fromarray(image).convert("RGB").save(root / "train_images" / name)
    (root / "train.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
    (root / "test_images").mkdir()
    form = ["ImageId_ClassId,EncodedPixels"]
    for number in (1000, 1001):
        image = np.random.default_rng(number).integers(90, 130, size_hw, dtype=np.uint8)
        name = f"{number:09x}.jpg"
        Image.fromarray(image).convert("RGB").save(root / "test_images" / name)
        form += [f"{name}_{class_id},1 {size_hw[0] * size_hw[1]}" for class_id in (1, 2, 3, 4)]
    (root / "sample_submission.csv").write_text("\n".join(form) + "\n", encoding="ascii")
    return root


def kinds(each: int) -> list[tuple[int, ...]]:
    """Classes of strips: ``each`` of each class alone, of two together, and clean."""
    alone = [(class_id,) for class_id in (1, 2, 3, 4)] * each
    return [*alone, *[(3, 4)] * each, *[()] * each]
