"""What goes where: classes, names and parts of the converted set, from those of one or several sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flawscope.data.dataset import Dataset, make_class
from flawscope.data.description import read_description
from flawscope.data.groups import rule_in_words
from flawscope.data.layouts.pairs import PART_OF_FOLDER
from flawscope.data.split_file import Split
from flawscope.errors import DataError, UsageError
from flawscope.types import ClassInfo, Sample, Task


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of the converted set."""

    name: str
    """Its name there: a path with ``/``, without suffix; unique."""
    sample: Sample
    prefix: str
    """The set it came from; letters and digits."""
    part: str
    """``train``, ``val``, ``calibration``, ``test``, or empty."""
    class_ids: Mapping[int, int]
    """Class id in its own set -> id in the converted one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The converted set before a pixel is read."""

    task: Task
    classes: tuple[ClassInfo, ...]
    entries: tuple[Entry, ...]
    source: str
    several: bool
    """Several sets become one."""
    multi_label: bool
    split: Split | None = None
    groupings: tuple[str, ...] = ()
    """Rules by which the sets group their images, as far as they name them."""


def make_plan(
    datasets: Sequence[Dataset],
    prefixes: Sequence[str] | None = None,
    class_map: Mapping[str, str] | None = None,
    flat: bool = False,
) -> Plan:
    """Unite classes by name and give every image a name of its own.

    Args:
        datasets: one or more, all of one task.
        prefixes: what stands before the names of each set; None = the names of their folders.
        class_map: class name -> name in the converted set; several may become one.
        flat: whether names may not hold folders.

    Raises:
        UsageError: no set, wrong prefixes, or a class in ``class_map`` that no set has.
        DataError: sets of different tasks.
    """
    if not datasets:
        raise UsageError("No data set was given.\nExpected at least one folder.")
    tasks = sorted({dataset.task for dataset in datasets})
    if len(tasks) > 1:
        raise DataError(
            f"The sets are of different tasks: {' and '.join(tasks)}.\nExpected sets of one task."
        )
    chosen = _prefixes(datasets, prefixes)
    classes, ids = _united(datasets, class_map or {})
    several = len(datasets) > 1
    entries: list[Entry] = []
    for dataset, prefix, class_ids in zip(datasets, chosen, ids, strict=True):
        part_of = _part_of(dataset)
        for sample in dataset:
            name = f"{prefix}_{sample.name}" if several else sample.name
            name = name.replace("/", "_") if flat else _without_part_folder(name)
            entries.append(Entry(name, sample, prefix, part_of.get(sample.name, ""), class_ids))
    entries = _unique(entries)
    many = len(set().union(*(set(one.values()) for one in ids))) > 1
    return Plan(
        task=datasets[0].task,
        classes=classes,
        entries=tuple(entries),
        source="+".join(chosen) if several else _source(datasets[0]),
        several=several,
        multi_label=any(dataset.multi_label for dataset in datasets) and many,
        split=_split(datasets, entries),
        groupings=_groupings(datasets),
    )


def _groupings(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    rules = [read_description(dataset.root).group for dataset in datasets]
    rules += [rule_in_words(own.group_by) for own in (one.default_split for one in datasets) if own]
    return tuple(dict.fromkeys(rule for rule in rules if rule))


def _without_part_folder(name: str) -> str:
    """``train/1`` as ``train_1``: layouts would take the folder for a part and drop it from the name."""
    first, slash, rest = name.partition("/")
    return f"{first}_{rest}" if slash and first.casefold() in PART_OF_FOLDER else name


def _source(dataset: Dataset) -> str:
    return dataset.sources[0] if len(dataset.sources) == 1 else dataset.root.resolve().name


def word(text: str) -> str:
    """Letters and digits of a text, a letter first: usable as a prefix in any layout."""
    kept = re.sub(r"[^A-Za-z0-9]", "", text)
    return kept if kept[:1].isalpha() else f"set{kept}"


def _prefixes(datasets: Sequence[Dataset], given: Sequence[str] | None) -> list[str]:
    if given is not None:
        if len(given) != len(datasets):
            raise UsageError(f"{len(given)} prefixes for {len(datasets)} sets.\nExpected one a set.")
        wrong = next((prefix for prefix in given if word(prefix) != prefix), None)
        if wrong is not None:
            raise UsageError(f"'{wrong}' is no prefix.\nExpected letters and digits, a letter first: CFD.")
    prefixes = list(given) if given is not None else [word(one.root.resolve().name) for one in datasets]
    for prefix, count in Counter(prefixes).items():
        if count > 1 and given is not None:
            raise UsageError(f"The prefix '{prefix}' stands for {count} sets.\nExpected one a set.")
        if count > 1:
            places = [number for number, one in enumerate(prefixes) if one == prefix]
            for serial, number in enumerate(places, 1):
                prefixes[number] = f"{prefix}{chr(96 + serial) if serial < 27 else serial}"
    return prefixes


def _united(
    datasets: Sequence[Dataset], class_map: Mapping[str, str]
) -> tuple[tuple[ClassInfo, ...], list[dict[int, int]]]:
    known = {info.name for dataset in datasets for info in dataset.classes}
    strange = sorted(set(class_map) - known)
    if strange:
        raise UsageError(
            f"--map: no set has a class '{strange[0]}'.\nExpected some of: {', '.join(sorted(known))}."
        )
    first = 0 if datasets[0].task == "classification" else 1
    united: dict[str, ClassInfo] = {}
    for dataset in datasets:
        for info in dataset.classes:
            name = class_map.get(info.name, info.name)
            if name not in united:
                number = first + len(united)
                # A class that keeps its name keeps its looks; a new one gets those of its number.
                same = info.name == name
                made = make_class(number, name, info.kind)
                united[name] = replace(made, colour=info.colour) if same else made
    ids = [
        {info.id: united[class_map.get(info.name, info.name)].id for info in dataset.classes}
        for dataset in datasets
    ]
    return tuple(united.values()), ids


def _part_of(dataset: Dataset) -> dict[str, str]:
    parts = dataset.default_split.parts if dataset.default_split else {}
    return {name: part for part, names in parts.items() for name in names}


def _unique(entries: Sequence[Entry]) -> list[Entry]:
    """Number the names that occur twice; upper and lower case are one name on some file systems."""
    taken: set[str] = set()
    settled = []
    for entry in entries:
        name, serial = entry.name, 1
        while name.casefold() in taken:
            serial += 1
            name = f"{entry.name}-{serial}"
        taken.add(name.casefold())
        settled.append(replace(entry, name=name))
    return settled


def _split(datasets: Sequence[Dataset], entries: Sequence[Entry]) -> Split | None:
    """The parts of all sets together, and the folds of a single one; None where no set has parts."""
    parts: dict[str, list[str]] = {}
    for entry in entries:
        if entry.part:
            parts.setdefault(entry.part, []).append(entry.name)
    folds: tuple[tuple[str, ...], ...] = ()
    own = datasets[0].default_split
    if len(datasets) == 1 and own is not None:
        name_of = {entry.sample.name: entry.name for entry in entries}
        folds = tuple(tuple(name_of[name] for name in fold if name in name_of) for fold in own.folds)
    if not parts and not folds:
        return None
    return Split(parts={part: tuple(names) for part, names in parts.items()}, folds=folds)
