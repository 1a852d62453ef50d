"""Layout ``coco``: instances in JSON files, as polygons or run lengths (compressed or not).

``annotations/*.json`` or ``*.json`` in the root; images in ``images/``, in a folder of the JSON file's part
(``train2017``), or beside the JSON file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import PART_OF_FOLDER, files_below
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, build, crosses_itself
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import read_size

_KEYS = ("images", "annotations", "categories")
_PEEK_BYTES = 1 << 16


def _files(root: Path) -> list[Path]:
    found = [*sorted(root.glob("annotations/*.json")), *sorted(root.glob("*.json"))]
    return [path for path in found if path.name != "split.json" and _looks_right(path)]


def _looks_right(path: Path) -> bool:
    """The keys may stand anywhere in a large file, so that a small part of it may show only some."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PEEK_BYTES)
            stream.seek(max(0, path.stat().st_size - _PEEK_BYTES))
            tail = stream.read()
    except OSError:
        return False
    return sum(f'"{key}"'.encode() in head + tail for key in _KEYS) >= 2 and b'"file_name"' in head + tail


def detect(root: Path) -> bool:
    """True when a JSON file holds images, annotations and categories."""
    return bool(_files(root))


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no such JSON file, or one without the keys.
        DataError: entries that cannot be used, unless they may be skipped.
    """
    files = _files(root)
    if not files:
        raise LayoutError(f"{root}: is no coco set.\nExpected a JSON file with {', '.join(_KEYS)}.")
    contents = [(path, _load(path)) for path in files]
    every = (item for _, content in contents for item in content["categories"])
    # The files name the classes; only where dataset.toml numbers them does it settle their order.
    numbered = [entry.name for entry in options.description.classes if entry.id is not None]
    names = list(dict.fromkeys([*numbered, *(str(item.get("name", "")) for item in every)]))
    ids = {name: number for number, name in enumerate(names, 1)}
    refused = Refusals(options.skip_bad)
    found: list[Annotated] = []
    taken: dict[Path, str] = {}
    for path, content in contents:
        part = _part(path) if len(contents) > 1 else ""
        found += _read_file(root, path, content, ids, part, refused, taken)
    problems = refused.settle(root)
    if not found:
        raise LayoutError(
            f"{root}: no image of {files[0].name} can be used.\nExpected the images in images/."
        )
    return build(root, "coco", found, {number: name for name, number in ids.items()}, options, problems)


def _load(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path}: cannot be read as JSON ({error}).") from error
    for key in _KEYS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise LayoutError(f"{path}: has no list '{key}'.\nExpected {', '.join(_KEYS)}.")
        strange = next((number for number, item in enumerate(content[key]) if not _is_entry(item)), None)
        if strange is not None:
            raise LayoutError(
                f"{path}: {key}[{strange}] is no object with plain ids.\n"
                'Expected {"id": 1, ...} as COCO has it; correct or remove it.'
            )
    return content


def _is_entry(item: object) -> bool:
    return isinstance(item, Mapping) and not any(
        isinstance(item.get(key), list | dict) for key in ("id", "image_id", "category_id")
    )


def _part(path: Path) -> str:
    words = path.stem.lower().replace("-", "_").rstrip("0123456789").split("_")
    return next((PART_OF_FOLDER[word] for word in words if word in PART_OF_FOLDER), "")


def _folders(root: Path, path: Path) -> list[Path]:
    """Folders that the images of a JSON file may lie in, the nearest first."""
    end = path.stem.rpartition("_")[2]
    return [root / "images" / end, root / end, root / "images", path.parent, root]


def _find_images(root: Path, path: Path) -> dict[str, Path]:
    """Image files by their path below each folder that may be meant; the nearest folder comes first."""
    found: dict[str, Path] = {}
    for folder in _folders(root, path):
        if folder.is_dir():
            for _, image in files_below(folder):
                found.setdefault(image.relative_to(folder).as_posix(), image)
    return found


def _read_images(
    root: Path, path: Path, content: Mapping[str, Any], refused: Refusals, taken: dict[Path, str]
) -> dict[Any, tuple[Path, tuple[int, int]]]:
    """Image id -> file and size; ``taken`` holds where each file was named, in other JSON files too."""
    images = _find_images(root, path)
    known: dict[Any, tuple[Path, tuple[int, int]]] = {}
    for number, item in enumerate(content["images"]):
        where = f"{path.name}, images[{number}]"
        file = str(item.get("file_name", "")).replace("\\", "/")
        image = images.get(file) or images.get(file.rpartition("/")[2])
        if image is None:
            refused.add(where, f"there is no image '{file}'; expected it in images/", "no-image")
        elif item.get("id") in known:
            refused.add(where, f"repeats the id {item.get('id')}")
        elif image in taken:
            # Two samples of one photograph would each have half of its truth, and leak across a split.
            refused.add(where, f"repeats the image '{file}' of {taken[image]}; expected each image once")
        else:
            size = (_whole(item.get("height")), _whole(item.get("width")))
            size_hw = _checked_size(image, size, where, refused)
            if size_hw:
                known[item.get("id")] = (image, size_hw)
                taken[image] = where
    return known


def _read_file(
    root: Path,
    path: Path,
    content: Mapping[str, Any],
    ids: Mapping[str, int],
    part: str,
    refused: Refusals,
    taken: dict[Path, str],
) -> list[Annotated]:
    known = _read_images(root, path, content, refused, taken)
    categories = {item.get("id"): ids[str(item.get("name", ""))] for item in content["categories"]}
    shapes: dict[Any, list[Shape]] = {key: [] for key in known}
    listed = {item.get("id") for item in content["images"]}
    for number, item in enumerate(content["annotations"]):
        where = f"{path.name}, annotations[{number}]"
        if item.get("image_id") not in listed:
            refused.add(where, f"belongs to the image {item.get('image_id')}, which is not listed")
        elif item.get("category_id") not in categories:
            known_ids = ", ".join(str(key) for key in categories)
            refused.add(where, f"has the unknown category {item.get('category_id')}; expected {known_ids}")
        elif item.get("image_id") in known:
            size_hw = known[item["image_id"]][1]
            problem, shape = _shape(item, categories[item["category_id"]], size_hw, where)
            if shape is None:
                refused.add(where if problem and not problem.startswith(where) else "", problem)
            else:
                shapes[item["image_id"]].append(shape)
    refused.note_unlisted(path, {image for image, _ in known.values()})
    folders = _folders(root, path)
    return [
        Annotated(_name(image, folders), image, tuple(shapes[key]), str(path), part)
        for key, (image, _) in known.items()
    ]


def _name(image: Path, folders: Sequence[Path]) -> str:
    """The path below the nearest of the folders, less the suffix."""
    folder = next(folder for folder in folders if folder in image.parents)
    return image.relative_to(folder).with_suffix("").as_posix()


def _whole(value: Any) -> Any:
    """A side in px, 0 where it is not stated; what is no number stays, and no file has that size."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return value


