"""Layout ``severstal``: ``train_images/*.jpg`` and ``train.csv`` with run-length masks.

The table has either form: ``ImageId,ClassId,EncodedPixels`` (a row a defect) or
``ImageId_ClassId,EncodedPixels`` (four rows an image, empty where there is no defect). Run lengths count
from 1, down the columns first. Images without a row are clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset, ImageFile
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.layouts.pairs import files_below, subfolders
from flawscope.data.layouts.rows import Refusals, Row, read_header, read_rows
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.images.rle import decode_rle
from flawscope.images.sources import read_size
from flawscope.types import ClassInfo, Mask, Sample

CLASS_COUNT = 4
COLOURS = ("#3b6fd4", "#8e44ad", "#f1c40f", "#e02b20")
"""The paper's: 1 blue, 2 purple, 3 yellow, 4 red."""
FORMS = (("ImageId", "ClassId", "EncodedPixels"), ("ImageId_ClassId", "EncodedPixels"))
_IMAGE_FOLDERS = ("train_images", "images", "train")


@dataclass(frozen=True, slots=True)
class Runs:
    """One defect row."""

    class_id: int
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class RunsMask:
    """Reads the mask of one image from its rows when called."""

    runs: tuple[Runs, ...]
    image_path: str
    stack_depth: int = 0
    """Number of classes when they overlap in the set; 0 = class index."""

    def __call__(self) -> Mask:
        """H x W uint8 class index, or H x W x C bool where classes of the set overlap. Raises ImageError."""
        size_hw = read_size(self.image_path)
        try:
            planes = [(item.class_id, decode_rle(item.text, size_hw, where=item.where)) for item in self.runs]
        except DataError as error:
            raise ImageError(str(error)) from error
        if self.stack_depth:
            stack = np.zeros((*size_hw, self.stack_depth), np.bool_)
            for class_id, plane in planes:
                stack[..., class_id - 1] = plane
            return stack
        mask: npt.NDArray[np.uint8] = np.zeros(size_hw, np.uint8)
        for class_id, plane in planes:
            mask[plane > 0] = class_id
        return mask


def find_table(root: Path) -> Path | None:
    """``train.csv`` if it is of one of the forms, else another table that is."""
    candidates = [root / "train.csv", *sorted(root.glob("*.csv"))]
    return next((path for path in candidates if path.is_file() and _form(path)), None)


def _form(path: Path) -> tuple[str, ...]:
    header = read_header(path)
    return next((form for form in FORMS if set(form) <= set(header)), ())


def _image_folder(root: Path) -> Path | None:
    inside = {folder.name.lower(): folder for folder in subfolders(root)}
    return next((inside[name] for name in _IMAGE_FOLDERS if name in inside), None)


def detect(root: Path) -> bool:
    """True for a folder of images beside a table of one of the forms, perhaps with a column missing."""
    if _image_folder(root) is None:
        return False
    known = {column for form in FORMS for column in form}
    return find_table(root) is not None or bool(known & set(read_header(root / "train.csv")))


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no table or no folder of images.
        DataError: rows that cannot be used, unless they may be skipped.
    """
    table, folder = find_table(root) or root / "train.csv", _image_folder(root)
    if folder is None or not table.is_file():
        raise LayoutError(f"{root}: is no severstal set.\nExpected train_images/*.jpg and train.csv.")
    refused = Refusals(options.skip_bad)
    images: dict[str, tuple[str, Path]] = {}
    for name, path in files_below(folder):
        if path.name in images:
            refused.add(str(path), f"has the file name of {images[path.name][1]}; expected one of a name")
        images.setdefault(path.name, (name, path))
    runs: dict[str, list[Runs]] = {}
    for image_id, found in _rows(table, refused):
        if image_id not in images:
            refused.add(found.where, f"the image {image_id} is not in {folder.name}/", "no-image")
        else:
            earlier = next((one for one in runs.get(image_id, []) if one.class_id == found.class_id), None)
            if earlier is not None:
                refused.add(found.where, f"repeats image and class of {earlier.where.rpartition(', ')[2]}")
            elif found.text:
                runs.setdefault(image_id, []).append(found)
    overlap = _check_runs(runs, images, refused)
    depth = _depth(runs, options) if overlap else 0
    samples = []
    source = options.description.source or "Severstal"
    for image_id, (name, path) in sorted(images.items()):
        mask = RunsMask(tuple(runs.get(image_id, ())), str(path), depth)
        samples.append(Sample(name, ImageFile(str(path)), mask, (), source, "", str(path), str(table)))
    return Dataset(
        root,
        "severstal",
        _classes(options, _depth(runs, options)),
        "segmentation",
        tuple(samples),
        None,
        tuple(refused.settle(root)),
        True,
        overlap,
    )


def _depth(runs: dict[str, list[Runs]], options: ReadOptions) -> int:
    """The number of classes: as declared, else four; more where rows have higher ids."""
    least = len(options.description.classes) or CLASS_COUNT
    return max([least, *(item.class_id for items in runs.values() for item in items)])


def _classes(options: ReadOptions, count: int) -> tuple[ClassInfo, ...]:
    given = options.description.classes
    names = {
        number: given[number - 1].name if number <= len(given) else f"class-{number}"
        for number in range(1, count + 1)
    }
    return described_classes(options.description, names, colours=COLOURS)


def _rows(table: Path, refused: Refusals) -> Iterator[tuple[str, Runs]]:
    form = _form(table) or FORMS[0]
    for row in read_rows(table, form, refused):
        image_id, class_text = _key(row, len(form) == 2)
        if not class_text.isdecimal() or not 1 <= int(class_text) <= 254 or not image_id:
            what = f"'{class_text}' is no class id; expected 1 to {CLASS_COUNT}"
            refused.add(row.where, what)
            continue
        text = row.cells["EncodedPixels"]
        yield (
            image_id,
            Runs(
                int(class_text),
                "" if text in ("-1", "nan") else text,
                f"{table}, {row.where.rpartition(', ')[2]}",
            ),
        )


def _key(row: Row, joined: bool) -> tuple[str, str]:
    if not joined:
        return row.cells["ImageId"], row.cells["ClassId"]
    image_id, _, class_text = row.cells["ImageId_ClassId"].rpartition("_")
    return image_id, class_text


def _check_runs(runs: dict[str, list[Runs]], images: dict[str, tuple[str, Path]], refused: Refusals) -> bool:
    """Take out rows whose text is wrong; say whether classes overlap in any image."""
    overlap = False
    for image_id, items in runs.items():
        try:
            size_hw = read_size(images[image_id][1])
        except ImageError:
            continue  # the integrity check names the image
        good, planes = [], []
        for item in items:
            try:
                plane = decode_rle(item.text, size_hw, where=item.where)
            except DataError as error:
                refused.add("", str(error))
                continue
            good.append(item)
            planes.append(plane)
        runs[image_id] = good
        if len(planes) > 1:
            overlap = overlap or bool((np.sum(planes, axis=0) > 1).any())
    return overlap
