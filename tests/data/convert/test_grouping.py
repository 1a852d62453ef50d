"""What belongs together in a set belongs together in what it is converted to, or the loss is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.convert import convert
from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split

from .test_convert import DRAWN_TARGETS, SIZE_HW, made

NAMES = ("w1_1", "w1_2", "w2_1", "w2_2")


def walls(root: Path, names: Iterable[str] = NAMES, rule: str = "prefix") -> Dataset:
    names = tuple(names)
    data = made([np.ones(SIZE_HW, np.uint8)] * len(names), root)
    samples = (replace(sample, name=name) for sample, name in zip(data.samples, names, strict=True))
    return with_groups(data.with_samples(samples), rule)


def grouping(data: Dataset) -> list[set[str]]:
    """The groups of several, as sets of names."""
    groups: dict[str, set[str]] = {}
    for sample in data:
        groups.setdefault(sample.group or f"alone {sample.name}", set()).add(sample.name)
    return sorted((names for names in groups.values() if len(names) > 1), key=min)


@pytest.mark.parametrize("target", ["image-mask", "kaggle-cracks", "crackforest", "voc", *DRAWN_TARGETS])
def test_groups_come_back(target: str, tmp_path: Path) -> None:
    data = walls(tmp_path / "walls")
    result = convert([data], target, tmp_path / "set")
    back = grouping(open_dataset(tmp_path / "set"))
    assert [len(names) for names in back] == [2, 2]
    assert not any("group" in note for note in result.notes)


def test_folders_stay_groups_where_names_may_hold_them(tmp_path: Path) -> None:
    data = walls(tmp_path / "walls", ("w1/a", "w1/b_1", "w2/a", "w2/b_1"), "folder")
    convert([data], "coco", tmp_path / "coco")
    assert grouping(open_dataset(tmp_path / "coco")) == [{"w1/a", "w1/b_1"}, {"w2/a", "w2/b_1"}]
    result = convert([data], "severstal", tmp_path / "flat")
    assert grouping(open_dataset(tmp_path / "flat")) == []
    (note,) = (note for note in result.notes if "group" in note)
    assert result.notes[note] == 4


def test_the_rule_of_the_set_itself_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "walls"
    root.mkdir()
    (root / "dataset.toml").write_text('group = "regex:^[a-z]"', encoding="utf-8")
    data = walls(root, ("a1", "a2", "b1"), "regex:^[a-z]")
    convert([data], "coco", tmp_path / "coco")
    assert grouping(open_dataset(tmp_path / "coco")) == [{"a1", "a2"}]
    (root / "dataset.toml").unlink()
    told = replace(data, default_split=Split(parts={"train": ("a1", "a2", "b1")}, group_by="regex:^[a-z]"))
    convert([told], "image-mask", tmp_path / "masks")
    assert grouping(open_dataset(tmp_path / "masks")) == [{"a1", "a2"}]


def test_groups_of_two_sets_are_not_joined(tmp_path: Path) -> None:
    convert([walls(tmp_path / "north"), walls(tmp_path / "south")], "coco", tmp_path / "both")
    assert [len(names) for names in grouping(open_dataset(tmp_path / "both"))] == [2, 2, 2, 2]


def test_nothing_is_said_where_nothing_belongs_together(tmp_path: Path) -> None:
    convert([walls(tmp_path / "walls", rule="none")], "coco", tmp_path / "set")
    assert "group" not in (tmp_path / "set" / "dataset.toml").read_text(encoding="utf-8")
