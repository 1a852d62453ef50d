"""MNIST's files, whole and broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.open import open_dataset
from flawscope.errors import DataError, LayoutError

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def _write(root: Path, prefix: str = "train", joint: str = "-", end: str = "", magic: int = 2051) -> Path:
    images = struct.pack(">4I", magic, *PICTURES.shape) + PICTURES.tobytes()
    labels = struct.pack(">2I", 2049, len(LABELS)) + LABELS.tobytes()
    for what, content in (("images", images), ("labels", labels)):
        number = 3 if what == "images" else 1
        data = gzip.compress(content) if end else content
        (root / f"{prefix}-{what}{joint}idx{number}-ubyte{end}").write_bytes(data)
    return root / f"{prefix}-images{joint}idx3-ubyte{end}"


@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_either_spelling_gzipped_or_not(tmp_path: Path, joint: str, end: str) -> None:
    _write(tmp_path, "train", joint, end)
    _write(tmp_path, "t10k", joint, end)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "idx"
    assert dataset.task == "classification"
    assert len(dataset.part("train")) == len(dataset.part("test")) == 5
    sample = dataset["test/00002"]
    assert sample.labels == (4,)
    assert np.array_equal(sample.image(), np.repeat(PICTURES[2][..., None], 3, axis=2))
    assert [info.id for info in dataset.classes] == [0, 1, 2, 3, 4, 5]


def test_wrong_magic_count_and_truncation(tmp_path: Path) -> None:
    _write(tmp_path, magic=2049)
    with pytest.raises(DataError, match=r"magic number is 2049.*\n.*2051"):
        open_dataset(tmp_path)
    path = _write(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="5 x 28 x 28 values are announced, 3915"):
        open_dataset(tmp_path)
    path.write_bytes(b"123")
    with pytest.raises(DataError, match="header of 16"):
        open_dataset(tmp_path)


def test_truncated_gzip(tmp_path: Path) -> None:
    path = _write(tmp_path, end=".gz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="truncated or damaged"):
        open_dataset(tmp_path)
    path.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="truncated or damaged"):
        open_dataset(tmp_path)


def test_counts_that_differ_and_files_that_lack(tmp_path: Path) -> None:
    _write(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(struct.pack(">2I", 2049, 2) + b"\x01\x02")
    with pytest.raises(DataError, match="5 images, but 2 labels"):
        open_dataset(tmp_path)
    labels.unlink()
    with pytest.raises(LayoutError, match="no labels beside it"):
        open_dataset(tmp_path)
    with pytest.raises(LayoutError, match="no idx set"):
        (tmp_path / "train-images-idx3-ubyte").unlink()
        open_dataset(tmp_path, layout="idx")


def test_real_mnist(data_root: Path) -> None:
    dataset = open_dataset(data_root / "mnist")
    assert len(dataset.part("train")) == 60000
    assert len(dataset.part("test")) == 10000
    assert dataset["train/00000"].labels == (5,)
    assert dataset["test/00000"].labels == (7,)
