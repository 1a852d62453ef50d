"""Which images lie below the paths a user gave, and what their outputs are to be called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flawscope.errors import UsageError
from flawscope.images.sniff import is_image_name


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image to inspect and the names that it and its outputs go by."""

    path: Path
    name: str
    """Path below the input, ``/`` between parts, with its suffix; unique in a run."""
    stem_path: str
    """Path of the outputs below their folder, ``/`` between parts, unique; the writer adds ``.png`` etc."""


def list_images(
    paths: Sequence[str | Path], exclude: Iterable[str | Path] = ()
) -> tuple[list[InputImage], int]:
    """Find the images below files and folders, sorted, each once.

    Subfolders are mirrored in ``stem_path``. Two images of one folder with one stem keep their suffix;
    images of several given folders that would share a name get their folder's name in front.

    Args:
        paths: files and folders. A file given by name is taken whatever its name is.
        exclude: folders to leave out, such as the output folder when it lies inside the input.

    Returns:
        The images and the number of files that were skipped because they are no images by name.

    Raises:
        UsageError: a path does not exist.
    """
    barred = {Path(folder).resolve() for folder in exclude}
    seen: set[Path] = set()
    found: list[tuple[Path, str, str]] = []
    skipped = 0
    for given in map(Path, paths):
        if not given.exists():
            raise UsageError(f"{given}: no such file or folder.\nExpected images or folders of images.")
        if given.is_file():
            candidates, missed = [(given, given.name)], 0
        else:
            candidates, missed = _walk(given, barred)
        skipped += missed
        root_name = given.resolve().name if given.is_dir() else given.resolve().parent.name
        for path, relative in candidates:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                found.append((path, relative, root_name))
    return _name_outputs(found), skipped


def _walk(root: Path, barred: set[Path]) -> tuple[list[tuple[Path, str]], int]:
    images: list[tuple[Path, str]] = []
    skipped = 0
    for folder, subfolders, files in os.walk(root):
        here = Path(folder)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and (here / name).resolve() not in barred
        )
        for name in sorted(files):
            if is_image_name(name):
                images.append((here / name, (here / name).relative_to(root).as_posix()))
            else:
                skipped += 1
    return images, skipped


def _name_outputs(found: list[tuple[Path, str, str]]) -> list[InputImage]:
    """Shortest names first: the bare stem, then with suffix, then below the root's name, then numbered.

    The images themselves go by their path, then below the root's name, then numbered.
    """
    paths = [relative for _, relative, _ in found]
    longer = [f"{root}/{relative}" for _, relative, root in found]
    # Outputs may land on a file system that does not tell names apart by case.
    stems = _unique([[*map(_stem, paths)], paths, [*map(_stem, longer)], longer], str.casefold)
    names = _unique([paths, longer], str)
    return [InputImage(item[0], *both) for item, *both in zip(found, names, stems, strict=True)]


def _unique(levels: Sequence[Sequence[str]], key: Callable[[str], str]) -> list[str]:
    """For each item its name of the first level where no other item has it, else of the last, numbered."""
    counts = [Counter(map(key, level)) for level in levels]
    taken: set[str] = set()
    chosen: list[str] = []
    for candidates in zip(*levels, strict=True):
        alone = (name for name, count in zip(candidates, counts, strict=True) if count[key(name)] == 1)
        name = base = next(alone, candidates[-1])
        number = 2
        while key(name) in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(key(name))
        chosen.append(name)
    return chosen


def _stem(relative: str) -> str:
    folder, _, name = relative.rpartition("/")
    stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
    return f"{folder}/{stem}" if folder else stem
