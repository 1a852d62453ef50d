"""Names, parts and folds stand in the converted set as it is read, whatever the layout makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flawscope.data.convert import TARGETS, convert
from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split

from .test_convert import SIZE_HW, classified, index_of, made

WORDS = ("a", "B.2", "train", "Test", "x_mask", "img", "ö ä")
names = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("/".join),
    min_size=2,
    max_size=5,
    unique_by=str.casefold,
)


def named(data: Dataset, given_names: list[str]) -> Dataset:
    """The set with other names, every second sample for training, the others for the test."""
    samples = tuple(replace(s, name=name) for s, name in zip(data.samples, given_names, strict=True))
    parts = {"train": tuple(given_names[::2]), "test": tuple(given_names[1::2])}
    return replace(data, samples=samples, default_split=Split(parts=parts, folds=(tuple(given_names[::2]),)))


def by_content(data: Dataset) -> Mapping[int, str]:
    """What tells samples apart (marked pixels or label) -> name."""
    if data.task == "classification":
        return {int(data.classes[sample.labels[0]].name[1:]): sample.name for sample in data}
    return {int(index_of(sample.mask).sum()): sample.name for sample in data if sample.mask is not None}


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names)
def test_parts_and_folds_follow_the_names(
    target: str, tmp_path_factory: pytest.TempPathFactory, given_names: list[str]
) -> None:
    count = len(given_names)
    if TARGETS[target].task == "segmentation":
        masks = [np.zeros(SIZE_HW, np.uint8) for _ in range(count)]
        for number, mask in enumerate(masks):
            mask[2, : number + 1] = 1
        data = made(masks)
    else:
        data = classified([(number,) for number in range(count)], tuple(f"c{i}" for i in range(count)), True)
    data = named(data, given_names)
    out = tmp_path_factory.mktemp("x") / "set"
    convert([data], target, out)
    back = open_dataset(out)
    assert back.layout == target
    assert not [problem for problem in back.problems if problem.kind == "split"]
    ours, theirs = by_content(data), by_content(back)
    assert len(back) == count
    assert set(theirs) == set(ours)
    assert back.default_split is not None
    for key, name in theirs.items():
        own = "train" if ours[key] in data.default_split.parts["train"] else "test"  # type: ignore[union-attr]
        assert name in back.default_split.parts[own]
    assert set(back.default_split.folds[0]) == set(back.default_split.parts["train"])
    assert [info.name for info in back.classes] == [info.name for info in data.classes]


@pytest.mark.parametrize("target", ["image-mask", "coco", "yolo", "label-studio", "cvat"])
def test_folders_in_names_are_kept(target: str, tmp_path: Path) -> None:
    data = made([np.ones(SIZE_HW, np.uint8)] * 2)
    data = named(data, ["wall 1/a", "wall 1/b"])
    convert([data], target, tmp_path / "set")
    assert set(open_dataset(tmp_path / "set").names) == set(data.names)
