"""``data.yaml`` of YOLO sets: the names of the classes, and which images belong to which part."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from flawscope.data.layouts.rows import Refusals
from flawscope.errors import LayoutError
from flawscope.types import IGNORE_INDEX

_PART_OF_KEY = {"train": "train", "val": "val", "validation": "val", "test": "test"}

_MOST_DIGITS = 9


def read_yaml(root: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The first YAML file in the root that names classes, and its content: text, lists and mappings of it.

    Every word stays as it stands there; to YAML ``no`` would be false and ``0x1f`` a number.

    Raises:
        LayoutError: a file that names classes is no YAML.
    """
    for file in (root / "data.yaml", *sorted(root.glob("*.yaml")), *sorted(root.glob("*.yml"))):
        if not file.is_file() or file.name.startswith("."):
            continue
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        if "names" not in text:
            continue
        try:
            # Makes nothing but text, lists and dictionaries, whatever the file asks for.
            content = yaml.load(text, Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError) as error:
            said = " ".join(str(error).split())
            raise LayoutError(f"{file}: cannot be read as YAML ({said}).\nCorrect or remove it.") from error
        if isinstance(content, dict) and isinstance(content.get("names"), list | dict) and content["names"]:
            return file, content
    return None


def names_in(file: Path, content: Mapping[str, Any]) -> list[str]:
    """Class names, a list or a mapping from numbers; ``class-N`` for numbers without one.

    Raises:
        LayoutError: a name is no text, or its number is none or beyond what a mask holds.
    """
    given = content["names"]
    numbered = given if isinstance(given, dict) else dict(enumerate(given))
    names: dict[int, str] = {}
    for key, name in numbered.items():
        if not str(key).isdecimal() or len(str(key)) > _MOST_DIGITS:
            raise LayoutError(f"{file}: names the class '{key}'.\nExpected numbers from 0.")
        if not isinstance(name, str) or not name:
            raise LayoutError(
                f"{file}: the name of class {key} is no text.\n"
                "Expected one name a class; put quotes around marks such as ':'."
            )
        names[int(key)] = name
    if max(names, default=0) >= IGNORE_INDEX - 1:
        raise LayoutError(f"{file}: names the class {max(names)}.\nExpected 0 to {IGNORE_INDEX - 2}.")
    return [names.get(number, f"class-{number + 1}") for number in range(max(names, default=-1) + 1)]


def parts_in(
    root: Path, content: Mapping[str, Any], images: Sequence[Path], refused: Refusals
) -> dict[Path, str]:
    """Image -> part, as ``train``, ``val`` and ``test`` say: folders or text files that list images.

    Images that two parts claim are of none: trainers want a ``val`` even where there is only one folder.
    """
    by_path = {image.relative_to(root).as_posix(): image for image in images}
    count = Counter(image.name for image in images)
    by_path |= {image.name: image for image in images if count[image.name] == 1}
    claims: dict[Path, set[str]] = {}
    for key, part in _PART_OF_KEY.items():
        given = content.get(key)
        for entry in given if isinstance(given, list) else [given]:
            if isinstance(entry, str) and entry:
                base = str(content.get("path") or "")
                for image in _images_of(root, base, entry, by_path, refused):
                    claims.setdefault(image, set()).add(part)
    return {image: next(iter(parts)) for image, parts in claims.items() if len(parts) == 1}


def _images_of(
    root: Path, base: str, entry: str, by_path: Mapping[str, Path], refused: Refusals
) -> Iterator[Path]:
    """The images that an entry means: those below a folder, or those that a text file lists by path."""
    # The path is mostly that of another machine; an entry may begin with ../ where the root is meant.
    stated = entry.replace("\\", "/")
    places = [posixpath.normpath(posixpath.join(here, stated)) for here in (base, ".")]
    places += [posixpath.normpath(stated.removeprefix("../"))]
    lists = [root / place for place in places if place.endswith(".txt") and (root / place).is_file()]
    if not lists:
        for path, image in by_path.items():
            if any(place == "." or path.startswith(f"{place}/") for place in places):
                yield image
        return
    lines = lists[0].read_text(encoding="utf-8-sig", errors="replace").splitlines()
    stated_paths = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    lost = []
    for path in stated_paths:
        words = [word for word in path.split("/") if word not in ("", ".")]
        tails = ("/".join(words[start:]) for start in range(len(words)))
        found = next((by_path[tail] for tail in tails if tail in by_path), None)
        if found is None:
            lost.append(path)
        else:
            yield found
    if lost:
        refused.note(str(lists[0]), f"lists {len(lost)} images that are not here, e.g. {lost[0]}", "no-image")
