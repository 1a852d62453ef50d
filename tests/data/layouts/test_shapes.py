"""COCO, YOLO and VOC: drawn objects become masks, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.data.layouts.shapes import Shape, crosses_itself
from flawscope.data.open import open_dataset
from flawscope.errors import DataError, FlawscopeError, LayoutError
from flawscope.images.rle import encode_rle

from ..small import photo, save

SQUARE = [4.0, 6.0, 12.0, 6.0, 12.0, 10.0, 4.0, 10.0]
EXPECTED = np.zeros((24, 32), bool)
EXPECTED[6:10, 4:12] = True


def test_pixels_whose_centre_is_inside() -> None:
    assert np.array_equal(Shape(1, (tuple(SQUARE),)).draw((24, 32)), EXPECTED)
    shifted = tuple(value + 0.4 for value in SQUARE)
    assert np.array_equal(Shape(1, (shifted,)).draw((24, 32)), EXPECTED)
    outside = (-5.0, -5.0, 40.0, -5.0, 40.0, 40.0, -5.0, 40.0)
    assert Shape(1, (outside,)).draw((24, 32)).all()


def test_crossing_sides() -> None:
    assert not crosses_itself(SQUARE)
    assert crosses_itself([0, 0, 10, 10, 10, 0, 0, 10])
    assert not crosses_itself([0, 0, 10, 0, 0, 10])
    touching = [0, 0, 4, 0, 4, 4, 2, 0, 0, 4]
    assert not crosses_itself(touching)


def _coco(root: Path, annotations: list[dict[str, Any]], **more: Any) -> Path:
    for number in (1, 2):
        save(root / f"images/{number}.jpg", photo(number))
    content = {
        "images": [
            {"id": 10 * number, "file_name": f"{number}.jpg", "width": 32, "height": 24} for number in (1, 2)
        ],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "crack"}, {"id": 3, "name": "spall"}],
    }
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations/instances.json").write_text(json.dumps(content | more))
    return root


COUNTS = json.loads(encode_rle(EXPECTED, "coco-counts"))


@pytest.mark.parametrize(
    "drawn",
    [
        [SQUARE],
        {"size": [24, 32], "counts": COUNTS},
        {"size": [24, 32], "counts": encode_rle(EXPECTED, "coco")},
    ],
    ids=["polygon", "counts", "compressed"],
)
def test_coco(tmp_path: Path, drawn: object) -> None:
    dataset = open_dataset(_coco(tmp_path, [{"image_id": 10, "category_id": 3, "segmentation": drawn}]))
    assert dataset.layout == "coco"
    assert [(info.id, info.name) for info in dataset.classes] == [(1, "crack"), (2, "spall")]
    assert np.array_equal(dataset["1"].mask == 2, EXPECTED)
    assert not np.any(dataset["2"].mask)


def test_coco_overlap_gives_stacks(tmp_path: Path) -> None:
    both = [{"image_id": 10, "category_id": number, "segmentation": [SQUARE]} for number in (3, 7)]
    dataset = open_dataset(_coco(tmp_path, both))
    assert dataset.multi_label
    assert dataset["1"].mask.shape == (24, 32, 2)
    assert dataset["1"].mask.all(axis=2).sum() == EXPECTED.sum()
    assert dataset["2"].mask.shape == (24, 32, 2)


GOOD = {"image_id": 10, "category_id": 7, "segmentation": [SQUARE]}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"image_id": 99}, r"annotations\[1\].*image 99, which is not listed"),
        ({"category_id": 5}, "unknown category 5; expected 7, 3"),
        ({"segmentation": []}, "no segmentation"),
        ({"segmentation": [[1, 2, 3, 4]]}, "three points"),
        ({"segmentation": [[0, 0, 10, 10, 10, 0, 0, 10]]}, "crosses itself"),
        ({"segmentation": [[0, 0, "x", 10, 10, 0]]}, "no number"),
        ({"segmentation": {"size": [24, 32], "counts": [5]}}, r"annotations\[1\].*sum to 5"),
        ({"segmentation": {"size": 5, "counts": "0"}}, "the size 5 is stated"),
        ({"segmentation": {"size": [24, 32], "counts": None}}, r"annotations\[1\].*has no counts"),
    ],
)
def test_coco_bad_annotations(tmp_path: Path, bad: dict[str, Any], says: str) -> None:
    _coco(tmp_path, [GOOD, GOOD | bad])
    with pytest.raises(DataError, match=says):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, skip_bad=True)
    assert len(dataset.problems) == 1
    assert np.array_equal(dataset["1"].mask == 1, EXPECTED)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ({"file_name": "gone.jpg"}, r"images\[1\]: there is no image 'gone\.jpg'"),
        ({"id": 10}, "repeats the id 10"),
        ({"width": 99}, r"says 99 x 24 px, but 2\.jpg has 32 x 24"),
    ],
)
def test_coco_bad_images(tmp_path: Path, image: dict[str, Any], says: str) -> None:
    _coco(tmp_path, [GOOD])
    path = tmp_path / "annotations/instances.json"
    content = json.loads(path.read_text())
    content["images"][1] |= image
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=says):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, skip_bad=True).names == ("1",)


def test_coco_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no coco set"):
        open_dataset(tmp_path, layout="coco")
    _coco(tmp_path, [], categories={})
    with pytest.raises(LayoutError, match="no list 'categories'"):
        open_dataset(tmp_path)
    path = tmp_path / "annotations/instances.json"
    path.write_text(path.read_text()[:-4])
    with pytest.raises(LayoutError, match="JSON"):
        open_dataset(tmp_path)


def test_coco_names_an_image_once(tmp_path: Path) -> None:
    """Two entries of one file gave two samples of one name, each with half of the truth."""
    _coco(tmp_path, [GOOD])
    path = tmp_path / "annotations/instances.json"
    (tmp_path / "annotations/more.json").write_text(path.read_text())
    with pytest.raises(DataError, match=r"more\.json, images\[0\]: repeats the image '1\.jpg' of instances"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, skip_bad=True).names == ("1", "2")


@pytest.mark.parametrize(
    ("key", "entries", "says"),
    [
        ("images", [{"id": 1, "file_name": "1.jpg"}, "2.jpg"], r"images\[1\] is no object"),
        ("images", [{"id": [1], "file_name": "1.jpg"}], r"images\[0\] is no object with plain ids"),
        ("images", [{"id": 1, "file_name": "1.jpg", "width": "wide", "height": 24}], "says wide x 24 px"),
        ("annotations", ["x"], r"annotations\[0\] is no object"),
        ("categories", [7], r"categories\[0\] is no object"),
    ],
)
def test_coco_odd_json_is_named(tmp_path: Path, key: str, entries: list[Any], says: str) -> None:
    path = _coco(tmp_path, []) / "annotations/instances.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: entries}))
    with pytest.raises(FlawscopeError, match=says):
        open_dataset(tmp_path)


def test_classes_beyond_an_index_mask(tmp_path: Path) -> None:
    """255 would mean *ignore*, and 256 does not fit."""
    many = [{"id": number, "name": f"c{number}"} for number in range(1, 300)]
    _coco(tmp_path / "a", [GOOD | {"category_id": 254}], categories=many)
    assert (open_dataset(tmp_path / "a")["1"].mask == 254).any()
    with pytest.raises(DataError, match=r"'c255' is class 255 of 299.\nExpected at most 254"):
        open_dataset(_coco(tmp_path / "b", [GOOD | {"category_id": 255}], categories=many))


def test_coco_parts(tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        save(tmp_path / part / "1.jpg", photo(len(part)))
        content = {
            "images": [{"id": 1, "file_name": "1.jpg"}],
            "annotations": [GOOD | {"image_id": 1}],
            "categories": [{"id": 7, "name": "crack"}],
        }
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / f"annotations/instances_{part}.json").write_text(json.dumps(content))
    dataset = open_dataset(tmp_path)
    assert dataset.part("train").names == ("train/1",)
    assert dataset.part("val").names == ("val/1",)
    assert np.array_equal(dataset["val/1"].image(), dataset["val/1"].image())
    assert "val2017" in dataset["val/1"].image_path


RELATIVE = [value / side for value, side in zip(SQUARE, [32, 24] * 4, strict=True)]
ROW = "1 " + " ".join(map(str, RELATIVE))


def _yolo(root: Path, text: str, names: str = "names: [crack, 'spall']\n") -> Path:
    for number in (1, 2):
        save(root / f"images/{number}.jpg", photo(number))
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels/1.txt").write_text(text)
    (root / "data.yaml").write_text(names)
    return root


@pytest.mark.parametrize("row", [ROW, f"1 {8 / 32} {8 / 24} {8 / 32} {4 / 24}"], ids=["polygon", "box"])
@pytest.mark.parametrize(
    "names",
    [
        "names: [crack, 'spall']\n",
        "train: x\nnames:\n  - crack\n  - spall # flaked\nnc: 2\n",
        'names:\n  0: crack\n  1: "spall"\n',
        "names:\n  1: spall\n  0: crack\n",
        "names: # two\n  # by number\n  0: crack\n\n  1: spall\nnc: 2\n",
        "names: {0: crack, 1: 'spall'}\n",
    ],
)
def test_yolo(tmp_path: Path, row: str, names: str) -> None:
    dataset = open_dataset(_yolo(tmp_path, row + "\n\n", names))
    assert dataset.layout == "yolo"
    assert [info.name for info in dataset.classes] == ["crack", "spall"]
    assert np.array_equal(dataset["1"].mask == 2, EXPECTED)
    assert not np.any(dataset["2"].mask)


def test_yolo_without_names_and_with_parts(tmp_path: Path) -> None:
    for part in ("train", "val"):
        save(tmp_path / f"images/{part}/{part}.jpg", photo(len(part)))
        (tmp_path / f"labels/{part}").mkdir(parents=True)
        (tmp_path / f"labels/{part}/{part}.txt").write_text(ROW)
    dataset = open_dataset(tmp_path)
    assert [info.name for info in dataset.classes] == ["class-1", "class-2"]
    assert dataset.part("val").names == ("val",)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("x 0.5 0.5 0.1 0.1", "'x' is no class number"),
        ("2 0.5 0.5 0.1 0.1", "class number 2 is not among the 2"),
        ("0 0.5 0.5 0.1 y", "no number"),
        ("0 0.5 0.5 0.1 1.5", "outside 0..1"),
        ("0 0.5 0.5 0.1", "three points"),
        ("0 0 0 1 1 1 0 0 1", "crosses itself"),
    ],
)
def test_yolo_bad_rows(tmp_path: Path, row: str, says: str) -> None:
    _yolo(tmp_path, f"{ROW}\n{row}\n")
    with pytest.raises(DataError, match=rf"1\.txt, row 2: .*{says}"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, skip_bad=True).problems) == 1


@pytest.mark.parametrize("first", ["\n", "\ufeff"])
def test_yolo_is_told_whatever_stands_beside_the_rows(tmp_path: Path, first: str) -> None:
    """Class names among the rows, files of a Mac's archive, an empty line or a byte order mark."""
    _yolo(tmp_path, "")
    (tmp_path / "labels/1.txt").rename(tmp_path / "labels/x.txt")
    (tmp_path / "labels/x.txt").write_text(first + ROW, encoding="utf-8")
    save(tmp_path / "images/x.jpg", photo(3))
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "labels/classes.txt").write_text("crack\nspall\n")
    (tmp_path / "labels/._x.txt").write_bytes(b"\x00\x05\x16\x07")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "yolo"
    assert [info.name for info in dataset.classes] == ["crack", "spall"]
    assert np.array_equal(dataset["x"].mask == 2, EXPECTED)


