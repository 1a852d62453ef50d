"""Splits leak nothing, lose nothing, look like the whole in every part, and repeat for a seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.data.dataset import Dataset
from flawscope.data.groups import group_rule, with_groups
from flawscope.data.open import open_dataset
from flawscope.data.split import Split, carve_validation, find_ties, load_split, split, write_split
from flawscope.data.strata import Unit, divide
from flawscope.errors import DataError, UsageError
from flawscope.types import ClassInfo, Sample

from .small import image_mask_set, photo


def labelled(labels: list[tuple[int, ...]], groups: list[str] | None = None) -> Dataset:
    """Classified samples without any file."""
    samples = tuple(
        Sample(f"s{number}", lambda: photo(0), None, label, "A" if number % 3 else "B", group)
        for number, (label, group) in enumerate(zip(labels, groups or [""] * len(labels), strict=True))
    )
    classes = tuple(ClassInfo(number, str(number)) for number in range(4))
    return Dataset(Path("set"), "test", classes, "classification", samples)


group_lists = st.lists(st.integers(0, 9), min_size=12, max_size=60)


@given(groups=group_lists, seed=st.integers(0, 99), folds=st.sampled_from([0, 2, 3]))
@settings(max_examples=60, deadline=None)
def test_no_leak_and_nothing_lost(groups: list[int], seed: int, folds: int) -> None:
    dataset = labelled([(number % 4,) for number in groups], [f"g{number}" for number in groups])
    ties = {"s0": "s0", "s1": "s0", "s5": "s0"}
    tied = {groups[i] for i in (0, 1, 5) if i < len(groups)}
    kinds = len({tuple(tied) if number in tied else number for number in groups})
    try:
        made = split(dataset, test=0.25, val=0.25, folds=folds, seed=seed, ties=ties)
    except DataError:
        assert kinds < 8
        return
    everything = [name for names in made.parts.values() for name in names]
    assert sorted(everything) == sorted(dataset.names)
    assert not made.overlaps()
    place = {name: part for part, names in made.parts.items() for name in names}
    home = {name: fold for fold, names in enumerate(made.folds) for name in names}
    for where in (place, home):
        by_group: dict[str, set[object]] = {}
        for name, part in where.items():
            by_group.setdefault(dataset[name].group, set()).add(part)
        assert all(len(parts) == 1 for parts in by_group.values())
        assert len({where[name] for name in ("s0", "s1", "s5") if name in where}) <= 1
    if folds:
        assert "val" not in made.parts
        assert set(home) == set(made.parts["train"])
        assert len(made.folds) == folds


@given(seed=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_every_class_and_source_in_proportion(seed: int) -> None:
    labels = [(0,)] * 60 + [(1,)] * 30 + [(2, 3)] * 10
    dataset = labelled(labels)
    made = split(dataset, test=0.2, val=0.1, seed=seed, ties={})
    assert {part: len(names) for part, names in made.parts.items()} == {"train": 70, "val": 10, "test": 20}
    count = Counter(dataset[name].labels for name in made.parts["test"])
    assert abs(count[(0,)] - 12) <= 1
    assert abs(count[(1,)] - 6) <= 1
    assert count[(2, 3)] == 2
    sources = Counter(dataset[name].source for name in made.parts["test"])
    assert abs(sources["B"] - 0.34 * 20) <= 2


def test_deterministic_and_seeded() -> None:
    dataset = labelled([(0,)] * 50)
    first = split(dataset, seed=3, ties={})
    assert first == split(dataset, seed=3, ties={})
    assert first.parts != split(dataset, seed=4, ties={}).parts
    assert (first.seed, first.stratify_by) == (3, "source,class")


def test_masks_give_classes_and_shares(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path, 8))
    samples = [
        replace(sample, read_mask=lambda n=number: np.full((4, 4), n % 2, np.uint8))
        for number, sample in enumerate(dataset)
    ]
    made = split(dataset.with_samples(samples), test=0.5, val=0, stratify="class,positive", ties={})
    assert sum(int(name) % 2 for name in made.parts["test"]) == 2
    assert made.stratify_by == "class,positive"


def test_near_copies_are_found_and_tied(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 6)
    (tmp_path / "images/004.png").write_bytes((tmp_path / "images/001.png").read_bytes())
    (tmp_path / "images/005.png").write_bytes(b"")
    dataset = open_dataset(tmp_path)
    seen: list[tuple[int, int, str]] = []
    assert find_ties(dataset, progress=lambda *told: seen.append(told)) == {"001": "001", "004": "001"}
    assert seen == [(n + 1, 6, f"{n:03d}") for n in range(6)]
    for seed in range(6):
        made = split(dataset, test=0.4, val=0.2, stratify=None, seed=seed)
        assert sum({"001", "004"} <= set(names) for names in made.parts.values()) == 1
        assert made.group_by == "near-copies"
        train, val = carve_validation(dataset, dataset.names[:5], 0.4, seed)
        assert ("001" in train) == ("004" in train)
        assert not set(train) & set(val)
        assert sorted((*train, *val)) == list(dataset.names[:5])


def test_ties_through_a_name_outside_the_part() -> None:
    dataset = labelled([(0,)] * 10)
    ties = {"s1": "s0", "s2": "s0"}
    for seed in range(5):
        train, _ = carve_validation(dataset, [f"s{number}" for number in range(1, 10)], 0.3, seed, ties)
        assert ("s1" in train) == ("s2" in train)


def test_grouping_by_rule() -> None:
    samples = tuple(Sample(f"p{number // 4}/a_{number}", lambda: photo(0)) for number in range(40))
    dataset = Dataset(Path("set"), "test", (), "segmentation", samples)
    made = split(dataset, group="folder", ties={}, stratify="none")
    assert made.group_by == "folder"
    for names in made.parts.values():
        assert len(names) % 4 == 0
    assert [sample.group for sample in with_groups(dataset, "prefix")][:2] == ["p0/a", "p0/a"]
    assert with_groups(dataset, "regex:^(p.)").samples[5].group == "p1"
    assert group_rule("regex:nothing")("abc") == "abc"
    assert group_rule("folder")("abc") == "abc"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"test": 1.0}, "no share"),
        ({"val": -0.1}, "no share"),
        ({"test": 0.5, "val": 0.5}, "sum to 1"),
        ({"folds": 1}, "at least 2"),
        ({"stratify": "colour"}, "--stratify colour"),
        ({"group": "shape"}, "no grouping 'shape'"),
        ({"group": "regex:("}, "does not compile"),
    ],
)
def test_wrong_use(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        split(labelled([(0,)] * 20), ties={}, **options)  # type: ignore[arg-type]


def test_too_few_groups() -> None:
    with pytest.raises(DataError, match=r"make 1 groups(.|\n)*group = \"none\""):
        split(labelled([(0,)] * 9, ["one"] * 9), ties={})
    with pytest.raises(DataError, match="Expected at least 5"):
        split(labelled([(0,)] * 4), test=0, folds=5, ties={})
    with pytest.raises(DataError, match="Expected at least 2"):
        carve_validation(labelled([(0,)]), ["s0"], ties={})
    with pytest.raises(UsageError, match="between 0 and 1"):
        carve_validation(labelled([(0,)] * 3), ["s0"], 1.0, ties={})


def test_small_part_is_never_empty() -> None:
    made = split(labelled([(0,)] * 5), test=0.05, val=0.05, ties={})
    assert [len(names) for names in made.parts.values()] == [3, 1, 1]


def test_divide_keeps_units_whole() -> None:
    units = [Unit(tuple(f"{unit}-{n}" for n in range(unit + 1)), {"x": 1}) for unit in range(12)]
    parts = divide(units, {"train": 0.75, "test": 0.25}, 0)
    assert sorted(unit.names for part in parts.values() for unit in part) == sorted(
        unit.names for unit in units
    )


def test_file_round_trip(tmp_path: Path) -> None:
    made = split(labelled([(0,)] * 30), folds=3, ties={})
    write_split(tmp_path / "split.json", made)
    assert load_split(tmp_path / "split.json") == made
    text = (tmp_path / "split.json").read_text(encoding="utf-8")
    assert '"schema": 1' in text
    write_split(tmp_path / "plain.json", Split(parts={"train": ("Straße",)}))
    assert "Straße" in (tmp_path / "plain.json").read_text(encoding="utf-8")
    assert "folds" not in (tmp_path / "plain.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "schema 1"),
        ('{"schema": 2}', "schema"),
        ('{"parts": {"train": [1]}}', "parts"),
        ('{"part": {}}', "part"),
        ('{"parts": {"train": ["a"], "test": ["a"]}}', "'a' in train and test"),
        ('{"folds": [["a"], ["a"]]}', "fold 0 and fold 1"),
    ],
)
def test_bad_split_files(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(DataError, match=says):
        load_split(tmp_path / "s.json")
    with pytest.raises(DataError, match="cannot be read"):
        load_split(tmp_path / "absent.json")


def test_real_sets_split_by_their_groups(data_root: Path) -> None:
    dataset = open_dataset(data_root / "masonry")
    assert dataset.default_split is not None
    train, val = carve_validation(dataset, dataset.default_split.part("train"))
    assert not {dataset[name].group for name in train} & {dataset[name].group for name in val}
    assert 30 <= len(val) <= 46
