"""A data set: its classes, its problems, and samples that read themselves on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from flawscope.data.split_file import Split
from flawscope.errors import DataError
from flawscope.images.sources import read_image
from flawscope.types import ClassInfo, ClassKind, RgbImage, Sample, Task

CLASS_COLOURS = ("#ffd400", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
"""Colours that the colour-blind can tell apart (Okabe and Ito, Color Universal Design, 2008)."""

_LINE_WORDS = ("crack", "scratch", "fissure", "line")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a data set that the user should know; the rest of the set is usable."""

    kind: str
    """A short key: ``no-mask``, ``no-image``, ``unreadable``, ``row``, ``stray-values``, ..."""
    path: str
    """File (and row) it is about."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True)
class Dataset:
    """Samples of one layout with their classes. Immutable; pixels are read when asked for."""

    root: Path
    layout: str
    classes: tuple[ClassInfo, ...]
    """Foreground classes in order of id."""
    task: Task
    samples: tuple[Sample, ...]
    default_split: Split | None = None
    """The set's own parts, if it has any (``split.json`` in its root, or part folders)."""
    problems: tuple[Problem, ...] = ()
    """What was left out or looked odd while opening; nothing is dropped in silence."""
    classes_named: bool = False
    """False when the class names are made up because the set does not name its classes."""
    multi_label: bool = False
    """True when classes may overlap: masks are H x W x C bool."""

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, key: int | str) -> Sample:
        """A sample by position or by name. Raises DataError for an unknown name."""
        if isinstance(key, int):
            return self.samples[key]
        position = self._positions.get(key)
        if position is None:
            raise _unknown(self, [key])
        return self.samples[position]

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {sample.name: number for number, sample in enumerate(self.samples)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples, in order."""
        return tuple(sample.name for sample in self.samples)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sets that the samples came from, sorted."""
        return tuple(sorted({sample.source for sample in self.samples}))

    def class_named(self, name: str) -> ClassInfo:
        """The class of that name. Raises DataError when there is none."""
        for info in self.classes:
            if info.name == name:
                return info
        have = ", ".join(info.name for info in self.classes)
        raise DataError(f"{self.root}: there is no class '{name}'.\nExpected one of: {have}.")

    def subset(self, names: Iterable[str]) -> Dataset:
        """The same data set with these samples only, in the order given.

        Raises:
            DataError: a name is not in the set.
        """
        wanted = list(names)
        unknown = [name for name in wanted if name not in self._positions]
        if unknown:
            raise _unknown(self, unknown)
        return replace(self, samples=tuple(self.samples[self._positions[name]] for name in wanted))

    def part(self, name: str, split: Split | None = None) -> Dataset:
        """The samples of a part of ``split`` (of the set's own split when None).

        Raises:
            DataError: no split, no such part, or names that the set does not hold.
        """
        chosen = split or self.default_split
        if chosen is None:
            raise DataError(
                f"{self.root}: has no split of its own, so there is no part '{name}'.\n"
                "Make one with: flawscope split DATASET --out split.json"
            )
        return self.subset(chosen.part(name))

    def fitting(self, split: Split) -> Split:
        """A split without the samples that were left out of this set as faulty (``skip_bad``)."""
        return split.without({problem.path for problem in self.problems} - self._positions.keys())

    def with_samples(self, samples: Iterable[Sample], *more: Problem) -> Dataset:
        """The same data set with other samples, and further problems to tell."""
        return replace(self, samples=tuple(samples), problems=(*self.problems, *more))


def _unknown(dataset: Dataset, unknown: Sequence[str]) -> DataError:
    near = difflib.get_close_matches(unknown[0], dataset.names, n=1)
    hint = (
        f"did you mean '{near[0]}'?"
        if near
        else f"names look like '{dataset.names[0]}'."
        if len(dataset)
        else ""
    )
    return DataError(
        f"{dataset.root}: {len(unknown)} names are not in the data set, e.g. '{unknown[0]}'.\n"
        f"Expected a path below the image folder, without suffix; {hint or 'the set is empty.'}"
    )


@dataclass(frozen=True, slots=True)
class ImageFile:
    """Reads one image file when called. A class, not a closure, so that worker processes can have it."""

    path: str

    def __call__(self) -> RgbImage:
        """H x W x 3 uint8 RGB, upright. Raises ImageError."""
        return read_image(self.path).pixels


def make_class(class_id: int, name: str, kind: ClassKind | None = None, colour: str = "") -> ClassInfo:
    """A class with a colour by its id; cracks and scratches are of kind ``line``, others ``area``."""
    guessed: ClassKind = "line" if any(word in name.lower() for word in _LINE_WORDS) else "area"
    position = (class_id - 1) % len(CLASS_COLOURS)
    return ClassInfo(class_id, name, colour or CLASS_COLOURS[position], kind or guessed)
