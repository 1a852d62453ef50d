"""Slices of one block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.data.open import open_dataset
from flawscope.errors import LayoutError

from ..small import save

COUNT = 20


def _block() -> np.ndarray:
    """Grey slices that change slowly: neighbours look alike, distant ones do not."""
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 256, (6, 8, 8)).astype(float)
    places = np.linspace(0, 4.99, COUNT)
    slices = [(1 - p % 1) * keys[int(p)] + (p % 1) * keys[int(p) + 1] for p in places]
    return np.stack([np.kron(one, np.ones((5, 5))) for one in slices]).astype(np.uint8)


BLOCK = _block()
LABELS = (BLOCK > 100).astype(np.uint8) * 255


def _pages(path: Path, pages: np.ndarray) -> None:
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=others)


def test_numbered_slices(tmp_path: Path) -> None:
    for number in range(COUNT):
        save(tmp_path / f"train/image/{number}.png", BLOCK[number])
        save(tmp_path / f"train/label/{number}.png", LABELS[number])
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "volume"
    assert dataset.names == tuple(map(str, range(COUNT)))
    assert [(info.name, info.kind) for info in dataset.classes] == [("cell", "area")]
    assert [sample.group for sample in dataset][:4] == ["slices-0", "slices-0", "slices-1", "slices-1"]
    assert np.array_equal(dataset["7"].mask, LABELS[7] // 255)


def test_numbered_photographs_are_no_volume(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        save(tmp_path / f"images/{number}.png", rng.integers(0, 256, (40, 40), dtype=np.uint8))
        save(tmp_path / f"masks/{number}.png", LABELS[number])
    assert open_dataset(tmp_path).layout == "image-mask"


def test_multi_page_tiff(tmp_path: Path) -> None:
    _pages(tmp_path / "train-volume.tif", BLOCK)
    _pages(tmp_path / "train-labels.tif", LABELS)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "volume"
    assert len(dataset) == COUNT
    assert np.array_equal(dataset["12"].image()[..., 1], BLOCK[12])
    assert np.array_equal(dataset["12"].mask, LABELS[12] // 255)


def test_pages_that_do_not_fit(tmp_path: Path) -> None:
    _pages(tmp_path / "train-volume.tif", BLOCK)
    _pages(tmp_path / "train-labels.tif", LABELS[:5])
    with pytest.raises(LayoutError, match=r"20 slices, train-labels\.tif has 5"):
        open_dataset(tmp_path)
    (tmp_path / "train-labels.tif").write_bytes(b"II*\x00broken")
    with pytest.raises(LayoutError, match="truncated or damaged TIFF"):
        open_dataset(tmp_path)
    (tmp_path / "train-labels.tif").write_bytes(b"text")
    with pytest.raises(LayoutError, match="plain text"):
        open_dataset(tmp_path)


def test_real_slices(data_root: Path) -> None:
    dataset = open_dataset(data_root / "isbi2012_em")
    assert dataset.layout == "volume"
    assert dataset.names == tuple(map(str, range(30)))
    assert len(dataset.part("train")) == 24
    share = np.mean([sample.mask.mean() for sample in dataset])
    assert abs(share - 0.78) < 0.005
