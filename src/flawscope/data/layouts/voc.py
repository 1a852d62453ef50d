"""Layout ``voc``: Pascal VOC boxes in XML files, beside a folder of images.

``Annotations/*.xml`` and ``JPEGImages/*.jpg`` (any case; ``IMAGES``, ``images``). Boxes have no outline: the
masks are the filled boxes, good for finding and weighing, not for measuring. Objects marked ``difficult``
count like the others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import IMAGE_FOLDERS, files_below, subfolders
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, box_ring, build, lies_outside
from flawscope.errors import ImageError, LayoutError
from flawscope.images.sources import read_size

_BOX = ("xmin", "ymin", "xmax", "ymax")
_ENTITIES = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Noted:
    """What an XML file says."""

    boxes: list[tuple[str, tuple[float, ...], str]]
    """(class name, polygon, where) of each object."""
    stated_hw: tuple[str, str]
    """Height and width of the image, as they stand there."""
    difficult: int
    """Objects that are marked so."""


def _files(notes: Path) -> list[Path]:
    """The XML files; hidden ones (``._1.xml`` of a Mac's archive) hold no annotations."""
    return [path for path in sorted(notes.glob("*.xml")) if not path.name.startswith(".")]


def _folders(root: Path) -> tuple[Path | None, Path | None]:
    inside = {folder.name.lower(): folder for folder in subfolders(root)}
    images = next((inside[name] for name in IMAGE_FOLDERS if name in inside), None)
    notes = inside.get("annotations")
    return images, notes if notes is not None and _files(notes) else None


def detect(root: Path) -> bool:
    """True when there are images and ``annotations/*.xml``."""
    return None not in _folders(root)


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: the folders are absent.
        DataError: files or boxes that cannot be used, unless they may be skipped.
    """
    images, notes = _folders(root)
    if images is None or notes is None:
        raise LayoutError(f"{root}: is no voc set.\nExpected JPEGImages/*.jpg and Annotations/*.xml.")
    refused = Refusals(options.skip_bad)
    files = {path.stem: path for path in _files(notes)}
    read_files = {stem: _read_file(path, refused) for stem, path in files.items()}
    noted = {stem: note for stem, note in read_files.items() if note is not None}
    declared = [entry.name for entry in options.description.classes]
    seen = {name for note in noted.values() for name, _, _ in note.boxes}
    names = [*declared, *sorted(seen - set(declared))]
    ids = {name: number for number, name in enumerate(names, 1)}
    found, left = [], set(files)
    for stem, image in files_below(images):
        key = stem.rpartition("/")[2]
        if key in files and key not in noted:
            left.discard(key)  # its file cannot be read, so that nobody knows what it shows
            continue
        if key not in files:
            refused.note(str(image), "has no XML file; left out", "no-label")
            continue
        if key not in left:
            refused.add(str(image), f"another image has the name of {files[key].name} too; expected one")
            continue
        left.discard(key)
        where, wrong = _other_image(image, files[key], noted[key])
        if wrong:
            refused.add(where, wrong)
            continue
        shapes = tuple(Shape(ids[name], (ring,), where=where) for name, ring, where in noted[key].boxes)
        found.append(Annotated(stem, image, shapes, str(files[key])))
    for stem in sorted(left):
        refused.add(str(files[stem]), "has no image", "no-image")
    refused.note(str(notes), "masks are filled boxes, which are rough outlines", "boxes")
    difficult = sum(note.difficult for note in noted.values())
    if difficult:
        refused.note(str(notes), f"{difficult} objects are marked difficult; they count like the others")
    problems = refused.settle(root)
    if not found:
        raise LayoutError(f"{root}: no image has an XML file of its name.")
    return build(root, "voc", found, {number: name for name, number in ids.items()}, options, problems)


def _other_image(image: Path, file: Path, note: _Noted) -> tuple[str, str]:
    """Where and what is wrong in a file of another image: one of another size, or one that an object misses.

    Both are empty where nothing is.
    """
    try:
        height, width = read_size(image)
    except ImageError:
        return "", ""  # the integrity check names the image
    stated_h, stated_w = note.stated_hw
    stated = stated_h.isdecimal() and stated_w.isdecimal() and 0 not in (int(stated_h), int(stated_w))
    if stated and (int(stated_h), int(stated_w)) != (height, width):  # some write 0 for none
        return str(file), f"says {stated_w} x {stated_h} px, but {image.name} has {width} x {height}"
    missed = next((where for _, ring, where in note.boxes if lies_outside(ring, (height, width))), "")
    return missed, f"lies outside {image.name} of {width} x {height} px" if missed else ""


def _read_file(path: Path, refused: Refusals) -> _Noted | None:
    """What a file says; None where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if _ENTITIES.search(text):
            raise ValueError("it declares entities, which annotations do not need")
        tree = ElementTree.fromstring(text)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        refused.add(str(path), f"cannot be read as XML ({error})")
        return None
    found, difficult = [], 0
    for number, item in enumerate(tree.iter("object"), 1):
        where = f"{path}, object {number}"
        name = (item.findtext("name") or "").strip()
        texts = [item.findtext(f"bndbox/{side}") or "" for side in _BOX]
        try:
            x0, y0, x1, y1 = (float(text) for text in texts)
        except ValueError:
            refused.add(where, f"has no box of four numbers ({', '.join(_BOX)})")
            continue
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            refused.add(where, f"has no box of four numbers ({', '.join(_BOX)})")
            continue
        if not name or not (x0 <= x1 and y0 <= y1):
            refused.add(where, "has no name" if not name else "has a box whose sides are swapped")
            continue
        difficult += (item.findtext("difficult") or "").strip() == "1"
        # Pixels are numbered from 1 and the last one belongs to the box.
        found.append((name, box_ring(x0 - 1, y0 - 1, x1, y1), where))
    stated = (tree.findtext("size/height") or "", tree.findtext("size/width") or "")
    return _Noted(found, stated, difficult)
