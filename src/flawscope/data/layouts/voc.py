"""Layout ``voc``: Pascal VOC boxes in XML files, beside a folder of images.

``Annotations/*.xml`` and ``JPEGImages/*.jpg`` (any case; ``IMAGES``, ``images``). Boxes have no outline: the
masks are the filled boxes, good for finding and weighing, not for measuring.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import IMAGE_FOLDERS, files_below, subfolders
from flawscope.data.layouts.rows import Refusals
from flawscope.data.layouts.shapes import Annotated, Shape, box_ring, build
from flawscope.errors import ImageError, LayoutError
from flawscope.images.sources import read_size

_BOX = ("xmin", "ymin", "xmax", "ymax")
_ENTITIES = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def _folders(root: Path) -> tuple[Path | None, Path | None]:
    inside = {folder.name.lower(): folder for folder in subfolders(root)}
    images = next((inside[name] for name in IMAGE_FOLDERS if name in inside), None)
    notes = inside.get("annotations")
    return images, notes if notes is not None and any(notes.glob("*.xml")) else None


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
    files = {path.stem: path for path in sorted(notes.glob("*.xml"))}
    noted = {stem: _boxes(path, refused) for stem, path in files.items()}
    boxes = {stem: note[0] for stem, note in noted.items() if note is not None}
    stated = {stem: note[1] for stem, note in noted.items() if note is not None}
    declared = [entry.name for entry in options.description.classes]
    seen = {name for found in boxes.values() for name, _, _ in found}
    names = [*declared, *sorted(seen - set(declared))]
    ids = {name: number for number, name in enumerate(names, 1)}
    found, left = [], set(files)
    for stem, image in files_below(images):
        key = stem.rpartition("/")[2]
        if key in files and key not in boxes:
            left.discard(key)  # its file cannot be read, so that nobody knows what it shows
            continue
        if key not in files:
            refused.note(str(image), "has no XML file; left out", "no-label")
            continue
        if key not in left:
            refused.add(str(image), f"another image has the name of {files[key].name} too; expected one")
            continue
        left.discard(key)
        wrong = _other_size(image, stated[key])
        if wrong:
            refused.add(str(files[key]), wrong)
            continue
        shapes = tuple(Shape(ids[name], (ring,), where=where) for name, ring, where in boxes[key])
        found.append(Annotated(stem, image, shapes, str(files[key])))
    for stem in sorted(left):
        refused.add(str(files[stem]), "has no image", "no-image")
    refused.note(str(notes), "masks are filled boxes, which are rough outlines", "boxes")
    problems = refused.settle(root)
    if not found:
        raise LayoutError(f"{root}: no image has an XML file of its name.")
    return build(root, "voc", found, {number: name for name, number in ids.items()}, options, problems)


def _other_size(image: Path, stated_hw: tuple[str, str]) -> str:
    """What is wrong where a file says another size than its image has; some write 0 for none."""
    try:
        height, width = read_size(image)
    except ImageError:
        return ""  # the integrity check names the image
    stated_h, stated_w = stated_hw
    if not stated_h.isdecimal() or not stated_w.isdecimal() or 0 in (int(stated_h), int(stated_w)):
        return ""
    if (int(stated_h), int(stated_w)) == (height, width):
        return ""
    return f"says {stated_w} x {stated_h} px, but {image.name} has {width} x {height}"


def _boxes(
    path: Path, refused: Refusals
) -> tuple[list[tuple[str, tuple[float, ...], str]], tuple[str, str]] | None:
    """(class name, polygon, where) of each object of a file, and the height and width that it states.

    None where it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if _ENTITIES.search(text):
            raise ValueError("it declares entities, which annotations do not need")
        tree = ElementTree.fromstring(text)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        refused.add(str(path), f"cannot be read as XML ({error})")
        return None
    found = []
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
        # Pixels are numbered from 1 and the last one belongs to the box.
        found.append((name, box_ring(x0 - 1, y0 - 1, x1, y1), where))
    return found, (tree.findtext("size/height") or "", tree.findtext("size/width") or "")
