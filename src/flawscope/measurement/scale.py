"""The size of a pixel on the surface: read from text or from a file of one scale an image.

Text: a number and a unit for one pixel (``0.2mm``, ``0.2 mm/px``, ``200um``), pixels a unit (``5px/mm``) or
a print resolution (``300dpi``); a relative standard uncertainty may follow (``0.2mm +-2%``).

Files name images as ``images.csv`` does, by path below the input folder; a path without its suffix or the
bare file name will do too. A default serves images that are not named.

* CSV: columns ``image`` and ``mm_per_px`` (a number, or text as above), and optionally ``u_rel`` (0.02 = 2
  %). A row whose image is ``*`` is the default.
* JSON or TOML: ``{"default": "0.2mm", "images": {"bridge/a.jpg": "0.15mm", "b.jpg": 0.3}}``; both keys may
  be left out, and a file of nothing but image names is read as ``images``. A bare number is mm a pixel.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from flawscope.errors import UsageError
from flawscope.types import Scale

_MM = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "cm": 10.0, "m": 1000.0, "in": 25.4}
_NUMBER = r"(?P<value>\d+(?:[.,]\d+)?(?:e[+-]?\d+)?|\.\d+)"
_UNCERTAINTY = r"(?:\s*(?:\+-|\+/-|±)\s*(?P<percent>\d+(?:\.\d+)?)\s*%)?"
_FORMS = (
    re.compile(
        rf"{_NUMBER}\s*(?P<unit>mm|um|µm|μm|cm|m|in)(?:\s*/\s*(?:px|pixel))?{_UNCERTAINTY}", re.IGNORECASE
    ),
    re.compile(
        rf"{_NUMBER}\s*(?:px|pixels?)\s*/\s*(?P<per>mm|um|µm|μm|cm|m|in){_UNCERTAINTY}", re.IGNORECASE
    ),
    re.compile(rf"{_NUMBER}\s*(?P<dpi>dpi|ppi){_UNCERTAINTY}", re.IGNORECASE),
)
_RANGE_MM = (1e-6, 1e5)
_HELP = "Expected the size of one pixel with its unit, such as 0.2mm, 200um or 5px/mm."


def parse_scale(text: str, source: str = "given") -> Scale:
    """Read a scale from text.

    Raises UsageError when the text is no positive size with a unit.

    >>> parse_scale("200um").mm_per_px
    0.2
    """
    match = next((m for form in _FORMS if (m := form.fullmatch(text.strip()))), None)
    if match is None:
        unitless = re.fullmatch(_NUMBER, text.strip(), re.IGNORECASE)
        hint = f"Did you mean {text.strip()}mm?" if unitless else _HELP
        raise UsageError(f"The scale {text!r} is not understood.\n{hint}")
    parts = match.groupdict()
    value = float(parts["value"].replace(",", "."))
    if parts.get("unit"):
        mm = value * _MM[parts["unit"].lower()]
    else:
        length = _MM[parts["per"].lower()] if parts.get("per") else _MM["in"]
        mm = length / value if value else 0.0
    return _checked(mm, float(parts["percent"] or 0) / 100, source, text)


def _checked(mm: float, u_rel: float, source: str, shown: object) -> Scale:
    low, high = _RANGE_MM
    if not math.isfinite(mm) or not low <= mm <= high:
        raise UsageError(f"The scale {shown!r} makes a pixel {mm:g} mm wide.\n{_HELP}")
    if not 0 <= u_rel < 1:
        raise UsageError(
            f"The scale {shown!r} has an uncertainty of {u_rel:g}.\nExpected 0 or more and below 1."
        )
    return Scale(mm_per_px=float(f"{mm:.12g}"), source=source, u_rel=u_rel)


@dataclass(frozen=True, slots=True)
class ScaleTable:
    """A scale for each image of a run."""

    default: Scale | None = None
    images: Mapping[str, Scale] = field(default_factory=dict)

    def for_image(self, name: str) -> Scale | None:
        """The scale of an image: by its path, by its path less suffix, by its file name, then the default.

        name: path below the input folder. None when the image has no scale.
        """
        key = self._key(name)
        return self.default if key is None else self.images[key]

    def unused(self, names: Iterable[str]) -> list[str]:
        """Names of the file that give a scale to none of these images."""
        used = {self._key(name) for name in names}
        return [key for key in self.images if key not in used]

    def _key(self, name: str) -> str | None:
        path = PurePosixPath(name.replace("\\", "/"))
        keys = (str(path), str(path.with_suffix("")) if path.name else "", path.name, path.stem)
        return next((key for key in keys if key in self.images), None)


def load_scale_file(path: str | Path) -> ScaleTable:
    """Read a scale file: CSV, JSON or TOML by its suffix (see the head of this module).

    Raises UsageError when it is missing, of another kind, malformed, or holds a value that is no scale.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".json": _read_json, ".toml": _read_toml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"The scale file {path} is no .csv, .json or .toml.\nGive one of these.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The scale file {path} cannot be read: {error}.\nGive a UTF-8 text file."
        ) from error
    default, images = reader(text, path)
    source = f"file:{path.name}"
    scales = {str(name): _entry(value, source, f"{path.name}, {name}") for name, value in images.items()}
    return ScaleTable(None if default is None else _entry(default, source, f"{path.name}, default"), scales)


