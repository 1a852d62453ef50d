"""Layout ``yolo``: ``images/*.jpg`` and ``labels/*.txt`` (or with parts: ``images/train``, ``labels/train``).

A row of a text file is ``class x1 y1 x2 y2 x3 y3 ...`` (polygon) or ``class x y w h`` (box about its centre),
all in 0..1 of the image's sides. An image without a text file is clean. Class names stand in ``data.yaml`` or
``classes.txt``; parts that no folder names are those of ``data.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import PART_OF_FOLDER, FolderPair, files_below, subfolders
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, box_ring, build, ring_problem
from flawscope.data.layouts.yolo_yaml import names_in, parts_in, read_yaml
from flawscope.errors import LayoutError

_BOX_CELLS = 5
_TOLERANCE = 1e-3
"""Rounding lets coordinates stand this far outside 0..1."""


def _folders(root: Path) -> list[FolderPair]:
    pairs = [FolderPair(root / "images", root / "labels")]
    pairs += [FolderPair(folder / "images", folder / "labels", folder.name) for folder in subfolders(root)]
    return [pair for pair in pairs if pair.images.is_dir() and pair.masks.is_dir()]


def detect(root: Path) -> bool:
    """True when there are images and text files of numbers in ``images`` and ``labels``."""
    for pair in _folders(root):
        first = next((path for path in _label_files(pair.masks) if path.stat().st_size), None)
        if first is not None:
            words = first.read_text(encoding="utf-8-sig", errors="replace").lstrip().split("\n")[0].split()
            return len(words) >= _BOX_CELLS and all(_number(word) is not None for word in words)
    return False


def _label_files(folder: Path) -> Iterator[Path]:
    """The text files of images, sorted: no class names, no hidden ones (``._1.txt`` of a Mac's archive)."""
    for path in sorted(folder.rglob("*.txt")):
        hidden = any(word.startswith(".") for word in path.relative_to(folder).parts)
        if path.name != "classes.txt" and not hidden:
            yield path


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no images with text files.
        DataError: rows that cannot be used, unless they may be skipped.
    """
    refused = Refusals(options.skip_bad)
    told = read_yaml(root)
    own_names = _listed_names(root) or (names_in(*told) if told else [])
    names = [entry.name for entry in options.description.classes] or own_names
    found: list[Annotated] = []
    used: set[Path] = set()
    top = len(names)
    for pair in _folders(root):
        for stem, image in files_below(pair.images):
            file = pair.masks / f"{stem}.txt"
            shapes: tuple[Shape, ...] = ()
            if file.is_file():
                used.add(file)
                shapes = _read_rows(file, len(names), refused)
                top = max([top, *(shape.class_id for shape in shapes)])
            first, slash, rest = stem.partition("/")
            inner = bool(slash) and first.lower() in PART_OF_FOLDER
            part = PART_OF_FOLDER.get((first if inner else pair.part).lower(), "")
            found.append(Annotated(rest if inner else stem, image, shapes, str(file), part))
        for file in _label_files(pair.masks):
            if file not in used:
                refused.add(str(file), "has no image", "no-image")
    if told:
        part_of = parts_in(root, told[1], [item.image for item in found], refused)
        found = [replace(item, part=item.part or part_of.get(item.image, "")) for item in found]
    problems = refused.settle(root)
    if not found:
        raise LayoutError(f"{root}: is no yolo set.\nExpected images/*.jpg and labels/*.txt.")
    classes = {
        number: names[number - 1] if number <= len(names) else f"class-{number}"
        for number in range(1, top + 1)
    }
    return build(root, "yolo", found, classes or {1: "class-1"}, options, problems)


def _read_rows(file: Path, known: int, refused: Refusals) -> tuple[Shape, ...]:
    shapes = []
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        problem, shape = _row(words, known, f"{file}, row {number}")
        if shape is None:
            refused.add(f"{file}, row {number}", problem)
        else:
            shapes.append(shape)
    return tuple(shapes)


def _row(words: list[str], known: int, where: str) -> tuple[str, Shape | None]:
    numbers = [_number(word) for word in words]
    if not words[0].isdecimal():
        return f"'{words[0]}' is no class number", None
    class_id = int(words[0]) + 1
    if (known and class_id > known) or class_id > 254:
        return f"the class number {words[0]} is not among the {known} classes that are named", None
    values = [value for value in numbers[1:] if value is not None]
    if len(values) < len(numbers) - 1:
        return "a coordinate is no number", None
    if any(not -_TOLERANCE <= value <= 1 + _TOLERANCE for value in values):
        return "a coordinate lies outside 0..1", None
    if len(words) == _BOX_CELLS:
        x, y, w, h = values
        ring = box_ring(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    else:
        ring = tuple(values)
        problem = ring_problem(ring)
        if problem:
            return problem, None
    return "", Shape(class_id, (ring,), relative=True, where=where)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _listed_names(root: Path) -> list[str]:
    """Class names of ``classes.txt``, one a line; none where there is no such file."""
    for file in (root / "classes.txt", root / "labels" / "classes.txt"):
        if file.is_file():
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
    return []
