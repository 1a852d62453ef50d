"""Which mask belongs to which image: folder pairs and files side by side."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flawscope.data.dataset import Problem
from flawscope.images.sources import is_image_name

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "photos")
MASK_FOLDERS = (
    "masks", "mask", "labels", "label", "lab", "annotations", "annotation",
    "segmentationclass", "groundtruth", "ground_truth", "gt",
)  # fmt: skip
"""In order of precedence, compared without case."""
PART_OF_FOLDER = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "calibration": "calibration",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Folder names that are parts of a split."""

_IMAGE_ENDS = ("_images", "_image", "_imgs", "_img")
_MASK_ENDS = ("_masks", "_mask", "_labels", "_label", "_lab", "_gt")
_MASK_STEM = re.compile(r"[_\-. ](labels?|masks?|lab|gt|groundtruth)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FolderPair:
    """A folder of images and the folder of their masks."""

    images: Path
    masks: Path
    part: str = ""
    """Folder name that sets this pair apart from others, ``train`` or the like; empty when alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image, its mask, and the name they go by."""

    name: str
    image: Path
    mask: Path
    part: str = ""
    folder: str = ""
    """Folder below the image root, where the pairs lie in several."""


@dataclass(slots=True)
class Found:
    """All pairs of a data set, and what has no partner."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def subfolders(folder: Path) -> list[Path]:
    """Folders directly below, sorted, hidden ones left out."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    return [folder / name for name in names]


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Image files at any depth with their path below ``folder`` less the suffix, ``/`` between parts."""
    for here, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if is_image_name(name):
                path = Path(here) / name
                yield path.relative_to(folder).with_suffix("").as_posix(), path


def images_by_path(root: Path) -> dict[str, Path]:
    """Image files by their path below the root, below ``images/``, and by their bare name, in this order.

    A bare name that several files have tells none of them.
    """
    files = {image.relative_to(root).as_posix(): image for _, image in files_below(root)}
    found = dict(files)
    for path, image in files.items():
        if path.startswith("images/"):
            found.setdefault(path.removeprefix("images/"), image)
    count = Counter(image.name for image in files.values())
    for image in files.values():
        if count[image.name] == 1:
            found.setdefault(image.name, image)
    return found


def _has_image(folder: Path) -> bool:
    return next(files_below(folder), None) is not None


def find_folder_pairs(root: Path) -> list[FolderPair]:
    """Folders of images with folders of masks: in the root, or one level down (``train/image``)."""
    return _pairs_in(root) or find_part_pairs(root)


def find_part_pairs(root: Path) -> list[FolderPair]:
    """Folders of images with folders of masks one level down, whatever the root itself holds."""
    found: list[FolderPair] = []
    for folder in subfolders(root):
        inner = _pairs_in(folder)
        found += [FolderPair(pair.images, pair.masks, pair.part or folder.name) for pair in inner]
    return found


def _pairs_in(folder: Path) -> list[FolderPair]:
    inside = {path.name.lower(): path for path in subfolders(folder)}
    images = next((inside[name] for name in IMAGE_FOLDERS if name in inside), None)
    if images is not None:
        masks = (inside[name] for name in MASK_FOLDERS if name in inside)
        match = next((path for path in masks if _has_image(path)), None)
        return [FolderPair(images, match)] if match is not None else []
    pairs = []
    for name, path in inside.items():
        end = next((end for end in _IMAGE_ENDS if name.endswith(end)), None)
        if end is None:
            continue
        stem = name.removesuffix(end)
        partner = next((inside[stem + other] for other in _MASK_ENDS if stem + other in inside), None)
        if partner is not None and _has_image(partner):
            pairs.append(FolderPair(path, partner, stem))
    return pairs


def match_folders(pairs: Sequence[FolderPair]) -> Found:
    """Pair images and masks of the same path (less suffix; masks may end in ``_mask``, ``_label``...)."""
    found = Found()
    for pair in pairs:
        masks, images = dict[str, Path](), list(files_below(pair.images))
        for stem, path in files_below(pair.masks):
            if stem in masks:
                text = f"two masks of one name, {masks[stem].name} is used"
                found.problems.append(Problem("two-masks", str(path), text))
            masks.setdefault(stem, path)
        bare = {_MASK_STEM.sub("", stem): stem for stem in masks}
        used: set[str] = set()
        for stem, path in images:
            key = stem if stem in masks else bare.get(stem, "")
            if key:
                used.add(key)
                found.pairs.append(Pair(stem, path, masks[key], pair.part, stem.rpartition("/")[0]))
            else:
                found.problems.append(Problem("no-mask", str(path), "has no mask; left out"))
        lost = [path for stem, path in masks.items() if stem not in used]
        found.problems += [Problem("no-image", str(path), "has no image; left out") for path in lost]
    return found


def match_side_by_side(root: Path) -> Found:
    """Pair ``X.jpg`` with ``X_label.png`` (``_mask``, ``_gt``), or with ``X.png``, at any depth."""
    found = Found()
    groups: dict[str, list[Path]] = {}
    for stem, path in files_below(root):
        groups.setdefault(stem, []).append(path)
    masks = {stem: _MASK_STEM.sub("", stem) for stem in groups if _MASK_STEM.search(stem)}
    masks = {stem: base for stem, base in masks.items() if base in groups}
    by_base = {base: stem for stem, base in masks.items()}
    for stem, paths in groups.items():
        if stem in masks:
            continue
        image, mask = paths[0], None
        if stem in by_base:
            mask = groups[by_base[stem]][0]
        elif len(paths) == 2:
            image, mask = _photo_and_mask(paths)
        if mask is None:
            found.problems.append(Problem("no-mask", str(image), "has no mask beside it; left out"))
        else:
            found.pairs.append(Pair(stem, image, mask, "", stem.rpartition("/")[0]))
    return found


def _photo_and_mask(paths: Sequence[Path]) -> tuple[Path, Path | None]:
    photos = [path for path in paths if path.suffix.lower() in (".jpg", ".jpeg")]
    others = [path for path in paths if path not in photos]
    return (photos[0], others[0]) if len(photos) == 1 and len(others) == 1 else (paths[0], None)


def settle_names(found: Found) -> Found:
    """Make names unique and short.

    Part folders that all pairs share, or that are not needed to tell names apart, are dropped from the names;
    images of one stem and two suffixes keep theirs.
    """
    pairs = [_with_inner_part(pair) for pair in found.pairs]
    if not all(pair.part.lower() in PART_OF_FOLDER for pair in pairs):
        single = len({pair.part for pair in pairs}) == 1
        pairs = [
            _renamed(pair, pair.name if single or not pair.part else f"{pair.part}/{pair.name}")
            for pair in pairs
        ]
    elif not _unique(pairs):
        pairs = [_renamed(pair, f"{pair.part}/{pair.name}") for pair in pairs]
    if not _unique(pairs):
        count: dict[str, int] = {}
        for pair in pairs:
            count[pair.name] = count.get(pair.name, 0) + 1
        pairs = [
            _renamed(pair, pair.name + pair.image.suffix) if count[pair.name] > 1 else pair for pair in pairs
        ]
    return Found(pairs, found.problems)


def _unique(pairs: Sequence[Pair]) -> bool:
    return len({pair.name for pair in pairs}) == len(pairs)


def _renamed(pair: Pair, name: str) -> Pair:
    return Pair(name, pair.image, pair.mask, pair.part, pair.folder)


def _with_inner_part(pair: Pair) -> Pair:
    """``training/000201`` below ``images`` is the sample ``000201`` of the part ``training``."""
    first, slash, rest = pair.name.partition("/")
    if not pair.part and slash and first.lower() in PART_OF_FOLDER:
        return Pair(rest, pair.image, pair.mask, first, rest.rpartition("/")[0])
    return pair


def parts_of(pairs: Sequence[Pair]) -> dict[str, tuple[str, ...]]:
    """Names by part of the split, where the folders name two parts or more; else empty."""
    parts: dict[str, list[str]] = {}
    for pair in pairs:
        part = PART_OF_FOLDER.get(pair.part.lower())
        if part is not None:
            parts.setdefault(part, []).append(pair.name)
    return {part: tuple(names) for part, names in parts.items()} if len(parts) > 1 else {}
