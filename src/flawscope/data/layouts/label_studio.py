"""Layout ``label-studio``: a JSON export of Label Studio beside ``images/``.

A list of tasks with brush labels (run lengths), polygon labels and rectangle labels, as JSON or JSON-MIN.
Images are found by the path that a task names, or by its file name alone: exports carry prefixes of the
server's storage. Of a task with several annotations the first that was not cancelled counts; a task without
any was not looked at by anyone, so its image is left out. A clean image has an annotation without results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.json_files import both_ends, read_json
from flawscope.data.layouts.pairs import images_by_path
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, box_ring, build, ring_problem, turned
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import is_image_name, read_size

_LABEL_KEYS = ("brushlabels", "polygonlabels", "rectanglelabels")
_GEOMETRY = ("rle", "points", "height")
"""One of these is in every drawn value that is read; labels of plain ``Labels`` stand beside texts too."""
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def _file(root: Path) -> Path | None:
    return next((path for path in sorted(root.glob("*.json")) if _looks_right(path)), None)


def _looks_right(path: Path) -> bool:
    ends = both_ends(path)
    is_list = ends.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return is_list and ((b'"annotations"' in ends and b'"data"' in ends) or b'"annotation_id"' in ends)


def detect(root: Path) -> bool:
    """True when a JSON file in the root is a list of tasks with data and annotations."""
    return _file(root) is not None


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no such file, or one that is no list of tasks.
        DataError: tasks that cannot be used, unless they may be skipped.
    """
    path = _file(root)
    if path is None:
        raise LayoutError(f"{root}: is no label-studio set.\nExpected a JSON export (a list of tasks).")
    tasks = _tasks(read_json(path))
    images = images_by_path(root)
    refused = Refusals(options.skip_bad)
    names = [entry.name for entry in options.description.classes]
    found: list[Annotated] = []
    taken: set[Path] = set()
    for number, task in tasks:
        where = f"{path.name}, task {number}"
        image, size_hw = _image(task, images, where, refused)
        if image is None or size_hw is None:
            continue
        if image in taken:
            refused.add(where, f"repeats the image {image.name}")
            continue
        taken.add(image)
        results = _results(task)
        if results is None:
            refused.note(where, f"has no annotation of {image.name}; left out", "no-label")
            continue
        shapes = tuple(_shapes(results, size_hw, names, where, refused))
        found.append(Annotated(_name(root, image), image, shapes, str(path)))
    refused.note_unlisted(path, taken)
    problems = refused.settle(root)
    if not found:
        raise LayoutError(
            f"{path}: no task can be used.\nExpected tasks with an annotation, whose images lie in images/."
        )
    return build(root, "label-studio", found, dict(enumerate(names, 1)), options, problems)


