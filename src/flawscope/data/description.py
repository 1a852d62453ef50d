"""``dataset.toml``: what a data set's owner may say about it in its root."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flawscope.data.dataset import make_class
from flawscope.errors import LayoutError, UsageError
from flawscope.types import ClassInfo, ClassKind

FILE_NAME = "dataset.toml"


class DescribedClass(BaseModel):
    """One ``[[classes]]`` entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Name of the class")
    id: int | None = Field(
        default=None,
        ge=0,
        le=254,
        description="Class id, from 1, or from 0 where images are classified; by order when all leave it out",
    )
    kind: ClassKind | None = Field(default=None, description="line, area or image")
    colour: str = Field(default="", pattern=r"^(#[0-9a-fA-F]{6})?$", description="#rrggbb")


class Description(BaseModel):
    """The content of ``dataset.toml``; every key may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(default="", description="Name of the set, e.g. CFD")
    layout: str = Field(default="", description="Layout, when it should not be detected")
    group: str = Field(default="", description="folder, prefix, none or regex:PATTERN")
    classes: tuple[DescribedClass, ...] = Field(default=(), description="Classes, read in order of id")
    mask_values: dict[str, str] = Field(
        default_factory=dict, description='Mask value or colour to class name, e.g. "255,0,0" = "crack"'
    )


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a layout is told when it reads a data set."""

    description: Description = field(default_factory=Description)
    mask_values: Mapping[str, str] = field(default_factory=dict)
    """From ``--mask-value``; where empty, the description's."""
    skip_bad: bool = False
    """Leave out rows and files that cannot be used, and list them as problems."""

    @property
    def codes(self) -> Mapping[str, str]:
        """Mask values as declared by the caller, else by ``dataset.toml``."""
        return self.mask_values or self.description.mask_values


def read_description(root: Path) -> Description:
    """Read ``dataset.toml`` of a data set; an empty description when there is none.

    Raises:
        LayoutError: the file is no TOML, holds unknown keys, or numbers its classes so that one has no id.
    """
    file = root / FILE_NAME
    if not file.is_file():
        return Description()
    try:
        found = Description.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise LayoutError(f"{file}: cannot be read as TOML ({error}).\nCorrect or remove it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LayoutError(
            f"{file}: {where}: {first['msg']}.\n"
            f"Expected the keys {', '.join(Description.model_fields)}; correct or remove the key."
        ) from error
    return found.model_copy(update={"classes": _in_order(found.classes, file)})


def _in_order(classes: Sequence[DescribedClass], file: Path) -> tuple[DescribedClass, ...]:
    """The entries in order of their ids; as they stand where none has one. Raises as ``read_description``."""
    names = [entry.name for entry in classes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise LayoutError(f"{file}: two [[classes]] are called '{twice}'.\nExpected each name once.")
    ids = sorted(entry.id for entry in classes if entry.id is not None)
    if ids and len(ids) < len(classes):
        bare = next(entry.name for entry in classes if entry.id is None)
        raise LayoutError(
            f"{file}: some [[classes]] have an id, '{bare}' has none.\n"
            "Expected an id in each, or in none: then they count in the order they stand."
        )
    if ids and ids != list(range(min(ids[0], 1), min(ids[0], 1) + len(ids))):
        raise LayoutError(
            f"{file}: [[classes]] have the ids {', '.join(map(str, ids))}.\n"
            f"Expected 1 to {len(ids)} (0 to {len(ids) - 1} where images are classified), each once."
        )
    return tuple(sorted(classes, key=lambda entry: entry.id or 0))


def described_classes(
    description: Description,
    names: Mapping[int, str],
    kind: ClassKind | None = None,
    colours: Sequence[str] = (),
) -> tuple[ClassInfo, ...]:
    """Classes by id, with kind and colour where ``dataset.toml`` gives them.

    Args:
        description: what the owner says; its entries are found by name.
        names: id -> name.
        kind: kind of all classes; None = as described, else guessed by name.
        colours: of the classes 1, 2, ... where the description gives none.
    """
    given = {entry.name: entry for entry in description.classes}
    classes = []
    for number, name in sorted(names.items()):
        entry = given.get(name)
        own_kind, colour = (entry.kind, entry.colour) if entry else (None, "")
        if not colour and 1 <= number <= len(colours):
            colour = colours[number - 1]
        classes.append(make_class(number, name, kind or own_kind, colour))
    return tuple(classes)


def parse_mask_values(given: Sequence[str]) -> dict[str, str]:
    """``["255=crack", "0,0,255=ignore"]`` from ``--mask-value`` as value -> class name.

    Raises:
        UsageError: an entry is not of the form ``V=CLASS``.
    """
    pairs = {}
    for text in given:
        value, _, name = text.rpartition("=")
        if not value.strip() or not name.strip():
            raise UsageError(
                f"--mask-value '{text}' is not of the form V=CLASS.\n"
                "Expected e.g. 255=crack or 255,0,0=crack."
            )
        pairs[value.strip()] = name.strip()
    return pairs