def _checked_size(
    image: Path, stated_hw: tuple[Any, Any], where: str, refused: Refusals
) -> tuple[int, int] | None:
    """The size of an image file, where it is the stated one (0: not stated)."""
    try:
        size_hw = read_size(image)
    except ImageError as error:
        refused.add(where, str(error).splitlines()[0], "image")
        return None
    if 0 not in stated_hw and stated_hw != size_hw:
        stated, real = (f"{size[1]} x {size[0]}" for size in (stated_hw, size_hw))
        refused.add(where, f"says {stated} px, but {image.name} has {real}")
        return None
    return size_hw


def _shape(
    item: Mapping[str, Any], class_id: int, size_hw: tuple[int, int], where: str
) -> tuple[str, Shape | None]:
    """The object of an annotation, or what is wrong with it."""
    drawn = item.get("segmentation")
    if isinstance(drawn, Mapping):
        try:
            decode_rle(drawn, size_hw, "coco", where)
        except DataError as error:
            return str(error), None
        return "", Shape(class_id, rle=dict(drawn), where=where)
    if not isinstance(drawn, list) or not drawn:
        return "has no segmentation; expected polygons or run lengths", None
    for ring in drawn:
        problem = ring_problem(ring)
        if problem:
            return problem, None
    return "", Shape(class_id, tuple(tuple(float(value) for value in ring) for ring in drawn), where=where)


def ring_problem(ring: object) -> str:
    """What is wrong with a polygon x1, y1, x2, y2, ...; empty when nothing."""
    if not isinstance(ring, Sequence) or len(ring) < 6 or len(ring) % 2:
        return "holds a polygon that is no list of three points (x, y) or more"
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in ring):
        return "holds a polygon with a coordinate that is no number"
    if crosses_itself(ring):
        return "holds a polygon that crosses itself; expected sides that do not cross"
    return ""
