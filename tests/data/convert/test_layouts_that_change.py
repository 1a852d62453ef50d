"""Targets that keep less: boxes, MATLAB files of one class, grey images of one size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from flawscope.data.convert import ConvertOptions, convert
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split
from flawscope.errors import DataError
from flawscope.types import Sample

from .test_convert import SIZE_HW, classified, made


def test_boxes_of_pieces_and_a_note(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[1:4, 2:6], mask[6, 8:12], mask[7, 12] = 1, 2, 2
    data = made([mask, np.zeros_like(mask)], classes=("a & b", "<c>"))
    result = convert([data], "voc", tmp_path / "set")
    assert result.notes["with boxes instead of outlines"] == 1
    back = open_dataset(tmp_path / "set")
    boxes = mask.copy()
    boxes[6:8, 8:13] = 2
    assert [info.name for info in back.classes] == ["a & b", "<c>"]
    assert np.array_equal(back["img0"].mask, boxes)
    assert not np.any(back["img1"].mask)


def test_matlab_values(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[2:6, 2:7], mask[8] = 1, 255
    convert([made([mask])], "crackforest", tmp_path / "set")
    truth = loadmat(tmp_path / "set/groundTruth/img0.mat")["groundTruth"]
    assert np.array_equal(truth["Segmentation"][0, 0], np.where(mask == 1, 2, np.where(mask == 255, 4, 1)))
    assert truth["Boundaries"][0, 0].sum() == 2 * 4 + 2 * 5 - 4
    with pytest.raises(DataError, match="crackforest has one class"):
        convert([made([mask], classes=("a", "b"))], "crackforest", tmp_path / "no")


def test_idx_files_and_what_they_cannot_hold(tmp_path: Path) -> None:
    split = Split(parts={"train": ("img0",), "val": ("img1",), "test": ("img2",)})
    data = classified([(0,), (2,), (1,)], ("zero", "one", "two", "three"), grey=True)
    data = replace(data, default_split=split)
    out = tmp_path / "set"
    convert([data], "idx", out)
    back = open_dataset(out)
    assert back.names == ("train/00000", "train/00001", "test/00000")
    assert back.default_split is not None
    assert back.default_split.parts["val"] == ("train/00001",)
    assert [info.name for info in back.classes] == ["zero", "one", "two", "three"]
    assert [sample.labels for sample in back] == [(0,), (2,), (1,)]
    assert np.array_equal(back["test/00000"].image(), data["img2"].image())
    again = tmp_path / "again"
    convert([data], "idx", again)
    for file in out.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()
    with pytest.raises(DataError, match="has colour"):
        convert([classified([(0,), (1,)])], "idx", tmp_path / "no")
    with pytest.raises(DataError, match="2 classes"):
        convert([classified([(0, 1)], grey=True)], "idx", tmp_path / "no")
    wide = Sample("wide", lambda: np.zeros((5, 9, 3), np.uint8), None, (0,))
    mixed = data.with_samples([*data.samples, wide])
    with pytest.raises(DataError, match=r"9 x 5 px.*one size.*\n.*--size"):
        convert([mixed], "idx", tmp_path / "no")
    convert([mixed], "idx", tmp_path / "sized", ConvertOptions(size_hw=(8, 8)))
    assert open_dataset(tmp_path / "sized").samples[0].image().shape == (8, 8, 3)


def test_grey_files_are_read_for_idx(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / "from" / str(number)
        folder.mkdir(parents=True)
        Image.fromarray(np.full((4, 6), 90 + number, np.uint8)).save(folder / "x.png")
    convert([open_dataset(tmp_path / "from")], "idx", tmp_path / "set")
    assert [int(sample.image()[0, 0, 0]) for sample in open_dataset(tmp_path / "set")] == [90, 91]