def _tasks(listed: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Tasks with their number, from 1. JSON-MIN lists annotations: of each task the first counts."""
    seen = set[str]()
    for number, item in enumerate(listed, 1):
        if not isinstance(item, Mapping) or "annotation_id" not in item or "annotations" in item:
            yield number, item
            continue
        key = str(item.get("id", f"task {number}"))
        if key not in seen:
            drawn = [value for values in item.values() if isinstance(values, list) for value in values]
            data = {name: value for name, value in item.items() if isinstance(value, str)}
            results = [{**value, "value": value} for value in drawn if isinstance(value, Mapping)]
            yield number, {"data": data, "annotations": [{"result": results}]}
        seen.add(key)


def _name(root: Path, image: Path) -> str:
    return image.relative_to(root).with_suffix("").as_posix().removeprefix("images/")


def _image(
    task: object, images: Mapping[str, Path], where: str, refused: Refusals
) -> tuple[Path | None, tuple[int, int] | None]:
    data = task.get("data") if isinstance(task, Mapping) else None
    values = data.values() if isinstance(data, Mapping) else ()
    # Other fields of a task (who inspected, which wall) may stand before the image.
    stated = sorted(
        (value for value in values if isinstance(value, str) and value),
        key=lambda value: not is_image_name(_path(value)),
    )
    if not stated:
        refused.add(where, "names no image; expected data with its path")
        return None, None
    path = _path(stated[0])
    own = Path(path).name
    found = (stated[0], path, path.removeprefix("data/upload/"), own, _UPLOAD_PREFIX.sub("", own))
    image = next((images[name] for name in found if name in images), None)
    if image is None:
        refused.add(where, f"there is no image '{path}'; expected it in images/", "no-image")
        return None, None
    try:
        return image, read_size(image)
    except ImageError as error:
        refused.add(where, str(error).splitlines()[0], "image")
        return None, None


def _path(stated: str) -> str:
    """The path of an image in what a task says of it: a path, or an address of the server."""
    parts = urlsplit(stated)
    return unquote(parse_qs(parts.query).get("d", [parts.path])[0]).lstrip("/")


def _results(task: Mapping[str, Any]) -> Sequence[Any] | None:
    """What the annotation that counts holds; None where there is none."""
    given = task.get("annotations")
    annotations = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    standing = next((one for one in annotations if not one.get("was_cancelled")), None)
    if standing is None:
        return None
    results = standing.get("result")
    return results if isinstance(results, list) else ()


def _shapes(
    results: Sequence[Any], size_hw: tuple[int, int], names: list[str], where: str, refused: Refusals
) -> Iterator[Shape]:
    for number, result in enumerate(results, 1):
        place = f"{where}, result {number}"
        value = result.get("value", {}) if isinstance(result, Mapping) else None
        if not isinstance(value, Mapping):
            refused.add(place, "is no object; expected a value with labels")
            continue
        keys = (*_LABEL_KEYS, "labels") if any(key in value for key in _GEOMETRY) else _LABEL_KEYS
        labels = next((value[key] for key in keys if isinstance(value.get(key), list) and value[key]), None)
        if labels is None:
            if any(key.endswith("labels") for key in value):
                refused.note(place, "is left out; brush, polygon and rectangle labels are read")
            continue  # choices, texts and relations draw nothing
        other = _other_picture(result, size_hw)
        if other:
            refused.add(place, other)
            continue
        for name in dict.fromkeys(map(str, labels)):
            if name not in names:
                names.append(name)
            problem, shape = _shape(value, names.index(name) + 1, size_hw, place)
            if shape is None:
                refused.add("" if problem.startswith(place) else place, problem)
                break
            yield shape


def _other_picture(result: Mapping[str, Any], size_hw: tuple[int, int]) -> str:
    """What is wrong where a region was drawn on a turned picture, or on one of other proportions."""
    turn = result.get("image_rotation") or 0
    if turn:
        return f"was drawn on the picture turned by {turn} degrees; turn it back there and export again"
    height, width = (result.get(f"original_{side}") for side in ("height", "width"))
    if not isinstance(height, int | float) or not isinstance(width, int | float):
        return ""
    # A smaller copy has the proportions of its original but for the rounding of its sides.
    if abs(width * size_hw[0] - height * size_hw[1]) > max(width, height, *size_hw):
        return f"was drawn on {width} x {height} px, but the image has {size_hw[1]} x {size_hw[0]}"
    return ""


def _shape(
    value: Mapping[str, Any], class_id: int, size_hw: tuple[int, int], where: str
) -> tuple[str, Shape | None]:
    """The object of a result, or what is wrong with it. Coordinates are percent of the image's sides."""
    if "rle" in value:
        try:
            decode_rle(value["rle"], size_hw, "label-studio", where)
        except DataError as error:
            return str(error), None
        return "", Shape(class_id, rle=value["rle"], where=where, dialect="label-studio")
    ring = _ring(value, size_hw)
    problem = ring_problem(ring, size_hw)
    if problem:
        return problem, None
    return "", Shape(class_id, (tuple(float(number) for number in ring),), where=where)


def _ring(value: Mapping[str, Any], size_hw: tuple[int, int]) -> Sequence[Any]:
    """The polygon in px; what is no polygon comes out so short that it is refused."""
    scale_x, scale_y = size_hw[1] / 100, size_hw[0] / 100
    try:
        if "points" in value:
            return [number for x, y in value["points"] for number in (float(x) * scale_x, float(y) * scale_y)]
        x, y = float(value["x"]) * scale_x, float(value["y"]) * scale_y
        box = box_ring(x, y, x + float(value["width"]) * scale_x, y + float(value["height"]) * scale_y)
        return turned(box, (x, y), float(value.get("rotation") or 0))
    except (KeyError, TypeError, ValueError):
        return []
