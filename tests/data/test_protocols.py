"""The papers' splits: their exact counts, their refusals, and that none of them leaks."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flawscope.data.dataset import Dataset
from flawscope.data.dealing import Labelled, apportion
from flawscope.data.protocols import (
    PROTOCOLS,
    capstone_binary,
    capstone_classes,
    coredeep,
    labelled,
    split_by_protocol,
    thesis_test,
)
from flawscope.data.split_file import Split
from flawscope.errors import DataError, UsageError
from flawscope.types import ClassInfo, Sample

from .small import photo

COMPETITION = {(1,): 769, (2,): 195, (3,): 4759, (4,): 516, (1, 2): 35, (1, 3): 91, (2, 3): 14, (2, 4): 1,
               (3, 4): 284, (1, 2, 3): 2, (): 5902}  # fmt: skip
"""Images of each set of classes in the competition's training part."""


def competition() -> list[Labelled]:
    """Images with the competition's labels."""
    return [
        Labelled(f"{'-'.join(map(str, classes)) or 'clean'}/{number}", classes, "Severstal")
        for classes, count in COMPETITION.items()
        for number in range(count)
    ]


def sizes(split: Split) -> dict[str, int]:
    return {part: len(names) for part, names in split.parts.items()}


def kinds(split: Split, part: str, images: list[Labelled]) -> Counter[str]:
    by_name = {image.name: image.kind for image in images}
    return Counter(by_name[name] for name in split.parts[part])


def check_exact(images: list[Labelled], seed: int) -> None:
    """The papers' figures on a set with the competition's counts."""
    classes = capstone_classes(images, seed=seed)
    assert sizes(classes) == {"train": 518, "val": 130, "test": 72}
    assert kinds(classes, "test", images) == {f"class {number}": 18 for number in range(1, 5)}
    assert set(kinds(classes, "val", images).values()) <= {32, 33}

    binary = capstone_binary(images, seed=seed)
    assert sizes(binary) == {"train": 1036, "val": 260, "test": 144}
    for part in ("train", "val", "test"):
        assert kinds(binary, part, images)["clean"] == len(binary.parts[part]) / 2
        assert set(classes.parts[part]) < set(binary.parts[part]), "both steps can be tested together"

    thesis = thesis_test(images, seed=seed)
    assert sizes(thesis) == {"train": 12318, "test": 250}
    several = {f"class {number}": 50 for number in range(1, 5)} | {"several": 50}
    assert kinds(thesis, "test", images) == several
    assert sorted(name for fold in thesis.folds for name in fold) == sorted(thesis.parts["train"])
    assert max(map(len, thesis.folds)) < 1.02 * min(map(len, thesis.folds))
    of_class_2 = {image.name for image in images if 2 in image.classes}
    rare = [len(of_class_2 & set(fold)) for fold in thesis.folds]
    assert max(rare) - min(rare) <= 2, "each fold holds the rare class alike"

    without = thesis_test(images, seed=seed, clean=0)
    assert without.parts["test"] == thesis.parts["test"]
    assert sizes(without)["train"] == 6666 - 250

    assert sizes(coredeep(images, seed=seed)) == {"train": 12568 - 2514, "val": 2514}
    for split in (classes, binary, thesis, without):
        assert not split.overlaps()


@pytest.mark.parametrize("seed", [0, 7])
def test_the_papers_counts(seed: int) -> None:
    images = competition()
    assert len(images) == 12568
    check_exact(images, seed)
    assert capstone_binary(images, seed=seed) == capstone_binary(images, seed=seed)
    assert capstone_binary(images, seed=seed).parts != capstone_binary(images, seed=seed + 1).parts


def test_the_competitions_own_labels(data_root: Path) -> None:
    table = data_root / "severstal_10" / "all_train_image_stats.csv"
    if not table.is_file():
        pytest.skip(f"{table.name} is absent")
    with table.open(encoding="utf-8", newline="") as file:
        images = [
            Labelled(
                row["ImageId"].removesuffix(".jpg"),
                tuple(number for number in range(1, 5) if int(row[f"class{number}_objects"])),
                "Severstal",
            )
            for row in csv.DictReader(file)
        ]
    counts = Counter(image.kind for image in images)
    assert counts == {"class 1": 769, "class 2": 195, "class 3": 4759, "class 4": 516, "several": 427,
                      "clean": 5902}  # fmt: skip
    check_exact(images, 0)


def test_counts_are_settable() -> None:
    images = competition()
    assert sizes(capstone_classes(images, per_class=10, test=0.25, val=0.5)) == {
        "train": 15, "val": 15, "test": 10,
    }  # fmt: skip
    binary = capstone_binary(images, per_class=10, clean=20, seed=3)
    assert sum(sizes(binary).values()) == 60
    whole = thesis_test(images, per_class=2, several=0, folds=0)
    assert sizes(whole) == {"train": 12560, "test": 8}
    assert whole.folds == ()
    assert sizes(coredeep(images, val=0.5)) == {"train": 6284, "val": 6284}


@pytest.mark.parametrize("per_class", [3, 7, 11, 13])
def test_both_steps_of_the_capstone_share_their_parts(per_class: int) -> None:
    images = competition()
    classes = capstone_classes(images, per_class=per_class, seed=1)
    binary = capstone_binary(images, per_class=per_class, seed=1)
    for part, names in classes.parts.items():
        assert set(names) <= set(binary.parts[part])


