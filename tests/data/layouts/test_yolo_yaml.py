"""``data.yaml`` of YOLO sets: names and parts as YAML says them, not as one of its ways to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.data.open import open_dataset
from flawscope.errors import LayoutError

from ..small import photo, save

ROW = "0 0.25 0.25 0.5 0.25 0.5 0.5"


def yolo(root: Path, yaml: str, images: tuple[str, ...] = ("images/1.jpg", "images/2.jpg")) -> Path:
    for number, name in enumerate(images):
        save(root / name, photo(number))
        labels = root / Path(name.replace("images", "labels")).with_suffix(".txt")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(ROW)
    (root / "data.yaml").write_text(yaml, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("names:\n  0: crack\n  2: spall\n", ["crack", "class-2", "spall"]),
        ('names: [\'crack, fine\', it\'s, "a \\"b\\" # c"]\n', ["crack, fine", "it's", 'a "b" # c']),
        ("names:\n- 'it''s'\n- dry # x\n", ["it's", "dry"]),
        ('{"names": ["crack", "rust"], "nc": 2}\n', ["crack", "rust"]),
        ('names: ["\\u0440\\u0436", "a\\tb"]\n', ["рж", "a\tb"]),
        ('names: [\n "crack",   # fine\n "rust" ]\n', ["crack", "rust"]),
        ('names:\n  "0": crack\n  "1": rust\n', ["crack", "rust"]),
        ("names: &n\n  0: crack\n  1: rust\n", ["crack", "rust"]),
        ("names:\n- >-\n  a long\n  name\n- rust\n", ["a long name", "rust"]),
        ("names: [yes, 0x1f, null]\n", ["yes", "0x1f", "null"]),
        ("names: !!python/object/apply:os.getcwd [crack]\n", ["crack"]),
    ],
)
def test_names_as_yaml_writes_them(tmp_path: Path, yaml: str, expected: list[str]) -> None:
    root = yolo(tmp_path, yaml)
    (root / "args.yaml").write_text("lr: 1\n")
    assert [info.name for info in open_dataset(root).classes] == expected


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("names:\n  999999999: x\n", "names the class 999999999"),
        (f"names:\n  ? {'9' * 5000}\n  : x\n", "names the class '999"),
        ("names: {crack: 0}\n", "names the class 'crack'"),
        ("names: [crack, rust\ntrain: x\n", "cannot be read as YAML"),
        ("names:\n\t0: crack\n", "cannot be read as YAML"),
        ("names: " + "[" * 5000, "cannot be read as YAML"),
        ("names:\n- crack\n- wet: dry\n", "the name of class 1 is no text"),
        ("names: [[crack], rust]\n", "the name of class 0 is no text"),
        ("names: {0: }\n", "the name of class 0 is no text"),
    ],
)
def test_names_that_are_none_are_refused(tmp_path: Path, yaml: str, says: str) -> None:
    with pytest.raises(LayoutError, match=says):
        open_dataset(yolo(tmp_path, yaml))


def test_lists_of_images_are_parts(tmp_path: Path) -> None:
    """Lists are written on other machines: what counts is how a path ends."""
    images = tuple(f"images/{name}.jpg" for name in ("a", "b", "c", "d"))
    yaml = "path: ../datasets/x\ntrain: [train.txt, more.txt]\nval: val.txt\ntest:\nnames: [crack]\n"
    root = yolo(tmp_path, yaml, images)
    (root / "train.txt").write_text("./images/a.jpg\n\n")
    (root / "more.txt").write_text("C:\\sets\\x\\images\\b.jpg\n")
    (root / "val.txt").write_text("data/images/c.jpg\n/home/anna/d.jpg\n./images/gone.jpg\n")
    dataset = open_dataset(root)
    assert dataset.part("train").names == ("a", "b")
    assert dataset.part("val").names == ("c", "d")
    assert [
        "val.txt: lists 1 images that are not here, e.g. ./images/gone.jpg" in str(p)
        for p in dataset.problems
    ]


@pytest.mark.parametrize("start", ["", "../", "./"])
def test_folders_are_parts_whatever_they_are_called(tmp_path: Path, start: str) -> None:
    yaml = (
        f"path: ../datasets/x\ntrain: {start}images/train2017\nval: {start}images/val2017\nnames: [crack]\n"
    )
    dataset = open_dataset(yolo(tmp_path, yaml, ("images/train2017/a.jpg", "images/val2017/b.jpg")))
    assert dataset.part("train").names == ("train2017/a",)
    assert dataset.part("val").names == ("val2017/b",)


def test_one_folder_for_two_parts_is_no_split(tmp_path: Path) -> None:
    assert open_dataset(yolo(tmp_path, "train: images\nval: images\nnames: [crack]\n")).default_split is None


def test_folders_named_like_parts_are_those(tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/test\nnames: [crack]\n"
    dataset = open_dataset(yolo(tmp_path, yaml, ("images/train/a.jpg", "images/test/b.jpg")))
    assert dataset.part("test").names == ("b",)
