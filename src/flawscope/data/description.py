"""``dataset.toml``: what a data set's owner may say about it in its root."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flawscope.errors import LayoutError, UsageError
from flawscope.types import ClassKind

FILE_NAME = "dataset.toml"


class DescribedClass(BaseModel):
    """One ``[[classes]]`` entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Name of the class")
    id: int | None = Field(default=None, ge=0, le=254, description="Class id; by order from 1 when left out")
    kind: ClassKind | None = Field(default=None, description="line, area or image")
    colour: str = Field(default="", pattern=r"^(#[0-9a-fA-F]{6})?$", description="#rrggbb")


class Description(BaseModel):
    """The content of ``dataset.toml``; every key may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(default="", description="Name of the set, e.g. CFD")
    layout: str = Field(default="", description="Layout, when it should not be detected")
    group: str = Field(default="", description="folder, prefix or regex:PATTERN")
    classes: tuple[DescribedClass, ...] = Field(default=(), description="Classes in order of id")
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
        LayoutError: the file is no TOML or holds unknown keys.
    """
    file = root / FILE_NAME
    if not file.is_file():
        return Description()
    try:
        return Description.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise LayoutError(f"{file}: cannot be read as TOML ({error}).\nCorrect or remove it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LayoutError(
            f"{file}: {where}: {first['msg']}.\n"
            f"Expected the keys {', '.join(Description.model_fields)}; correct or remove the key."
        ) from error


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
