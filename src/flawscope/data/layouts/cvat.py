"""Layout ``cvat``: ``annotations.xml`` of "CVAT for images 1.1" beside ``images/``.

Masks (run lengths inside their box), polygons and boxes; what has no label of the file's list is refused.
Images of a project lie in a folder of their subset (``images/train/``), which is a part of the split where it
is named like one.
The file may not declare entities: none is needed, and some are made to exhaust memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import PART_OF_FOLDER, images_by_path
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, box_ring, build, ring_problem, turned
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import read_size

_PEEK_BYTES = 1 << 14


def _file(root: Path) -> Path | None:
    return next((path for path in sorted(root.glob("*.xml")) if _looks_right(path)), None)


def _looks_right(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return b"<annotations" in stream.read(_PEEK_BYTES)
    except OSError:
        return False


def detect(root: Path) -> bool:
    """True when an XML file in the root begins with ``<annotations>``."""
    return _file(root) is not None


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no such file, or one that cannot be read.
        DataError: entries that cannot be used, unless they may be skipped.
    """
    path = _file(root)
    if path is None:
        raise LayoutError(f"{root}: is no cvat set.\nExpected annotations.xml (CVAT for images 1.1).")
    tree = _parse(path)
    names = [entry.name for entry in options.description.classes]
    listed = [(label.text or "").strip() for label in tree.iterfind("meta//labels/label/name")]
    names += [name for name in listed if name and name not in names]
    images = images_by_path(root)
    refused = Refusals(options.skip_bad)
    found: list[Annotated] = []
    taken: set[Path] = set()
    for element in tree.iterfind("image"):
        stated, subset = element.get("name", ""), element.get("subset", "")
        where = f"{path.name}, image '{stated}'"
        names_of_it = (f"images/{subset}/{stated}", f"images/{stated}", stated, Path(stated).name)
        image = next((images[name] for name in names_of_it if name in images), None)
        if image is None:
            refused.add(where, "there is no such file; expected it in images/", "no-image")
        elif image in taken:
            refused.add(where, "is listed twice")
        else:
            taken.add(image)
            _read_image(root, path, element, image, names, refused, found)
    refused.note_unlisted(path, taken)
    problems = refused.settle(root)
    if not found:
        raise LayoutError(f"{path}: no image can be used.\nExpected <image name=...> with files in images/.")
    return build(root, "cvat", found, dict(enumerate(names, 1)), options, problems)


def _parse(path: Path) -> ElementTree.Element:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error}).") from error
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        raise LayoutError(f"{path}: declares entities.\nExpected plain XML as CVAT exports it.")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise LayoutError(f"{path}: cannot be read as XML ({error}).") from error


def _read_image(
    root: Path,
    path: Path,
    element: ElementTree.Element,
    image: Path,
    names: list[str],
    refused: Refusals,
    found: list[Annotated],
) -> None:
    where = f"{path.name}, image '{element.get('name')}'"
    try:
        size_hw = read_size(image)
    except ImageError as error:
        refused.add(where, str(error).splitlines()[0], "image")
        return
    stated = element.get("height"), element.get("width")
    if None not in stated and stated != (str(size_hw[0]), str(size_hw[1])):
        refused.add(where, f"says {stated[1]} x {stated[0]} px, but the file has {size_hw[1]} x {size_hw[0]}")
        return
    name = image.relative_to(root).with_suffix("").as_posix().removeprefix("images/")
    part = PART_OF_FOLDER.get(element.get("subset", "").lower(), "")
    shapes = tuple(_shapes(element, size_hw, names, where, refused))
    found.append(Annotated(name, image, shapes, str(path), part))


def _shapes(
    element: ElementTree.Element, size_hw: tuple[int, int], names: list[str], where: str, refused: Refusals
) -> Iterator[Shape]:
    for number, drawn in enumerate(element, 1):
        place = f"{where}, {drawn.tag} {number}"
        if drawn.tag not in ("mask", "polygon", "box"):
            if drawn.tag != "tag":
                refused.note(place, "is left out; masks, polygons and boxes are read")
            continue
        label = drawn.get("label", "")
        if label not in names:
            refused.add(place, f"has the unknown label '{label}'; expected one of {', '.join(names)}")
            continue
        problem, shape = _shape(drawn, names.index(label) + 1, size_hw, place)
        if shape is None:
            refused.add("" if problem.startswith(place) else place, problem)
        else:
            yield shape


def _shape(
    drawn: ElementTree.Element, class_id: int, size_hw: tuple[int, int], where: str
) -> tuple[str, Shape | None]:
    """The object of an element, or what is wrong with it."""
    if drawn.tag == "mask":
        try:
            left, top, width, height = (int(drawn.get(key, "")) for key in ("left", "top", "width", "height"))
        except ValueError:
            return "has no whole left, top, width and height", None
        text = f"{drawn.get('rle', '')}, {left}, {top}, {left + width - 1}, {top + height - 1}"
        try:
            decode_rle(text, size_hw, "cvat", where)
        except DataError as error:
            return str(error), None
        return "", Shape(class_id, rle=text, where=where, dialect="cvat")
    try:
        ring = _ring(drawn)
    except ValueError:
        return "has a coordinate that is no number", None
    problem = ring_problem(ring, size_hw)
    return (problem, None) if problem else ("", Shape(class_id, (tuple(ring),), where=where))


def _ring(drawn: ElementTree.Element) -> list[float]:
    if drawn.tag == "box":
        x0, y0, x1, y1 = (float(drawn.get(key, "")) for key in ("xtl", "ytl", "xbr", "ybr"))
        turn_deg = float(drawn.get("rotation", "0"))
        return list(turned(box_ring(x0, y0, x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2), turn_deg))
    return [float(number) for point in drawn.get("points", "").split(";") for number in point.split(",")]
