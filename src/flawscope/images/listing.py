"""Which images lie below the paths a user gave, and what their outputs are to be called."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flawscope.errors import UsageError
from flawscope.images.sniff import is_image_name

STATE_FOLDER = ".flawscope"
"""Where an inspection keeps its journal, in its output folder."""
MASKS_FOLDER, OVERLAYS_FOLDER, EXPLAIN_FOLDER = "masks", "overlays", "explain"
"""Where an inspection writes pictures, beside its ``run.json``; they are no images to inspect."""
_RESULT_FOLDERS = frozenset({MASKS_FOLDER, OVERLAYS_FOLDER, EXPLAIN_FOLDER})


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image to inspect, or a folder that cannot be looked into, and the names that it and its outputs go
    by."""

    path: Path
    name: str
    """Path below the input, ``/`` between parts, with its suffix (a folder's with ``/``); unique in a run."""
    stem_path: str
    """Path of the outputs below their folder, ``/`` between parts, unique; the writer adds ``.png`` etc."""


def list_images(
    paths: Sequence[str | Path], exclude: Iterable[str | Path] = ()
) -> tuple[list[InputImage], int]:
    """Find the images below files and folders, sorted, each once.

    Subfolders are mirrored in ``stem_path``. Two images of one folder with one stem keep their suffix;
    images of several given folders that would share a name get their folder's name in front. Links to folders
    are followed, each folder once. A folder that cannot be looked into is listed in place of its images, so
    that it fails like an image that cannot be read.

    Args:
        paths: files and folders. A file given by name is taken whatever its name is.
        exclude: folders to leave out, such as the output folder when it lies inside the input.

    Returns:
        The images and the number of files that were skipped because they are no images by name, or because
        an earlier inspection wrote them.

    Raises:
        UsageError: a path does not exist or cannot be looked up.
    """
    barred = {Path(folder).resolve() for folder in exclude}
    seen: set[Path] = set()
    found: list[tuple[Path, str, str]] = []
    skipped = 0
    for given in map(Path, paths):
        is_folder = _is_folder(given)
        candidates, missed = _walk(given, barred) if is_folder else ([(given, given.name)], 0)
        skipped += missed
        root_name = given.resolve().name if is_folder else given.resolve().parent.name
        for path, relative in candidates:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                found.append((path, relative, root_name))
    return _name_outputs(found), skipped


def _is_folder(given: Path) -> bool:
    try:
        if given.exists():
            return given.is_dir()
    except OSError as error:
        raise UsageError(f"{given}: cannot be looked up ({error.strerror}).\nCheck its rights.") from error
    raise UsageError(f"{given}: no such file or folder.\nExpected images or folders of images.")


def _walk(root: Path, barred: set[Path]) -> tuple[list[tuple[Path, str]], int]:
    """The images below a folder with their paths below it, and the number of files skipped."""
    images: list[tuple[Path, str]] = []
    skipped = 0
    closed: list[OSError] = []
    seen = set(barred)
    waiting = [root]  # what links lead to comes after all that lies here, and once, so that no link is a loop
    while waiting:
        for folder, subfolders, files in os.walk(waiting.pop(0), onerror=closed.append):
            here = Path(folder)
            if here.resolve() in seen:
                subfolders.clear()
                continue
            seen.add(here.resolve())
            if _holds_results(here, subfolders, files):
                skipped += sum(_count_files(here / name) for name in _RESULT_FOLDERS & {*subfolders})
                subfolders[:] = {*subfolders} - _RESULT_FOLDERS
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            waiting += [here / name for name in subfolders if os.path.islink(here / name)]  # noqa: PTH114
            for name in sorted(files):
                if is_image_name(name):
                    images.append((here / name, (here / name).relative_to(root).as_posix()))
                else:
                    skipped += 1
    for error in closed:
        closed_folder = Path(error.filename or root)
        below = root.resolve().name if closed_folder == root else closed_folder.relative_to(root).as_posix()
        images.append((closed_folder, f"{below}/"))
    return images, skipped


def _holds_results(folder: Path, subfolders: Sequence[str], files: Sequence[str]) -> bool:
    """Whether an inspection wrote into this folder."""
    if STATE_FOLDER in subfolders:
        return True
    record = folder / "run.json"
    try:
        told = json.loads(record.read_text("utf-8")) if "run.json" in files and record.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and "flawscope_version" in told


def _count_files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _name_outputs(found: list[tuple[Path, str, str]]) -> list[InputImage]:
    """Shortest names first: the bare stem, then with suffix, then below the root's name; where only case
    tells two apart, with suffix and numbered.

    The images themselves go by their path, then below the root's name, then numbered.
    """
    paths = [relative for _, relative, _ in found]
    longer = [f"{root}/{relative}" for _, relative, root in found]
    # Outputs may land on a file system that does not tell names apart by case.
    levels = [[*map(_stem, paths)], paths, [*map(_stem, longer)], longer]
    stems = _unique(levels, str.casefold, paths, _numbered_stem)
    names = _unique([paths, longer], str, longer, "{}-{}".format)
    return [InputImage(item[0], *both) for item, *both in zip(found, names, stems, strict=True)]


def _unique(
    levels: Sequence[Sequence[str]],
    key: Callable[[str], str],
    bases: Sequence[str],
    numbered: Callable[[str, int], str],
) -> list[str]:
    """For each item its name of the first level where no other item has it, else its base; the second item
    of a base and those after it are numbered.

    Names of two levels may meet, as ``a.jpg`` of a.jpg beside a.png and of a.jpg.tif: the shorter level goes
    on to its next one.
    """
    counts = [Counter(map(key, level)) for level in levels]
    ways = [  # of each item, last one first
        [name for name, count in zip(names, counts, strict=True) if count[key(name)] == 1][::-1]
        for names in zip(*levels, strict=True)
    ]
    claimed: set[str] = set()
    for way, base in zip(ways, bases, strict=True):
        if not way and key(base) not in claimed:
            claimed.add(key(base))
            way.append(base)
    while True:
        fewest: dict[str, int] = {}
        for way in filter(None, ways):
            fewest[key(way[-1])] = min(len(way), fewest.get(key(way[-1]), len(way)))
        behind = [way for way in ways if way and len(way) > fewest[key(way[-1])]]
        if not behind:
            break
        for way in behind:
            way.pop()
    chosen, taken = [""] * len(ways), set[str]()
    for index, way in enumerate(ways):
        if way and key(way[-1]) not in taken:
            chosen[index] = way[-1]
            taken.add(key(way[-1]))
    for index, base in enumerate(bases):
        if not chosen[index]:
            name, number = base, 2
            while key(name) in taken:
                name, number = numbered(base, number), number + 1
            chosen[index] = name
            taken.add(key(name))
    return chosen


def _numbered_stem(base: str, number: int) -> str:
    stem = _stem(base)
    return f"{stem}-{number}{base[len(stem) :]}"


def _stem(relative: str) -> str:
    folder, _, name = relative.rpartition("/")
    stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
    return f"{folder}/{stem}" if folder else stem
