"""Layout ``kaggle-cracks``: ``train|test/{images,masks}``, the stem's prefix naming the set it came from.

``CFD_001`` is of the set ``CFD``; ``noncrack*`` is a clean image, with an empty mask or none at all. Crops
whose stem names the photograph that they were cut from are its group. The set as it is downloaded also holds
``images`` and ``masks`` in its root, which repeat those of both parts: they are not read, or test images
would be learned from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset, ImageFile, Problem
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.image_mask import build
from flawscope.data.layouts.pairs import (
    PART_OF_FOLDER,
    FolderPair,
    find_folder_pairs,
    find_part_pairs,
    match_folders,
    settle_names,
)
from flawscope.data.split_file import Split
from flawscope.errors import LayoutError
from flawscope.images.sources import read_size
from flawscope.types import Sample

_CLEAN = re.compile(r"^non[-_]?crack", re.IGNORECASE)
_CROPS = (
    re.compile(r"^(CRACK500_\d{8}_\d{6})_"),
    re.compile(r"^((?:Rissbilder|Volker)_.+?)(?:_\d+){4}$", re.IGNORECASE),
    re.compile(r"^(GAPS384_.*?_?\d+)_\d+_\d+$", re.IGNORECASE),
)
"""Stems of crops, which end with where they were cut; the bracket is the photograph."""
_PREFIX = re.compile(r"^([A-Za-z][A-Za-z0-9]*?)[-_. ]")


@dataclass(frozen=True, slots=True)
class EmptyMask:
    """The mask of a clean image that has no mask file."""

    image_path: str

    def __call__(self) -> npt.NDArray[np.uint8]:
        """H x W zeros of the image's size. Raises ImageError."""
        return np.zeros(read_size(self.image_path), np.uint8)


def source_of(name: str) -> str:
    """The set that a stem names: ``CFD_001`` -> ``CFD``, ``noncrack_x`` -> ``noncrack``, else empty."""
    stem = name.rpartition("/")[2]
    if _CLEAN.match(stem):
        return "noncrack"
    match = _PREFIX.match(stem)
    return match.group(1) if match else ""


def photograph_of(name: str) -> str:
    """The photograph that a stem's crop was cut from, as the sets name them; empty where it names none.

    ``CRACK500_20160222_081011_1_361`` -> ``CRACK500_20160222_081011``.
    """
    stem = name.rpartition("/")[2]
    return next((match.group(1) for rule in _CROPS if (match := rule.match(stem))), "")


def _folders(root: Path) -> list[FolderPair]:
    return [pair for pair in find_part_pairs(root) if pair.images.parent.name.lower() in PART_OF_FOLDER]


def _in_root(root: Path) -> list[FolderPair]:
    """Folder pairs in the root itself, beside the parts."""
    return [pair for pair in find_folder_pairs(root) if pair.images.parent == root]


def detect(root: Path) -> bool:
    """True when there are ``train`` and ``test`` (or one of them) with images, masks and source prefixes.

    Beside images in the root both must be there: one part alone does not repeat all of those.
    """
    pairs = _folders(root)
    if not pairs or (len(pairs) < 2 and _in_root(root)):
        return False
    names = [pair.name for pair in match_folders(pairs).pairs]
    return bool(names) and sum(bool(source_of(name)) for name in names) > 0.9 * len(names)


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set; its parts are the default split. Raises LayoutError."""
    pairs = _folders(root)
    found = match_folders(pairs)
    if not found.pairs:
        raise LayoutError(
            f"{root}: is no kaggle-cracks set.\nExpected train/images, train/masks, test/images, ..."
        )
    clean = [problem for problem in found.problems if _is_clean_image(problem.kind, problem.path)]
    found.problems = [problem for problem in found.problems if problem not in clean]
    found.problems += [
        Problem("unused-folder", str(pair.images), "repeats the images of the parts; left out")
        for pair in _in_root(root)
    ]
    dataset = build(root, settle_names(found), options, "kaggle-cracks")
    part_of = {str(pair.images): PART_OF_FOLDER[pair.part.lower()] for pair in pairs}
    samples = [
        replace(
            sample,
            source=source_of(sample.name) or sample.source,
            group=sample.group or photograph_of(sample.name),
        )
        for sample in dataset
    ]
    samples += [_clean_sample(Path(problem.path), {sample.name for sample in samples}) for problem in clean]
    parts: dict[str, list[str]] = {}
    for sample in samples:
        folder = next(images for images in part_of if Path(images) in Path(sample.image_path).parents)
        parts.setdefault(part_of[folder], []).append(sample.name)
    own = Split(parts={part: tuple(names) for part, names in parts.items()}) if len(parts) > 1 else None
    return replace(dataset.with_samples(samples), default_split=own, classes_named=True)


def _is_clean_image(kind: str, path: str) -> bool:
    return kind == "no-mask" and _CLEAN.match(Path(path).name) is not None


def _clean_sample(path: Path, taken: set[str]) -> Sample:
    name = path.stem if path.stem not in taken else f"{path.parent.parent.name}/{path.stem}"
    return Sample(name, ImageFile(str(path)), EmptyMask(str(path)), (), "noncrack", "", str(path))
