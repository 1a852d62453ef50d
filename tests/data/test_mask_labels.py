"""Masks as labels: the classes that they mark, or clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.data.dataset import Dataset
from flawscope.data.mask_labels import CLEAN, DEFECT, as_defects, as_labels, clean_class
from flawscope.errors import DataError, ImageError
from flawscope.types import ClassInfo, Sample, Task


def picture() -> Any:
    return np.zeros((4, 6, 3), np.uint8)


def masks(*every: Any) -> Dataset:
    samples = tuple(
        Sample(str(k), picture, None if mask is None else (lambda m=mask: m)) for k, mask in enumerate(every)
    )
    classes = (ClassInfo(1, "scratch"), ClassInfo(2, "patch", kind="area"))
    return Dataset(Path("set"), "none", classes, "segmentation", samples, classes_named=True)


def test_an_image_shows_what_its_mask_marks() -> None:
    one, both, clean, ignored = (np.zeros((4, 6), np.uint8) for _ in range(4))
    one[0, 0], both[0, :2], ignored[1, 1] = 2, (1, 2), 255
    labels = as_labels(masks(one, both, clean, ignored, None))
    assert [sample.labels for sample in labels] == [(2,), (1, 2), (0,), (0,)]
    assert labels.task == "classification" and labels.multi_label
    assert [(info.id, info.name, info.kind) for info in labels.classes] == [
        (0, "clean", "image"), (1, "scratch", "image"), (2, "patch", "image"),
    ]  # fmt: skip
    assert all(sample.mask is None for sample in labels)


def test_stacks_of_overlapping_classes() -> None:
    stack = np.zeros((4, 6, 2), bool)
    stack[2, 2] = True
    labels = as_labels(masks(stack, np.zeros((4, 6, 2), bool)))
    assert [sample.labels for sample in labels] == [(1, 2), (0,)]


def test_one_class_an_image_is_not_multi_label() -> None:
    one = np.ones((4, 6), np.uint8)
    assert not as_labels(masks(one)).multi_label


def unread() -> Any:
    raise ImageError("masks/07.png: is cut short")


def test_a_mask_that_cannot_be_read_is_not_clean() -> None:
    data = masks(np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8))
    broken = data.with_samples([*data.samples, Sample("07", picture, unread)])
    with pytest.raises(
        DataError, match=r"1 of 3 masks cannot be read:\n  masks/07.png: is cut short\n.*--skip-bad"
    ):
        as_labels(broken)
    left = as_labels(broken, skip_bad=True)
    assert [sample.labels for sample in left] == [(0,), (1,)]
    assert [(problem.kind, problem.path) for problem in left.problems] == [("mask", "07")]


def test_labels_stay_as_they_are() -> None:
    task: Task = "classification"
    data = Dataset(Path("set"), "none", (ClassInfo(0, "a"),), task, (Sample("x", picture, labels=(0,)),))
    assert as_labels(data) is data


def test_a_gate_sees_defects_of_any_class() -> None:
    one, both, clean = (np.zeros((4, 6), np.uint8) for _ in range(3))
    one[0, 0], both[0, :2] = 2, (1, 2)
    seen = as_defects(as_labels(masks(one, both, clean)))
    assert seen.classes == (DEFECT,) and not seen.multi_label
    assert [sample.labels for sample in seen] == [(1,), (1,), ()]


@pytest.mark.parametrize("name", ["clean", "Good", "no_defect", "none"])
def test_the_clean_class_by_name(name: str) -> None:
    classes = (ClassInfo(0, "rust"), ClassInfo(1, name))
    assert clean_class(Dataset(Path("set"), "none", classes, "classification", ())).id == 1


def test_without_a_clean_class_it_is_told() -> None:
    data = Dataset(Path("set"), "none", (ClassInfo(0, "rust"),), "classification", ())
    with pytest.raises(DataError, match="no class means clean; it has rust"):
        clean_class(data)
    assert clean_class(as_labels(masks())) == CLEAN
