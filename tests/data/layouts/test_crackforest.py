"""CrackForest: truth in MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from flawscope.data.open import open_dataset
from flawscope.errors import ImageError, LayoutError

from ..small import photo, save

SEGMENTATION = np.ones((24, 32), np.uint8)
SEGMENTATION[4:8, 5:20] = 2
SEGMENTATION[10:12] = 3
SEGMENTATION[14] = 4


def _write(root: Path, name: str = "001", values: np.ndarray = SEGMENTATION) -> Path:
    save(root / f"image/{name}.jpg", photo(int(name)))
    path = root / "groundTruth" / f"{name}.mat"
    path.parent.mkdir(exist_ok=True)
    truth = {"Segmentation": values, "Boundaries": values * 0}
    savemat(path, {"groundTruth": truth})
    return path


def test_values_mean_what_the_set_says(tmp_path: Path) -> None:
    _write(tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "crackforest"
    expected = np.array([9, 0, 1, 0, 255], np.uint8)[SEGMENTATION]
    assert np.array_equal(dataset["001"].mask, expected)


def test_png_masks_come_first(tmp_path: Path) -> None:
    _write(tmp_path)
    save(tmp_path / "masks/001.png", (SEGMENTATION == 2).astype(np.uint8) * 255)
    assert open_dataset(tmp_path).layout == "image-mask"
    assert open_dataset(tmp_path, layout="crackforest").layout == "crackforest"


def test_what_has_no_partner(tmp_path: Path) -> None:
    _write(tmp_path)
    _write(tmp_path, "002").unlink()
    _write(tmp_path, "003")
    (tmp_path / "image/003.jpg").unlink()
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("001",)
    assert [problem.kind for problem in dataset.problems] == ["no-mask", "no-image"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 100, "7.3.*\n.*v6"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "7.3"),
        (b"", "no Segmentation"),
        (b"MATLAB 5.0 MAT-file" + bytes(300), "no Segmentation"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, says: str) -> None:
    _write(tmp_path).write_bytes(content)
    with pytest.raises(ImageError, match=says):
        _ = open_dataset(tmp_path)["001"].mask


def test_other_values_sizes_and_fields(tmp_path: Path) -> None:
    _write(tmp_path, "001", SEGMENTATION * 5)
    _write(tmp_path, "002", SEGMENTATION[:9])
    savemat(_write(tmp_path, "003"), {"other": SEGMENTATION})
    savemat(_write(tmp_path, "004"), {"groundTruth": {"Segmentation": np.ones((2, 3, 4))}})
    dataset = open_dataset(tmp_path)
    for name, says in (("001", "value 5"), ("002", "32 x 9"), ("003", "KeyError"), ("004", "3 dimensions")):
        with pytest.raises(ImageError, match=says):
            _ = dataset[name].mask
    _write(tmp_path, "005").unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        _ = dataset["001"].read_mask.__class__(str(tmp_path / "no.mat"), dataset["001"].image_path)()


def test_forced_on_something_else(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no crackforest set"):
        open_dataset(tmp_path, layout="crackforest")
    _write(tmp_path)
    (tmp_path / "image/001.jpg").rename(tmp_path / "image/other.jpg")
    with pytest.raises(LayoutError, match="of its name"):
        open_dataset(tmp_path)


def test_real_mat_files_agree_with_the_png_masks(data_root: Path) -> None:
    by_mat = open_dataset(data_root / "cfd", layout="crackforest")
    by_png = open_dataset(data_root / "cfd")
    assert by_mat.names == by_png.names
    ignored = 0
    for one, two in zip(by_mat, by_png, strict=True):
        assert np.array_equal(one.mask == 1, two.mask == 1)
        ignored += int((one.mask == 255).sum())
    assert ignored == 1352
