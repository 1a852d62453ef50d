"""``split.json``: which samples belong to which part, as a file that travels with the data and the run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flawscope.errors import DataError
from flawscope.images.atomic import write_text_atomic

PART_NAMES = ("train", "val", "calibration", "test")


class Split(BaseModel):
    """A division of a data set into parts and folds; names are sample names. Any part may be missing."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    folds: tuple[tuple[str, ...], ...] = ()
    """K disjoint validation folds over the training names."""
    group_by: str | None = None
    """What kept samples together: ``folder``, ``prefix``, ``regex:...``, or words."""
    stratify_by: str | None = None
    seed: int | None = None

    def part(self, name: str) -> tuple[str, ...]:
        """Names of a part.

        Raises:
            DataError: the split has no such part.
        """
        if name not in self.parts:
            have = ", ".join(self.parts) or "none"
            raise DataError(
                f"The split has no part '{name}'; its parts are: {have}.\nName one of them with --part."
            )
        return self.parts[name]

    def names(self) -> tuple[str, ...]:
        """Every name of every part and fold, each once, in order."""
        every = [name for part in self.parts.values() for name in part]
        every += [name for fold in self.folds for name in fold]
        return tuple(dict.fromkeys(every))

    def without(self, names: Collection[str]) -> Split:
        """The same split with these names in no part and no fold."""
        parts = {part: tuple(n for n in have if n not in names) for part, have in self.parts.items()}
        folds = tuple(tuple(n for n in fold if n not in names) for fold in self.folds)
        return self.model_copy(update={"parts": parts, "folds": folds})

    def overlaps(self) -> dict[str, tuple[str, ...]]:
        """Names that stand in more than one part (or fold), with the places they stand in."""
        places: dict[str, list[str]] = {}
        for part, names in self.parts.items():
            for name in names:
                places.setdefault(name, []).append(part)
        found = {name: tuple(where) for name, where in places.items() if len(where) > 1}
        seen: dict[str, int] = {}
        for number, fold in enumerate(self.folds):
            for name in fold:
                if seen.setdefault(name, number) != number:
                    found[name] = (f"fold {seen[name]}", f"fold {number}")
        return found


def load_split(path: str | Path) -> Split:
    """Read a split file.

    Raises:
        DataError: absent, not JSON, not of schema 1, or a name stands in two parts.
    """
    file = Path(path)
    try:
        split = Split.model_validate_json(file.read_bytes())
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror or error}).\nExpected a split file."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{file}: is no split of schema 1: {where}: {first['msg']}.\n"
            'Expected {"schema": 1, "parts": {"train": [names], ...}}; make one with: flawscope split'
        ) from error
    repeated = split.overlaps()
    if repeated:
        name, places = next(iter(repeated.items()))
        raise DataError(
            f"{file}: {len(repeated)} names stand in two parts, e.g. '{name}' in {' and '.join(places)}.\n"
            "Expected every name in one part only; correct the file or make a new split."
        )
    return split


def write_split(path: str | Path, split: Split) -> None:
    """Write a split file, whole or not at all. Raises OutputError."""
    content = split.model_dump(by_alias=True, exclude_none=True, mode="json")
    if not split.folds:
        content.pop("folds", None)
    write_text_atomic(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def missing_names(split: Split, have: Iterable[str]) -> tuple[str, ...]:
    """Names of the split that the data set does not hold."""
    known = set(have)
    return tuple(name for name in split.names() if name not in known)