def test_coredeep_takes_of_each_source_and_keeps_the_sets_own_test() -> None:
    counts = {"CFD": 70, "DeepCrack": 21, "Volker": 2, "Rissbilder": 1}
    images = [Labelled(f"{s}_{n}", (1,), s) for s, count in counts.items() for n in range(count)]
    images += [Labelled(f"test/{n}", (1,), "CFD", own_part="test") for n in range(9)]
    images += [
        Labelled("copy", (1,), "CFD", "one photograph"),
        Labelled("test/copy", (1,), "CFD", "one photograph", "test"),
    ]
    split = coredeep(images, seed=4)
    sources = {image.name: image.source for image in images}
    assert Counter(sources[name] for name in split.parts["val"]) == {"CFD": 14, "DeepCrack": 4, "Volker": 1}
    assert sizes(split) == {"train": 75, "val": 19, "test": 10}
    assert "copy" not in split.names(), "a training copy of a test image is left out"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: capstone_classes(competition(), per_class=200),
            "needs 200 images of class 2 alone; 195 were",
        ),
        (lambda: capstone_binary(competition(), clean=6000), "needs 6000 clean images; 5902 were found"),
        (lambda: thesis_test(competition(), several=428), "needs 428 images with several classes; 427 were"),
        (lambda: thesis_test(competition(), per_class=196), "needs 196 images of class 2 alone; 195 were"),
        (lambda: thesis_test(competition(), clean=5903), "needs 5903 clean images; 5902 were found"),
        (lambda: capstone_classes([Labelled("a")]), "not one of 1 images shows a class"),
        (lambda: coredeep([Labelled("a", (1,))]), "1 training images make 1 groups"),
        (
            lambda: thesis_test([Labelled("a", (1,)), Labelled("b", (1,))], per_class=1, several=0),
            "at least 5",
        ),
        (
            lambda: thesis_test(
                [Labelled(f"{n}", (1,), "", "one") for n in range(9)], per_class=4, several=0
            ),
            "of 9 too many must stay together",
        ),
    ],
)
def test_too_few_images_are_refused_with_both_numbers(make: Callable[[], Split], says: str) -> None:
    with pytest.raises(DataError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: coredeep(competition(), val=1.0), "--val 1: is no share"),
        (lambda: capstone_classes(competition(), test=0.0), "--test 0: is no share"),
        (lambda: capstone_classes(competition(), per_class=0), "--per-class 0"),
        (lambda: capstone_binary(competition(), clean=-1), "--clean -1"),
        (lambda: thesis_test(competition(), folds=1), "--folds 1"),
        (lambda: thesis_test(competition(), several=-1), "--several -1"),
    ],
)
def test_wrong_counts_and_shares(make: Callable[[], Split], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()


def _set(count: int = 60) -> Dataset:
    samples = tuple(
        Sample(f"s{n}", lambda: photo(0), None, (n % 3,), "AB"[n % 2], f"g{n // 2}" if n < 10 else "")
        for n in range(count)
    )
    classes = tuple(ClassInfo(n, str(n)) for n in range(3))
    return Dataset(Path("set"), "test", classes, "classification", samples)


def test_a_data_set_by_protocol() -> None:
    dataset = _set()
    made = split_by_protocol(dataset, "coredeep", ties={"s1": "s1", "s20": "s1"}, seed=2, val=None)
    place = {name: part for part, names in made.parts.items() for name in names}
    assert set(place) == set(dataset.names)
    assert place["s0"] == place["s1"] == place["s20"]
    assert (made.group_by, made.stratify_by, made.seed) == ("near-copies", "protocol coredeep", 2)
    by_folder = split_by_protocol(dataset, "coredeep", group="regex:^s.", ties={})
    assert by_folder.group_by == "regex:^s."
    groups = [{name[:2] for name in names} for names in by_folder.parts.values()]
    assert not groups[0] & groups[1]
    few = split_by_protocol(dataset, "capstone-classes", per_class=10, ties={})
    assert sizes(few) == {"train": 21, "val": 6, "test": 3}
    assert made.part("train") == tuple(sorted(made.part("train"), key=lambda name: int(name[1:])))


def test_wrong_use_by_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'coredeep'"):
        split_by_protocol(_set(), "core-deep")
    with pytest.raises(
        UsageError, match=r"--folds: the protocol coredeep has no such option\.\nIt takes --val"
    ):
        split_by_protocol(_set(), "coredeep", folds=5, ties={})
    assert set(PROTOCOLS) == {"coredeep", "capstone-classes", "capstone-binary", "thesis-test"}


def test_a_lonely_image_is_in_no_group_of_its_name() -> None:
    samples = (
        Sample("a", lambda: photo(0), None, (0,)),
        Sample("b", lambda: photo(0), None, (0,), group="a"),
        Sample("c", lambda: photo(0), None, (0,), group="a"),
    )
    images = labelled(Dataset(Path("set"), "test", (), "classification", samples), {})
    assert images[0].key != images[1].key == images[2].key


def test_apportion_by_largest_remainder() -> None:
    assert apportion(130, dict.fromkeys("abcd", 162)) == {"a": 33, "b": 33, "c": 32, "d": 32}
    assert apportion(3, {"a": 1, "b": 5}) == {"a": 1, "b": 2}
    assert apportion(0, {"a": 4}) == {"a": 0}
