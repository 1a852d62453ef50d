"""Classified images: a folder a class, or a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.data.open import open_dataset
from flawscope.errors import DataError, LayoutError

from ..small import photo, save


def _folders(root: Path, base: str = "") -> Path:
    for number, name in enumerate(("rust", "crack", "Öl")):
        save(root / base / name / f"{number}.jpg", photo(number))
        save(root / base / name / "same.png", photo(10 + number))
    return root


def test_a_folder_a_class(tmp_path: Path) -> None:
    dataset = open_dataset(_folders(tmp_path))
    assert dataset.layout == "image-folder"
    assert dataset.task == "classification"
    assert [(info.id, info.name, info.kind) for info in dataset.classes] == [
        (0, "crack", "image"),
        (1, "rust", "image"),
        (2, "Öl", "image"),
    ]
    assert dataset["rust/same"].labels == (1,)
    assert dataset["rust/same"].mask is None
    assert dataset.classes_named


def test_parts_with_classes_in_them(tmp_path: Path) -> None:
    _folders(tmp_path, "train")
    _folders(tmp_path, "val")
    dataset = open_dataset(tmp_path)
    assert len(dataset.part("val")) == 6
    assert dataset["val/crack/same"].labels == (0,)


def test_class_folder_without_images(tmp_path: Path) -> None:
    (_folders(tmp_path) / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: the class folder holds no image"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, skip_bad=True).problems) == 1
    with pytest.raises(LayoutError, match="no class folder"):
        open_dataset(tmp_path / "empty", layout="image-folder")


def test_same_stem_twice(tmp_path: Path) -> None:
    save(_folders(tmp_path) / "rust/same.jpg", photo(20))
    dataset = open_dataset(tmp_path)
    assert "rust/same.jpg" in dataset
    assert "rust/same.png" in dataset


def _table(root: Path, rows: str, header: str = "file,class") -> Path:
    for number in range(3):
        save(root / f"IMAGES/{number}.jpg", photo(number))
    (root / "labels.csv").write_text(f"{header}\n{rows}", encoding="utf-8-sig")
    return root


def test_table(tmp_path: Path) -> None:
    rows = "IMAGES/0.jpg,pits\nIMAGES\\1.jpg,edge;pits\n"
    dataset = open_dataset(_table(tmp_path, rows))
    assert dataset.layout == "csv-labels"
    assert [info.name for info in dataset.classes] == ["edge", "pits"]
    assert {sample.name: sample.labels for sample in dataset} == {"0": (1,), "1": (0, 1)}
    assert dataset.multi_label
    assert "1 images without a label" in str(dataset.problems[0])


def test_declared_order_of_classes(tmp_path: Path) -> None:
    _table(tmp_path, "IMAGES/0.jpg,a\nIMAGES/1.jpg,b\n", "Filename,Label")
    (tmp_path / "dataset.toml").write_text('[[classes]]\nname = "b"\n')
    assert [info.name for info in open_dataset(tmp_path).classes] == ["b", "a"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("IMAGES/9.jpg,a", r"labels\.csv, row 3: there is no file 'IMAGES/9\.jpg'"),
        ("../x.jpg,a", "row 3: there is no file"),
        ("IMAGES/1.jpg,", "row 3: names no class"),
        ("IMAGES/1.jpg", r"row 3: has 1 cells; expected 2 \(file, class\)"),
        ("IMAGES/1.jpg,a,b", "row 3: has 3 cells; expected 2"),
        ("IMAGES/0.jpg,b", "row 3: repeats the file of labels.csv, row 2"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, says: str) -> None:
    _table(tmp_path, f"IMAGES/0.jpg,a\n{row}\n")
    with pytest.raises(DataError, match=says):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, skip_bad=True)) == 1


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no row can be used"):
        open_dataset(_table(tmp_path, "gone.jpg,a\n"), skip_bad=True)
    with pytest.raises(LayoutError, match="no column class"):
        open_dataset(_table(tmp_path, "", "file"), layout="csv-labels")


def test_real_neu_cls(data_root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(data_root / "neu_cls")
    assert len(dataset) == 600
    assert len(dataset.classes) == 6
    assert len(dataset.part("test")) == 150
    for sample in list(dataset)[::100]:
        path = Path(sample.image_path)
        goal = tmp_path / path.stem.rpartition("_")[0] / path.name
        goal.parent.mkdir()
        goal.write_bytes(path.read_bytes())
    again = open_dataset(tmp_path)
    assert again.layout == "image-folder"
    assert [info.name for info in again.classes] == [info.name for info in dataset.classes]