def _entry(value: Any, source: str, where: str) -> Scale:
    """A scale from a number (mm a pixel), a text, or a table of ``mm_per_px`` and ``u_rel``."""
    try:
        if isinstance(value, Mapping):
            unknown = set(value) - {"mm_per_px", "u_rel"}
            if unknown or "mm_per_px" not in value:
                raise UsageError("expected the keys mm_per_px and, if known, u_rel")
            scale = _entry(value["mm_per_px"], source, where)
            return _checked(scale.mm_per_px, float(value.get("u_rel", scale.u_rel)), source, value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UsageError(f"The scale {value!r} is not understood.\n{_HELP}")
        text = str(value).strip()
        if re.fullmatch(_NUMBER, text, re.IGNORECASE):
            return _checked(float(text.replace(",", ".")), 0.0, source, value)
        return parse_scale(text, source)
    except (UsageError, ValueError, TypeError) as error:
        raise UsageError(f"{where}: {error}") from error


def _read_csv(text: str, path: Path) -> tuple[Any, dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(text))
    head = list(rows.fieldnames or ())
    if not {"image", "mm_per_px"} <= set(head):
        raise UsageError(f"The scale file {path} has the columns {sorted(head)}.\nExpected image, mm_per_px.")
    found: dict[str, Any] = {}
    for line, row in enumerate(rows, start=2):
        name = (row["image"] or "").strip()
        if name in found:
            raise UsageError(f"{path.name}, line {line}: {name} has two scales.\nKeep one of them.")
        u_rel = (row.get("u_rel") or "").strip()
        value = row["mm_per_px"] or ""
        found[name] = {"mm_per_px": value, "u_rel": u_rel} if u_rel else value
    return found.pop("*", None), found


def _read_json(text: str, path: Path) -> tuple[Any, dict[str, Any]]:
    try:
        return _split(json.loads(text), path)
    except json.JSONDecodeError as error:
        raise UsageError(f"The scale file {path} is no JSON: {error}.\nMend the file.") from error


def _read_toml(text: str, path: Path) -> tuple[Any, dict[str, Any]]:
    try:
        return _split(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The scale file {path} is no TOML: {error}.\nMend the file.") from error


def _split(table: Any, path: Path) -> tuple[Any, dict[str, Any]]:
    if not isinstance(table, dict):
        raise UsageError(
            f"The scale file {path} holds a {type(table).__name__}.\nExpected image names and their scales."
        )
    if "images" in table and isinstance(table["images"], dict):
        unknown = set(table) - {"images", "default"}
        if unknown:
            raise UsageError(f"The scale file {path} holds {sorted(unknown)}.\nExpected default and images.")
        return table.get("default"), dict(table["images"])
    images = {name: value for name, value in table.items() if name != "default"}
    return table.get("default"), images
