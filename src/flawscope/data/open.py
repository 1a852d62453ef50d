"""``open_dataset``: whatever lies on disk, as one kind of data set.

``LAYOUTS`` is the registry: third parties join through the entry point group ``flawscope.layouts``, each
entry a ``Layout``. The first layout that recognises a folder reads it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

from flawscope.data.dataset import Dataset, Problem
from flawscope.data.description import FILE_NAME, Description, ReadOptions, read_description
from flawscope.data.groups import with_groups, with_groups_of
from flawscope.data.layouts import (
    coco,
    crackforest,
    cvat,
    idx,
    image_mask,
    kaggle_cracks,
    label_studio,
    labelled,
    severstal,
    voc,
    volume,
    yolo,
)
from flawscope.data.split_file import load_split, missing_names
from flawscope.errors import LayoutError

SPLIT_FILE = "split.json"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set may lie on disk."""

    detect: Callable[[Path], bool]
    """Cheap look at the folder: is it this layout?"""
    read: Callable[[Path, ReadOptions], Dataset]
    """Read it. Raises LayoutError or DataError."""
    looks_like: str
    """What is expected on disk, for messages and help."""


LAYOUTS: dict[str, Layout] = {
    "severstal": Layout(
        severstal.detect,
        severstal.read,
        "train_images/*.jpg and train.csv with ImageId,ClassId,EncodedPixels",
    ),
    "idx": Layout(idx.detect, idx.read, "train-images-idx3-ubyte(.gz), train-labels-..., t10k-..."),
    "kaggle-cracks": Layout(
        kaggle_cracks.detect, kaggle_cracks.read, "train|test/{images,masks}, stems with a prefix: CFD_001"
    ),
    "volume": Layout(
        volume.detect, volume.read, "numbered grey slices with masks, or X-volume.tif beside X-labels.tif"
    ),
    "image-mask": Layout(
        image_mask.detect,
        image_mask.read,
        "images/* and masks/* of the same stem, or X.jpg beside X.png or X_label.png",
    ),
    "crackforest": Layout(crackforest.detect, crackforest.read, "images/*.jpg and groundTruth/*.mat"),
    "coco": Layout(
        coco.detect,
        coco.read,
        "annotations/*.json (COCO instances) and images/*, or PART/*.json beside images",
    ),
    "label-studio": Layout(
        label_studio.detect, label_studio.read, "a JSON export of Label Studio (a list of tasks) and images/*"
    ),
    "cvat": Layout(cvat.detect, cvat.read, "annotations.xml (CVAT for images 1.1) and images/*"),
    "yolo": Layout(yolo.detect, yolo.read, "images/*.jpg and labels/*.txt"),
    "csv-labels": Layout(labelled.detect_csv, labelled.read_csv, "labels.csv with the columns file,class"),
    "voc": Layout(voc.detect, voc.read, "JPEGImages/*.jpg and Annotations/*.xml"),
    "image-folder": Layout(labelled.detect_folders, labelled.read_folders, "CLASS/*.jpg, a folder a class"),
}
"""Name -> layout, in order of precedence."""


def all_layouts() -> dict[str, Layout]:
    """The built-in layouts and those of installed packages, in order of precedence."""
    layouts = dict(LAYOUTS)
    for entry in entry_points(group="flawscope.layouts"):
        if entry.name not in layouts:
            layouts[entry.name] = entry.load()
    return layouts


def open_dataset(
    path: str | Path,
    layout: str | None = None,
    mask_values: Mapping[str, str] | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Open a data set.

    Args:
        path: its root folder.
        layout: a name of ``LAYOUTS``; None = as ``dataset.toml`` says, else detected.
        mask_values: mask value or colour -> class name (``{"255,0,0": "crack"}``), where the
            encoding is ambiguous; the names ``background`` and ``ignore`` are understood.
        skip_bad: read every file once and leave out those that cannot be used, each listed in ``problems``.

    Returns:
        The data set; nothing of it is decoded yet. What was left out is in ``problems``.

    Raises:
        LayoutError: no such folder, no known layout, or an ambiguous encoding.
        DataError: the layout is broken.
    """
    dataset = open_unread(path, layout, mask_values, skip_bad)
    return _without_bad(dataset) if skip_bad else dataset


def open_unread(
    path: str | Path,
    layout: str | None = None,
    mask_values: Mapping[str, str] | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """As ``open_dataset``, for those who read every file anyway: ``skip_bad`` leaves out rows only.

    Raises as ``open_dataset``.
    """
    root = Path(path)
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise LayoutError(f"{root}: {found}.\nExpected the root folder of a data set.")
    description = read_description(root)
    options = ReadOptions(description, mask_values or {}, skip_bad)
    name = layout or description.layout or _detect(root)
    dataset = _layout(name).read(root, options)
    _check_ids(dataset, description)
    dataset = _with_own_split(dataset)
    if description.group:
        dataset = with_groups(dataset, description.group)
    return dataset


def _layout(name: str) -> Layout:
    layouts = all_layouts()
    if name not in layouts:
        near = difflib.get_close_matches(name, layouts, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise LayoutError(f"There is no layout '{name}'.{hint}\nExpected one of: {', '.join(layouts)}.")
    return layouts[name]


def _detect(root: Path) -> str:
    layouts = all_layouts()
    for name, layout in layouts.items():
        if layout.detect(root):
            return name
    shown = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
    inside = ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
    expected = "\n".join(f"  {name}: {layout.looks_like}" for name, layout in layouts.items())
    raise LayoutError(
        f"{root}: the layout is not known; the folder holds {inside or 'nothing'}.\n"
        f"Expected one of these, or --layout NAME:\n{expected}"
    )


def _check_ids(dataset: Dataset, description: Description) -> None:
    """Refuse class ids of ``dataset.toml`` that are not those the classes have got. Raises LayoutError."""
    numbers = {info.name: info.id for info in dataset.classes}
    for entry in description.classes:
        if entry.id is not None and numbers.get(entry.name) != entry.id:
            have = ", ".join(f"{number} = {name}" for name, number in numbers.items())
            raise LayoutError(
                f"{dataset.root / FILE_NAME}: gives the class '{entry.name}' the id {entry.id}; "
                f"the layout {dataset.layout} has {have or 'no classes'}.\n"
                "Expected ids from 1 (0 is the background), from 0 where images are classified; correct them."
            )


def _with_own_split(dataset: Dataset) -> Dataset:
    """Take the root's ``split.json`` as the set's own split, and its grouping with it."""
    file = dataset.root / SPLIT_FILE
    if not file.is_file():
        return dataset
    split = load_split(file)
    absent = missing_names(split, dataset.names)
    if absent:
        split = split.without(set(absent))
        text = (
            f"names {len(absent)} samples that are not in the set, e.g. '{absent[0]}'; they are passed over"
        )
        dataset = dataset.with_samples(dataset.samples, Problem("split", str(file), text))
    return replace(with_groups_of(dataset, split), default_split=split)


def _without_bad(dataset: Dataset) -> Dataset:
    from flawscope.data.integrity import check

    return check(dataset, duplicates=False).usable(dataset, skip_bad=True)
