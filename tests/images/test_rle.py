"""Run-length text: every dialect comes back the same, and bad text is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flawscope.errors import DataError, UsageError
from flawscope.images.rle import DIALECTS, build_mask, build_rles, decode_rle, encode_rle

Mask = npt.NDArray[np.uint8]
masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 1)
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(mask=masks)
@settings(max_examples=60, deadline=None)
def test_round_trip(dialect: str, mask: Mask) -> None:
    size_hw = (mask.shape[0], mask.shape[1])
    back = decode_rle(encode_rle(mask, dialect), size_hw, dialect)
    assert back.dtype == np.uint8
    assert np.array_equal(back, mask)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_long_runs_and_many_runs(dialect: str) -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[20:280, 100:390] = 1
    mask[::2, ::3] ^= 1
    assert np.array_equal(decode_rle(encode_rle(mask, dialect), (300, 400), dialect), mask)


def test_known_texts() -> None:
    mask = np.zeros((3, 4), np.uint8)
    mask[1:, 1] = 1
    mask[0, 2] = 1
    mask[2, 3] = 1
    assert encode_rle(mask) == "5 3 12 1"
    assert encode_rle(mask, "coco-counts") == "[4, 3, 4, 1]"
    # Worked out by hand from the format: 4, 3, 4 stand as they are, 1 as the difference to 3.
    assert encode_rle(mask, "coco") == "434N"
    assert encode_rle(mask, "cvat") == "1, 1, 1, 1, 2, 1, 1, 1, 1, 0, 3, 2"
    assert encode_rle(np.zeros((2, 2))) == ""


def test_coco_text_of_large_counts() -> None:
    """Counts over five bits take several characters; differences may be negative."""
    mask = np.zeros(10000, np.uint8)
    mask[1000:1900] = 1
    mask[1910:1911] = 1
    square = mask.reshape(100, 100).T
    text = encode_rle(square, "coco")
    assert np.array_equal(decode_rle({"size": [100, 100], "counts": text}, (100, 100), "coco"), square)
    assert np.array_equal(decode_rle([1000, 900, 10, 1, 8089], (100, 100), "coco"), square)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1", "even count"),
        ("1 0", "length 0"),
        ("0 3", "starts at 0"),
        ("5 2 3 1", "comes before"),
        ("1 5 3 2", "overlaps"),
        ("a b", "'a'"),
        ("1 -2", "'-2'"),
        ("1.5 2", "'1.5'"),
        ("16 2", "ends at 17"),
        ("1 99999999999999999999", "ends at"),
        ("2 1 9223372036854775807 9223372036854775807", "ends at|out of range"),
    ],
)
def test_bad_severstal_text_is_refused_with_its_row(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        decode_rle(text, (4, 4), where="train.csv, row 7")
    assert str(caught.value).startswith("train.csv, row 7: ")


@pytest.mark.parametrize(
    ("text", "dialect", "says"),
    [
        ("[1, 2]", "coco", "sum to 3"),
        ("[1, 0, 15]", "coco", "length 0"),
        ("[1, -2, 17]", "coco", "negative"),
        ("[1, 2.5, 17]", "coco", "whole number"),
        ("[1, 2", "coco", "JSON"),
        ("~~~", "coco", "no character"),
        ("o", "coco", "breaks off"),
        ('{"a": 1}', "label-studio", "JSON list"),
        ("[1, 2, 300]", "label-studio", "list of bytes"),
        ("[1, 2, 3]", "label-studio", "header"),
        ("1, 2", "cvat", "2 numbers"),
        ("1, 15, 0, 0, 4, 3", "cvat", "does not lie in the image"),
        ("1, 2, 0, 0, 3, 3", "cvat", "sum to 3"),
    ],
)
def test_bad_text_of_other_dialects(text: str, dialect: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        decode_rle(text, (4, 4), dialect)


def test_mappings_of_json_readers() -> None:
    assert decode_rle({"counts": [0, 4], "size": [2, 2]}, (2, 2), "coco").all()
    with pytest.raises(DataError, match="size"):
        decode_rle({"counts": [0, 4], "size": [4, 1]}, (2, 2), "coco")
    with pytest.raises(DataError, match="mapping"):
        decode_rle({}, (2, 2), "cvat")
    brush = {"rle": json.loads(encode_rle(np.eye(3), "label-studio"))}
    assert np.array_equal(decode_rle(brush, (3, 3), "label-studio"), np.eye(3))


def test_brush_label_of_another_size_or_broken_off() -> None:
    numbers = json.loads(encode_rle(np.eye(5), "label-studio"))
    with pytest.raises(DataError, match="Expected 64"):
        decode_rle(numbers, (4, 4), "label-studio")
    with pytest.raises(DataError, match="breaks off"):
        decode_rle(numbers[:-6], (5, 5), "label-studio")


def test_brush_label_with_values_one_by_one() -> None:
    """Other writers store single values without repetition: kind 0, run size 0 (3 bits)."""
    header = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    body = "0" + "00" + f"{7:03b}" + "".join(f"{value:08b}" for value in [0, 0, 0, 0, 255, 255, 255, 255])
    bits = header + body
    bits += "0" * (-len(bits) % 8)
    numbers = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    assert decode_rle(numbers, (1, 2), "label-studio").tolist() == [[0, 1]]


@given(stack=hnp.arrays(np.uint8, (5, 6, 4), elements=st.integers(0, 1)))
@settings(max_examples=20, deadline=None)
def test_stacks(stack: Mask) -> None:
    assert np.array_equal(build_mask(build_rles(stack), (5, 6)), stack)
    assert not build_mask([None, "", None], (5, 6)).any()


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match="severstal, coco"):
        encode_rle(np.zeros((2, 2)), "kaggle")
    with pytest.raises(UsageError, match="3 dimensions"):
        encode_rle(np.zeros((2, 2, 3)))
    with pytest.raises(UsageError, match="2 dimensions"):
        build_rles(np.zeros((2, 2)))
    with pytest.raises(DataError, match="int"):
        decode_rle(5, (2, 2))  # type: ignore[arg-type]


def test_real_rows_come_back_to_the_letter(data_root: Path) -> None:
    lines = (data_root / "severstal_10" / "train.csv").read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        text = line.split(",")[2].strip()
        assert encode_rle(decode_rle(text, (256, 1600))) == text


def test_compressed_strings_may_begin_with_a_bracket() -> None:
    for start in range(204):
        mask = np.zeros(204, np.uint8)
        mask[start:] = 1
        text = encode_rle(mask.reshape(17, 12).T, "coco")
        assert np.array_equal(decode_rle(text, (12, 17), "coco").T.ravel(), mask)
    first = [encode_rle((np.arange(204) >= start).reshape(17, 12).T, "coco")[:1] for start in range(204)]
    assert "[" in first