def test_yolo_label_without_image(tmp_path: Path) -> None:
    (_yolo(tmp_path, ROW) / "labels/9.txt").write_text(ROW)
    with pytest.raises(DataError, match=r"9\.txt: has no image"):
        open_dataset(tmp_path)
    with pytest.raises(LayoutError, match="no yolo set"):
        open_dataset(tmp_path / "labels", layout="yolo")


def _voc(root: Path, objects: str) -> Path:
    save(root / "JPEGImages/1.jpg", photo(1))
    (root / "Annotations").mkdir(exist_ok=True)
    (root / "Annotations/1.xml").write_text(f"<annotation>{objects}</annotation>")
    return root


def _object(name: str = "pits", box: tuple[object, ...] = (5, 7, 12, 10)) -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"


def test_voc_boxes_are_filled_and_said_to_be_rough(tmp_path: Path) -> None:
    dataset = open_dataset(_voc(tmp_path, _object() + _object("edge", (20, 2, 22, 3))))
    assert dataset.layout == "voc"
    assert [info.name for info in dataset.classes] == ["edge", "pits"]
    assert np.array_equal(dataset["1"].mask == 2, EXPECTED)
    assert dataset.problems[0].kind == "boxes"


@pytest.mark.parametrize(
    ("objects", "says"),
    [
        (_object(box=(1, 2, "x", 4)), "object 2: has no box of four numbers"),
        (_object(box=(1, 2, "inf", 4)), "object 2: has no box of four numbers"),
        ("<size><width>320</width><height>240</height></size>", "says 320 x 240 px, but 1.jpg has 32 x 24"),
        (_object(box=(9, 2, 3, 4)), "sides are swapped"),
        (_object(box=(500, 700, 900, 800)), r"1\.xml, object 2: lies outside 1\.jpg of 32 x 24 px"),
        (_object(name=""), "has no name"),
        ("<object>", "cannot be read as XML"),
    ],
)
def test_voc_bad_files(tmp_path: Path, objects: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_dataset(_voc(tmp_path, _object() + objects))


def test_voc_images_that_nothing_is_known_of_are_no_clean_ones(tmp_path: Path) -> None:
    _voc(tmp_path, _object() + "<size><width>0</width><height>0</height></size>")
    save(tmp_path / "JPEGImages/2.jpg", photo(2))
    save(tmp_path / "JPEGImages/again/1.jpg", photo(3))
    (tmp_path / "Annotations/2.xml").write_text("<annotation>")
    with pytest.raises(DataError, match=r"another image has the name of 1\.xml"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, skip_bad=True).names == ("1",)


def test_voc_of_a_macs_archive_with_difficult_objects(tmp_path: Path) -> None:
    difficult = _object().replace("<bndbox>", "<truncated>1</truncated><difficult>1</difficult><bndbox>")
    _voc(tmp_path, difficult + _object(box=(20, 2, 22, 3)))
    (tmp_path / "Annotations/._1.xml").write_bytes(b"\x00\x05\x16\x07")
    dataset = open_dataset(tmp_path)
    assert np.array_equal(dataset["1"].mask[:, :15], EXPECTED[:, :15])
    assert "1 objects are marked difficult; they count like the others" in str(dataset.problems[1])


def test_voc_entities_and_partners(tmp_path: Path) -> None:
    _voc(tmp_path, _object())
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'
    (tmp_path / "Annotations/2.xml").write_text(bomb)
    with pytest.raises(DataError, match="entities"):
        open_dataset(tmp_path)
    (tmp_path / "Annotations/2.xml").write_text("<annotation/>")
    with pytest.raises(DataError, match=r"2\.xml: has no image"):
        open_dataset(tmp_path)
    save(tmp_path / "JPEGImages/3.jpg", photo(3))
    dataset = open_dataset(tmp_path, skip_bad=True)
    assert {problem.kind for problem in dataset.problems} == {"no-image", "no-label", "boxes"}
    with pytest.raises(LayoutError, match="no voc set"):
        open_dataset(tmp_path / "JPEGImages", layout="voc")


def test_real_boxes(data_root: Path) -> None:
    dataset = open_dataset(data_root / "neu_cls", layout="voc")
    assert len(dataset) == 600
    assert len(dataset.classes) == 6
    mask = dataset["crazing_1"].mask
    plane = mask[..., 0] if mask.ndim == 3 else mask == 1
    assert plane[1:194, 1:193].all()
