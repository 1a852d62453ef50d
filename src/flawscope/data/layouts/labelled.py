"""Classified images: ``image-folder`` (``root/class/*.jpg``) and ``csv-labels`` (``file,class``)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from flawscope.data.dataset import Dataset, ImageFile, Problem
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.layouts.pairs import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    PART_OF_FOLDER,
    files_below,
    subfolders,
)
from flawscope.data.layouts.rows import Refusals, read_header, read_rows
from flawscope.data.split_file import Split
from flawscope.errors import LayoutError
from flawscope.types import Sample

_FILE_COLUMNS = ("file", "filename", "image", "path")
_CLASS_COLUMNS = ("class", "label", "classes", "labels")
_IMAGE_ENDS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


def _class_folders(root: Path) -> list[tuple[str, Path]]:
    """(part, class folder); the part is empty where the classes lie in the root itself."""
    folders = subfolders(root)
    if folders and all(folder.name.lower() in PART_OF_FOLDER for folder in folders):
        return [(folder.name, inner) for folder in folders for inner in subfolders(folder)]
    return [("", folder) for folder in folders]


def detect_folders(root: Path) -> bool:
    """True when there are two class folders or more, one with images at least, and no images beside them."""
    if any(path.suffix.lower() in _IMAGE_ENDS for path in root.iterdir()):
        return False
    folders = [folder for _, folder in _class_folders(root)]
    with_images = {folder.name.lower() for folder in folders if any(files_below(folder))}
    # An empty folder is a class whose images are missing; one with other files may be anything.
    empty = {folder.name.lower() for folder in folders if not any(folder.iterdir())}
    # Folders of those names are meant for masks, and their pairing has failed: no class is called so.
    reserved = {*IMAGE_FOLDERS, *MASK_FOLDERS}
    return bool(with_images) and len(with_images | empty) > 1 and not (with_images | empty) & reserved


def read_folders(root: Path, options: ReadOptions) -> Dataset:
    """Read ``root/class/*`` (or ``root/train/class/*``).

    Raises:
        LayoutError: no class folder.
        DataError: a class folder without images, unless it may be skipped.
    """
    folders = _class_folders(root)
    if not folders:
        raise LayoutError(f"{root}: has no class folder.\nExpected root/CLASS/*.jpg.")
    refused = Refusals(options.skip_bad)
    found: list[tuple[str, Path, tuple[str, ...], str]] = []
    for part, folder in folders:
        images = list(files_below(folder))
        if not images:
            refused.add(str(folder), "the class folder holds no image; expected at least one", "empty-class")
        base = f"{part}/{folder.name}" if part else folder.name
        found += [(f"{base}/{name}", path, (folder.name,), part) for name, path in images]
    problems = refused.settle(root)
    return _classified(root, "image-folder", found, options, problems)


def _columns(header: Iterable[str]) -> tuple[str, str] | None:
    by_name = {name.lower(): name for name in header}
    file = next((by_name[name] for name in _FILE_COLUMNS if name in by_name), None)
    label = next((by_name[name] for name in _CLASS_COLUMNS if name in by_name), None)
    return (file, label) if file and label else None


def _table(root: Path) -> Path | None:
    candidates = [root / "labels.csv", *sorted(root.glob("*.csv"))]
    return next((path for path in candidates if path.is_file() and _columns(read_header(path))), None)


def detect_csv(root: Path) -> bool:
    """True when a table has columns for file and class; in ``labels.csv`` one of them may be missing."""
    header = {name.lower() for name in read_header(root / "labels.csv")}
    return _table(root) is not None or bool(header & {*_FILE_COLUMNS, *_CLASS_COLUMNS})


def read_csv(root: Path, options: ReadOptions) -> Dataset:
    """Read ``labels.csv``: ``file,class``; several classes of one image are separated by ``;``.

    Raises:
        LayoutError: no such table.
        DataError: rows that cannot be used, unless they may be skipped.
    """
    table = _table(root) or root / "labels.csv"
    columns = _columns(read_header(table)) or ("file", "class")
    refused = Refusals(options.skip_bad)
    labels: dict[Path, tuple[str, ...]] = {}
    first: dict[Path, str] = {}
    for row in read_rows(table, columns, refused):
        given, words = row.cells[columns[0]], row.cells[columns[1]]
        classes = tuple(word.strip() for word in words.split(";") if word.strip())
        path = root / given.replace("\\", "/")
        inside = not Path(given).is_absolute() and ".." not in Path(given).parts
        if not given or not inside or not path.is_file():
            refused.add(f"{table}, {row.where}", f"there is no file '{given}' in the data set", "no-image")
        elif not classes:
            refused.add(f"{table}, {row.where}", "names no class")
        elif path in labels:
            refused.add(f"{table}, {row.where}", f"repeats the file of {first[path]}")
        else:
            labels[path], first[path] = classes, row.where
    problems = refused.settle(root)
    if not labels:
        raise LayoutError(f"{table}: no row can be used.\nExpected file,class with files in {root}.")
    base = _image_root(root, labels)
    found = [
        (path.relative_to(base).with_suffix("").as_posix(), path, classes, "")
        for path, classes in labels.items()
    ]
    return _classified(root, "csv-labels", found, options, [*problems, *_unlabelled(base, labels)])


def _image_root(root: Path, files: Iterable[Path]) -> Path:
    """The folder of images that all files lie in, by its name; else what their paths share."""
    shared = Path(os.path.commonpath([path.parent for path in files]))
    first = shared.relative_to(root).parts[:1]
    return root / first[0] if first and first[0].lower() in IMAGE_FOLDERS else shared


def _unlabelled(base: Path, labels: Mapping[Path, object]) -> list[Problem]:
    lost = [path for _, path in files_below(base) if path not in labels]
    if not lost:
        return []
    return [
        Problem("no-label", str(base), f"{len(lost)} images without a label; left out, e.g. {lost[0].name}")
    ]


def _classified(
    root: Path,
    layout: str,
    found: Sequence[tuple[str, Path, tuple[str, ...], str]],
    options: ReadOptions,
    problems: Sequence[Problem],
) -> Dataset:
    """Samples (name, file, class names, part) as a data set; ids from 0, declared classes first."""
    declared = [entry.name for entry in options.description.classes]
    seen = {label for _, _, labels, _ in found for label in labels}
    names = [*declared, *sorted(seen - set(declared))]
    ids = {name: number for number, name in enumerate(names)}
    source = options.description.source or root.resolve().name
    count = Counter(name for name, _, _, _ in found)
    samples = []
    parts: dict[str, list[str]] = {}
    for stem, path, labels, part in found:
        name = stem + path.suffix if count[stem] > 1 else stem
        numbers = tuple(sorted({ids[label] for label in labels}))
        samples.append(Sample(name, ImageFile(str(path)), None, numbers, source, "", str(path)))
        parts.setdefault(PART_OF_FOLDER.get(part.lower(), ""), []).append(name)
    split = Split(parts={part: tuple(own) for part, own in parts.items()}) if len(parts) > 1 else None
    classes = described_classes(options.description, dict(enumerate(names)), "image")
    several = any(len(labels) > 1 for _, _, labels, _ in found)
    return Dataset(
        root, layout, classes, "classification", tuple(samples), split, tuple(problems), True, several
    )
