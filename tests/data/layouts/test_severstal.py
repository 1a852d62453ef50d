"""Severstal: run-length tables in both forms, and what may be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.data.open import open_dataset
from flawscope.errors import DataError, LayoutError
from flawscope.images.rle import encode_rle

from ..small import photo, save, truth

MASK = truth(1, (24, 32), 2)
ONE, TWO = encode_rle(MASK == 1), encode_rle(MASK == 2)


def _write(root: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("a", "b", "c"):
        save(root / f"train_images/{name}.jpg", photo(ord(name)))
    (root / "train.csv").write_bytes(text.encode(encoding))
    return root


def _short(rows: str) -> str:
    return "ImageId,ClassId,EncodedPixels\n" + rows


@pytest.mark.parametrize(
    "text",
    [
        _short(f"a.jpg,1,{ONE}\na.jpg,2,{TWO}\n"),
        "ImageId_ClassId,EncodedPixels\n"
        + "".join(f"{name}.jpg_{number},\n" for name in "bc" for number in (1, 2, 3, 4))
        + f"a.jpg_1,{ONE}\na.jpg_2,{TWO}\na.jpg_3,\na.jpg_4,\n",
        _short(f"a.jpg,1,{ONE}\na.jpg,2,{TWO}\n").replace("\n", "\r\n"),
        "\ufeff" + _short(f'"a.jpg","1","{ONE}"\n"a.jpg",2,"{TWO}"\n\n'),
        f"EncodedPixels,Extra,ClassId,ImageId\n{TWO},x,2,a.jpg\n{ONE},,1,a.jpg\n",
    ],
    ids=["three columns", "two columns", "crlf", "bom and quotes", "other order"],
)
def test_both_forms(tmp_path: Path, text: str) -> None:
    dataset = open_dataset(_write(tmp_path, text))
    assert dataset.layout == "severstal"
    assert dataset.names == ("a", "b", "c")
    assert len(dataset.classes) == 4
    assert dataset.classes[0].colour == "#3b6fd4"
    assert np.array_equal(dataset["a"].mask, MASK)
    assert not np.any(dataset["b"].mask)
    assert not dataset.problems


def test_overlapping_classes_give_a_stack(tmp_path: Path) -> None:
    dataset = open_dataset(_write(tmp_path, _short(f"a.jpg,1,{ONE}\na.jpg,3,{ONE}\n")))
    assert dataset.multi_label
    stack = dataset["a"].mask
    assert stack.shape == (24, 32, 4)
    assert stack.dtype == bool
    assert np.array_equal(stack[..., 2], MASK == 1)
    assert not stack[..., 1].any()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("a.jpg,1,5 3 6 2\n", r"train\.csv, row 2: run 2.*overlaps"),
        ("a.jpg,1,5 3 1\n", "row 2: 3 numbers"),
        (f"b.jpg,1,{ONE}\na.jpg,1,1 0\n", "row 3: run 1 has length 0"),
        ("a.jpg,1,1 99999\n", "row 2: the last run ends"),
        ("a.jpg,1,x\n", "row 2: 'x'"),
        (f"a.jpg,one,{ONE}\n", "row 2: 'one' is no class id"),
        (f"a.jpg,0,{ONE}\n", "row 2: '0' is no class id"),
        (f"z.jpg,1,{ONE}\n", r"row 2: the image z\.jpg is not in train_images"),
        (f"a.jpg,1,{ONE}\na.jpg,1,{ONE}\n", "row 3: repeats image and class of row 2"),
    ],
)
def test_bad_rows_stop_or_are_skipped_and_listed(tmp_path: Path, rows: str, says: str) -> None:
    _write(tmp_path, _short(rows + f"c.jpg,2,{TWO}\n"))
    with pytest.raises(DataError, match=says):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, skip_bad=True)
    assert len(dataset.problems) == 1
    assert np.array_equal(dataset["c"].mask == 2, MASK == 2)


def test_missing_column_or_table(tmp_path: Path) -> None:
    _write(tmp_path, "ImageId,Pixels\n")
    with pytest.raises(
        LayoutError, match=r"no column ClassId and EncodedPixels; its columns are ImageId, Pixels"
    ):
        open_dataset(tmp_path, layout="severstal")
    (tmp_path / "train.csv").unlink()
    with pytest.raises(LayoutError, match="no severstal set"):
        open_dataset(tmp_path, layout="severstal")


def test_declared_names(tmp_path: Path) -> None:
    _write(tmp_path, _short(f"a.jpg,1,{ONE}\n"))
    (tmp_path / "dataset.toml").write_text('[[classes]]\nname = "pits"\nkind = "area"\n')
    assert [info.name for info in open_dataset(tmp_path).classes] == ["pits"]
    (tmp_path / "train.csv").write_text(_short(f"a.jpg,3,{ONE}\n"))
    assert [info.name for info in open_dataset(tmp_path).classes] == ["pits", "class-2", "class-3"]


def test_real_set_in_both_forms(data_root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(data_root / "severstal_10")
    assert len(dataset) == 10
    mask = dataset["000f6bf48"].mask
    assert mask.shape == (256, 1600)
    assert abs((mask == 4).mean() - 0.1698) < 1e-4
    for path in (data_root / "severstal_10/train_images").iterdir():
        (tmp_path / "train_images").mkdir(exist_ok=True)
        (tmp_path / "train_images" / path.name).write_bytes(path.read_bytes())
    other = (data_root / "severstal_10/train_imageid_classid.csv").read_bytes()
    (tmp_path / "train.csv").write_bytes(other)
    again = open_dataset(tmp_path)
    for one, two in zip(dataset, again, strict=True):
        assert np.array_equal(one.mask, two.mask)
