"""Bad data sets from the command line: file, row and what was expected; ``--skip-bad`` lists them."""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from data.small import photo, save
from flawscope.cli.app import main
from flawscope.data.open import open_dataset

GOOD_ROW = "a.jpg,1,3 5"


def severstal(*rows: str, head: str = "ImageId,ClassId,EncodedPixels") -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for name in "ab":
            save(root / f"train_images/{name}.jpg", photo(ord(name)))
        (root / "train.csv").write_text("\n".join([head, *rows]) + "\n")
        return root

    return make


def table(*rows: str, head: str = "file,class") -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for name in "ab":
            save(root / f"images/{name}.jpg", photo(ord(name)))
        (root / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
        return root

    return make


def coco(**change: Any) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for name in "ab":
            save(root / f"images/{name}.jpg", photo(ord(name)))
        square = {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]}
        content: dict[str, list[dict[str, Any]]] = {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": change.pop("file", "b.jpg")}],
            "annotations": [square, square | change],
            "categories": [{"id": 1, "name": "crack"}],
        }
        (root / "annotations").mkdir()
        (root / "annotations/all.json").write_text(json.dumps(content))
        return root

    return make


def idx(images_of_train: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        root.mkdir()
        images = struct.pack(">4I", 2051, 3, 4, 4) + bytes(range(48))
        labels = struct.pack(">2I", 2049, 3) + bytes([0, 1, 1])
        for prefix in ("train", "t10k"):
            content = images_of_train(images) if prefix == "train" else gzip.compress(images)
            (root / f"{prefix}-images-idx3-ubyte.gz").write_bytes(content)
            (root / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)
        return root

    return make


def matlab(root: Path) -> Path:
    values = np.ones((24, 32), np.uint8)
    values[3:5] = 2
    (root / "groundTruth").mkdir(parents=True)
    for name in "ab":
        save(root / f"image/{name}.jpg", photo(ord(name)))
        savemat(root / f"groundTruth/{name}.mat", {"groundTruth": {"Segmentation": values}})
    (root / "groundTruth/b.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 100)
    return root


def folders(root: Path) -> Path:
    save(root / "rust/a.jpg", photo(1))
    (root / "pits").mkdir()
    return root


MASKS, LABELS = "image-mask", "csv-labels"
CASES = {
    "runs overlap": (severstal(GOOD_ROW, "b.jpg,1,5 3 6 2"), MASKS, r"train\.csv, row 3: run 2 .*overlaps"),
    "runs past the end": (severstal(GOOD_ROW, "b.jpg,1,768 2"), MASKS, r"row 3: .*ends at 769.*at most 768"),
    "odd count": (severstal(GOOD_ROW, "b.jpg,1,5 3 9"), MASKS, r"row 3: 3 numbers.*an even count"),
    "run of zero": (severstal(GOOD_ROW, "b.jpg,1,5 0"), MASKS, r"row 3: run 1 has length 0.*at least 1"),
    "negative run": (severstal(GOOD_ROW, "b.jpg,1,5 -2"), MASKS, r"row 3: '-2' is no positive whole number"),
    "letters": (severstal(GOOD_ROW, "b.jpg,1,five 2"), MASKS, r"row 3: 'five' is no positive"),
    "unknown image": (severstal(GOOD_ROW, "z.jpg,1,1 2"), MASKS, r"row 3: the image z\.jpg is not in"),
    "row twice": (severstal(GOOD_ROW, GOOD_ROW), MASKS, r"row 3: repeats image and class of row 2"),
    "cell missing": (severstal(GOOD_ROW, "b.jpg,2"), MASKS, r"row 3: has 2 cells; expected 3"),
    "cell too many": (severstal(GOOD_ROW, "b.jpg,2,1 2,5 2"), MASKS, r"row 3: has 4 cells; expected 3"),
    "class unknown": (severstal(GOOD_ROW, "b.jpg,x,1 2"), MASKS, r"row 3: 'x' is no class id; expected 1"),
    "table: no file": (table("images/a.jpg,x", "images/c.jpg,x"), LABELS, r"row 3: there is no file"),
    "table: row twice": (table("images/a.jpg,x", "images/a.jpg,y"), LABELS, r"row 3: repeats the file"),
    "table: no class": (table("images/a.jpg,x", "images/b.jpg,"), LABELS, r"row 3: names no class"),
    "coco: image missing": (coco(file="z.jpg"), MASKS, r"all\.json, images\[1\]: there is no image 'z\.jpg'"),
    "coco: crossing": (
        coco(segmentation=[[0, 0, 9, 9, 9, 0, 0, 9]]),
        MASKS,
        r"annotations\[1\]: .*crosses itself; expected",
    ),
    "coco: category": (coco(category_id=7), MASKS, r"annotations\[1\]: .*unknown category 7; expected 1"),
    "idx: magic": (
        idx(lambda raw: gzip.compress(struct.pack(">I", 2049) + raw[4:])),
        LABELS,
        r"train-images\S+: the magic number is 2049.*Expected 2051",
    ),
    "idx: count": (
        idx(lambda raw: gzip.compress(struct.pack(">2I", 2051, 5) + raw[8:])),
        LABELS,
        r"train-images\S+: 5 x 4 x 4 values are announced, 48 are there.*Expected 80",
    ),
    "idx: images and labels": (
        idx(lambda raw: gzip.compress(struct.pack(">2I", 2051, 2) + raw[8:48])),
        LABELS,
        r"train-images\S+: 2 images, but 3 labels",
    ),
    "idx: truncated": (
        idx(lambda raw: gzip.compress(raw)[:-20]),
        LABELS,
        r"train-images\S+: truncated or damaged.*Expected a whole",
    ),
    "matlab 7.3": (matlab, MASKS, r"b\.mat: is a MATLAB 7\.3 .*Expected version 5"),
    "empty class": (folders, LABELS, r"pits: the class folder holds no image; expected at least one"),
}


@pytest.mark.parametrize("case", CASES)
def test_named_and_skipped(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, target, says = CASES[case]
    root, out = make(tmp_path / "set"), tmp_path / "out"
    call = ["convert", str(root), "--to", target, "--out", str(out)]
    assert main(call) == 3
    assert re.search(says, capsys.readouterr().err, re.DOTALL), case
    assert not out.exists()
    assert main([*call, "--skip-bad", "--json"]) == 1
    told = capsys.readouterr()
    first = says.partition(".*Expected")[0]
    assert re.search(first, told.err, re.DOTALL), told.err
    facts = json.loads(told.out)
    assert any(re.search(first, text, re.DOTALL) for text in facts["left_out"])
    assert len(open_dataset(out)) == facts["images"] >= 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (severstal("a.jpg,1", head="ImageId,ClassId"), r"train\.csv: has no column EncodedPixels.*Expected"),
        (severstal("1,1 2", head="ClassId,EncodedPixels"), r"has no column ImageId; its columns are ClassId"),
        (table("images/a.jpg", head="file"), r"labels\.csv: has no column class; .*Expected file, class"),
        (table("x", head="class"), r"has no column file"),
    ],
)
def test_missing_columns_are_named_without_forcing_the_layout(
    make: Callable[[Path], Path], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "set")
    for more in ([], ["--skip-bad"]):
        assert main(["convert", str(root), "--to", "coco", "--out", str(tmp_path / "out"), *more]) in (2, 3)
        assert re.search(says, capsys.readouterr().err, re.DOTALL)


@pytest.mark.parametrize(
    ("end", "encoding", "quoted"),
    [("\n", "utf-8-sig", False), ("\r\n", "utf-8", True), ("\r\n", "utf-8-sig", True)],
)
def test_tables_of_spreadsheets_are_read(end: str, encoding: str, quoted: bool, tmp_path: Path) -> None:
    root = severstal()(tmp_path / "set")
    cells = [["ImageId", "ClassId", "EncodedPixels"], ["a.jpg", "1", "3 5"]]
    lines = [",".join(f'"{cell}"' if quoted else cell for cell in row) for row in cells]
    (root / "train.csv").write_bytes((end.join(lines) + end).encode(encoding))
    assert main(["convert", str(root), "--to", "image-mask", "--out", str(tmp_path / "out")]) == 0
    mask = open_dataset(tmp_path / "out")["a"].mask
    assert mask is not None
    assert np.flatnonzero(mask.ravel(order="F")).tolist() == [2, 3, 4, 5, 6]
