"""No split of ours leaks, whatever the method: nothing that belongs together stands on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups
from flawscope.data.leaks import crossing, leaks
from flawscope.data.open import open_dataset
from flawscope.data.protocols import labelled, split_by_protocol
from flawscope.data.split import Split, carve_validation, find_ties, split
from flawscope.errors import DataError
from flawscope.types import ClassInfo, Sample

from .small import photo

Make = Callable[[Dataset, dict[str, str], int], Split]


def by_shares(**options: Any) -> Make:
    return lambda dataset, ties, seed: split(dataset, **options, seed=seed, ties=ties)


def by_protocol(name: str, **options: Any) -> Make:
    return lambda dataset, ties, seed: split_by_protocol(dataset, name, **options, seed=seed, ties=ties)


def carved(dataset: Dataset, ties: dict[str, str], seed: int) -> Split:
    train, val = carve_validation(dataset, dataset.names, 0.3, seed, ties)
    return Split(parts={"train": train, "val": val})


GROUPING = "regex:^s."

WHOLE: dict[str, Make] = {
    "hold-out": by_shares(stratify=None),
    "by source": by_shares(stratify="source"),
    "by class": by_shares(stratify="class"),
    "by positives": by_shares(stratify="positive", calibration=0.1),
    "by all": by_shares(stratify="source,class,positive"),
    "grouped": by_shares(group=GROUPING),
    "folds": by_shares(folds=3, test=0.2),
    "grouped folds": by_shares(folds=2, test=0, group=GROUPING),
    "carved": carved,
    "coredeep": by_protocol("coredeep"),
    "thesis-test": by_protocol("thesis-test", per_class=2, several=1, folds=3),
}
"""Methods that put every image somewhere."""

CHOOSING: dict[str, Make] = {
    "capstone-classes": by_protocol("capstone-classes", per_class=3),
    "capstone-binary": by_protocol("capstone-binary", per_class=2, clean=4),
    "thesis-test less clean": by_protocol("thesis-test", per_class=1, several=1, folds=2, clean=1),
}
"""Methods that leave images out."""

SHARES = {"val": 0.2, "test": 0.2, "calibration": 0.1}


@st.composite
def sets(draw: st.DrawFn) -> tuple[Dataset, dict[str, str]]:
    """Images with up to two of three classes, of two sources, some in groups, some copies of each other."""
    kinds = st.sampled_from([(), (1,), (1,), (2,), (2,), (3,), (3,), (1, 2), (2, 3), (1, 3)])
    count = draw(st.integers(30, 90))
    labels = draw(st.lists(kinds, min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count))
    samples = tuple(
        Sample(f"s{n}", lambda: photo(0), None, label, "AB"[n % 2], f"g{group}" if group < 12 else "")
        for n, (label, group) in enumerate(zip(labels, groups, strict=True))
    )
    copies = draw(st.dictionaries(st.integers(0, count - 1), st.integers(0, count - 1), max_size=8))
    ties = {f"s{name}": f"s{first}" for name, first in copies.items()}
    classes = tuple(ClassInfo(n, str(n)) for n in range(1, 4))
    return Dataset(Path("set"), "test", classes, "classification", samples), ties


def together(dataset: Dataset, ties: dict[str, str]) -> dict[str, str]:
    return {image.name: image.key for image in labelled(dataset, ties)}


def check_sides(split: Split, key_of: dict[str, str]) -> None:
    """Everything of one key stands in one part, and in one fold; no name stands twice."""
    assert not split.overlaps()
    for sides in (split.parts.values(), split.folds):
        seen: dict[str, int] = {}
        for number, names in enumerate(sides):
            assert len(set(names)) == len(names)
            for name in names:
                assert seen.setdefault(key_of[name], number) == number, f"{name} crosses the split"
    if split.folds:
        assert sorted(name for fold in split.folds for name in fold) == sorted(split.parts["train"])


def check_shares(split: Split, key_of: dict[str, str]) -> None:
    """Parts hold what was asked for, to within what stays together."""
    total = len(key_of)
    largest = max(Counter(key_of.values()).values())
    for part, share in SHARES.items():
        if part in split.parts:
            assert abs(len(split.parts[part]) - share * total) <= largest + 0.12 * total
    for fold in split.folds:
        assert abs(len(fold) - len(split.parts["train"]) / len(split.folds)) <= largest + 0.12 * total


@pytest.mark.parametrize("method", WHOLE)
@given(drawn=sets(), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_every_image_stands_on_one_side(
    method: str, drawn: tuple[Dataset, dict[str, str]], seed: int
) -> None:
    dataset, ties = drawn
    try:
        made = WHOLE[method](dataset, ties, seed)
    except DataError:
        return  # too few groups, or images of a class: said, not guessed
    grouped = with_groups(dataset, GROUPING) if method.startswith("grouped") else dataset
    key_of = together(grouped, ties)
    check_sides(made, key_of)
    assert sorted(name for names in made.parts.values() for name in names) == sorted(dataset.names)
    assert not leaks(grouped, made, ties)
    if method in ("hold-out", "by source", "by class", "folds"):
        check_shares(made, key_of)


@pytest.mark.parametrize("method", CHOOSING)
@given(drawn=sets(), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_chosen_images_stand_on_one_side(
    method: str, drawn: tuple[Dataset, dict[str, str]], seed: int
) -> None:
    dataset, ties = drawn
    try:
        made = CHOOSING[method](dataset, ties, seed)
    except DataError:
        return
    check_sides(made, together(dataset, ties))
    assert set(made.names()) <= set(dataset.names)


def naive(names: Sequence[str]) -> Split:
    return Split(parts={"train": tuple(names[: len(names) // 2]), "test": tuple(names[len(names) // 2 :])})


CROSSING = ("001758", "003988", "002628", "004068", "003483", "004145", "003498", "004148")
"""Photographs that stand in NEU-Seg twice, once with a second defect drawn in; its split tears them."""


@pytest.mark.parametrize(
    ("name", "others", "tied", "crossed"),
    [
        ("crack_sc", 9999, 34, 0),
        ("neu_seg", 120, 8, 4),
        pytest.param("neu_seg", 9999, 60, 4, marks=pytest.mark.slow),
    ],
)
def test_copies_in_real_sets_are_tied(
    data_root: Path, name: str, others: int, tied: int, crossed: int
) -> None:
    dataset = open_dataset(data_root / name)
    if others < len(dataset):
        dataset = dataset.subset(dict.fromkeys((*CROSSING, *dataset.names[:others])))
    ties = find_ties(dataset)
    assert len(ties) == tied
    made = split(dataset, stratify="source", ties=ties, seed=1)
    assert not leaks(dataset, made, ties)
    alternate = naive([*dataset.names[::2], *dataset.names[1::2]])
    found = crossing([tuple(ties)], alternate)
    assert found and found[0].kind == "leak"
    assert dataset.default_split is not None
    told = [problem.message.split(" groups")[0] for problem in leaks(dataset, dataset.default_split, ties)]
    assert told == ([str(crossed)] if crossed else [])


def test_what_crosses_a_given_split_is_counted() -> None:
    samples = [Sample(f"s{n}", lambda: photo(0), None, (), "", f"g{n // 2}") for n in range(8)]
    dataset = Dataset(Path("set"), "test", (), "classification", tuple(samples))
    given_split = Split(
        parts={"train": ("s0", "s2", "s3", "s4"), "test": ("s1", "s5")}, folds=(("s2",), ("s3",))
    )
    copies, groups = leaks(dataset, given_split, {"s2": "s2", "s1": "s2", "s6": "s2"})
    assert "1 groups of copies or near-copies (2 images)" in copies.message
    assert "3 groups (6 images)" in groups.message
    assert "s0 (train), s1 (test)" in groups.message
    assert not leaks(dataset, Split(parts={"train": dataset.names}), {})


def test_folds_that_hold_the_test_part_are_told() -> None:
    """Networks of such folds are trained on what they would be tested on."""
    samples = tuple(Sample(f"s{n}", lambda: photo(0), None, ()) for n in range(4))
    dataset = Dataset(Path("set"), "test", (), "classification", samples)
    parts = {"train": ("s0", "s1"), "val": ("s2",), "test": ("s3",)}
    (found,) = leaks(dataset, Split(parts=parts, folds=(("s0", "s3"), ("s1", "s2"))), {})
    assert "1 images of the part 'test' stand in the folds too, e.g. s3" in found.message
    assert not leaks(dataset, Split(parts=parts, folds=(("s0",), ("s1", "s2"))), {})
