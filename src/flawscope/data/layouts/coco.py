"""Layout ``coco``: instances in JSON files, as polygons or run lengths (compressed or not).

``annotations/*.json`` or ``*.json`` in the root, or else ``*.json`` in folders of parts (``train/``, as
Roboflow writes them); images in ``images/``, in a folder of the JSON file's part (``train2017``), or beside
the JSON file.

What is marked ``iscrowd`` counts as a mark of its class: CVAT says so of every brushed mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.json_files import both_ends, read_json
from flawscope.data.layouts.pairs import PART_OF_FOLDER, files_below, subfolders
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, build, ring_problem
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import read_size

_KEYS = ("images", "annotations", "categories")


def _files(root: Path) -> list[Path]:
    found = [*sorted(root.glob("annotations/*.json")), *sorted(root.glob("*.json"))]
    parts = [folder for folder in subfolders(root) if folder.name.lower() in PART_OF_FOLDER]
    inner = [path for folder in parts for path in sorted(folder.glob("*.json"))]
    good = [path for path in found if path.name != "split.json" and _looks_right(path)]
    return good or [path for path in inner if _looks_right(path)]


def _looks_right(path: Path) -> bool:
    """A small part of a large file may show only some of its keys."""
    ends = both_ends(path)
    return sum(f'"{key}"'.encode() in ends for key in _KEYS) >= 2 and b'"file_name"' in ends


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
    refused = Refusals(options.skip_bad)
    _leave_out_groups(contents, refused)
    every = (item for _, content in contents for item in content["categories"])
    # The files name the classes; only where dataset.toml numbers them does it settle their order.
    numbered = [entry.name for entry in options.description.classes if entry.id is not None]
    names = list(dict.fromkeys([*numbered, *(str(item["name"]) for item in every)]))
    ids = {name: number for number, name in enumerate(names, 1)}
    found: list[Annotated] = []
    taken: dict[Path, str] = {}
    for path, content in contents:
        part = _part(root, path) if len(contents) > 1 else ""
        found += _read_file(root, path, content, ids, part, refused, taken)
    problems = refused.settle(root)
    if not found:
        raise LayoutError(
            f"{root}: no image of {files[0].name} can be used.\nExpected the images in images/."
        )
    return build(root, "coco", found, {number: name for name, number in ids.items()}, options, problems)


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path)
    for key in _KEYS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise LayoutError(f"{path}: has no list '{key}'.\nExpected {', '.join(_KEYS)}.")
        strange = next((number for number, item in enumerate(content[key]) if not _is_entry(item)), None)
        if strange is not None:
            raise LayoutError(
                f"{path}: {key}[{strange}] is no object with plain ids.\n"
                'Expected {"id": 1, ...} as COCO has it; correct or remove it.'
            )
    names: dict[Any, str] = {}
    for number, item in enumerate(content["categories"]):
        name, twin = str(item.get("name") or ""), names.get(item.get("id"))
        if not name or (twin is not None and twin != name):
            wrong = f"has the id {item.get('id')} of '{twin}'" if name else "has no name"
            raise LayoutError(
                f"{path}: categories[{number}] {wrong}.\n"
                'Expected {"id": 1, "name": "crack"}, each id once; correct it.'
            )
        names[item.get("id")] = name
    return content


def _is_entry(item: object) -> bool:
    return isinstance(item, Mapping) and not any(
        isinstance(item.get(key), list | dict) for key in ("id", "image_id", "category_id")
    )


def _leave_out_groups(contents: Sequence[tuple[Path, dict[str, Any]]], refused: Refusals) -> None:
    """Take out the category 0 that Roboflow puts before the classes: the project, which no object is."""
    used = {item.get("category_id") for _, content in contents for item in content["annotations"]}
    for path, content in contents:
        first, *others = content["categories"] or [{}]
        groups_all = bool(others) and all(item.get("supercategory") == first["name"] for item in others)
        if groups_all and first.get("id") == 0 and first.get("supercategory") == "none" and 0 not in used:
            content["categories"] = others
            refused.note(str(path), f"the category '{first['name']}' groups the others; left out")


def _part(root: Path, path: Path) -> str:
    words = path.stem.lower().replace("-", "_").rstrip("0123456789").split("_")
    own = path.parent.name.lower() if path.parent != root else ""
    return next((PART_OF_FOLDER[word] for word in (*words, own) if word in PART_OF_FOLDER), "")


def _folders(root: Path, path: Path) -> list[Path]:
    """Folders that the images of a JSON file may lie in, the nearest first."""
    beside = [] if path.parent.name == "annotations" else [path.parent / "images", path.parent]
    ends = (path.stem.removeprefix("instances_"), path.stem.rpartition("_")[2])
    subsets = [folder / end for end in ends for folder in (root / "images", root)]
    return [*(beside if path.parent != root else []), *subsets, root / "images", path.parent, root]


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
    categories = {item.get("id"): ids[str(item["name"])] for item in content["categories"]}
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
    crowds = sum(bool(item.get("iscrowd")) for item in content["annotations"])
    if crowds:
        text = f"{crowds} annotations are marked iscrowd; they count as marks of their class"
        refused.note(str(path), text)
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
        problem = ring_problem(ring, size_hw)
        if problem:
            return problem, None
    return "", Shape(class_id, tuple(tuple(float(value) for value in ring) for ring in drawn), where=where)
