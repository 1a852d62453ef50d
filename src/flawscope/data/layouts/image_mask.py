"""Layout ``image-mask``: a photograph and a mask of the same name.

``images/*`` and ``masks/*`` (or ``image``/``label``, ``X_img``/``X_lab``, ``X_images``/``X_masks``,
``images/PART`` + ``annotations/PART``, ``PART/image`` + ``PART/label``), or side by side
``X.jpg`` + ``X.png``, ``X.jpg`` + ``X_label.png``. Masks of any encoding, see ``mask_infer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset, ImageFile, Problem
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.layouts.mask_codes import MaskCode, MaskScan, scan
from flawscope.data.layouts.mask_infer import infer
from flawscope.data.layouts.pairs import (
    PART_OF_FOLDER,
    FolderPair,
    Found,
    Pair,
    files_below,
    find_folder_pairs,
    match_folders,
    match_side_by_side,
    parts_of,
    settle_names,
    subfolders,
)
from flawscope.data.split_file import Split
from flawscope.errors import ImageError, LayoutError
from flawscope.images.sources import load_stored, read_size
from flawscope.types import Sample

_SCAN_LIMIT = 6000
"""Masks looked at to tell the encoding; of larger sets an even choice, the others are held to it."""


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Reads one mask file when called, as class indices on the grid of its image."""

    path: str
    image_path: str
    code: MaskCode

    def __call__(self) -> npt.NDArray[np.uint8]:
        """H x W uint8 class index, 255 = ignore.

        Raises:
            ImageError: unreadable, of another size than the image, or with undeclared values.
        """
        mask = self.code.decode(load_stored(self.path), self.path)
        expected = read_size(self.image_path)
        if mask.shape != expected:
            raise ImageError(
                f"{self.path}: the mask is {mask.shape[1]} x {mask.shape[0]} px, "
                f"its image {expected[1]} x {expected[0]}.\nExpected equal sizes; correct or remove the pair."
            )
        return mask


def detect(root: Path) -> bool:
    """True when the folder holds images with masks in one of the known arrangements."""
    if any(match_folders([pair]).pairs for pair in find_folder_pairs(root)):
        return True
    found = match_side_by_side(root)
    return bool(found.pairs) and len(found.pairs) >= len(found.problems)


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: no image with a mask, or masks that can be read in two ways.
    """
    folders = find_folder_pairs(root)
    found = match_folders(folders) if folders else match_side_by_side(root)
    if not found.pairs:
        raise LayoutError(
            f"{root}: no image has a mask.\n"
            "Expected images/NAME.jpg with masks/NAME.png, or NAME.jpg beside NAME_label.png."
        )
    if folders:
        found.problems += unused_folders(root, folders)
    return build(root, settle_names(found), options, group_by_folder=not folders)


def unused_folders(root: Path, folders: Sequence[FolderPair]) -> list[Problem]:
    """Folders of images beside the pairs that are not read, so that nothing is dropped in silence."""
    used = [folder for pair in folders for folder in (pair.images, pair.masks)]
    problems = []
    for folder in subfolders(root):
        if any(path == folder or folder in path.parents for path in used):
            continue
        count = sum(1 for _ in files_below(folder))
        if count:
            problems.append(Problem("unused-folder", str(folder), f"{count} images without masks; left out"))
    return problems


def build(
    root: Path,
    found: Found,
    options: ReadOptions,
    layout: str = "image-mask",
    group_by_folder: bool = False,
) -> Dataset:
    """A data set of image and mask files that are already paired; shared with other layouts."""
    scans = scan_masks([pair.mask for pair in found.pairs])
    names = tuple(entry.name for entry in options.description.classes)
    inferred = infer(list(scans.values()), options.codes, names, str(root))
    problems = [Problem("encoding", str(root), inferred.note)] if inferred.note else []
    problems += _faint(scans, inferred.code)
    sources = _sources(root, found.pairs, options)
    # One folder for all is where the set lies, and says nothing of what belongs together.
    several = group_by_folder and len({pair.folder for pair in found.pairs}) > 1
    samples = tuple(
        _sample(pair, inferred.code, sources[pair.part], pair.folder if several else "")
        for pair in found.pairs
    )
    parts = parts_of(found.pairs)
    return Dataset(
        root=root,
        layout=layout,
        classes=described_classes(options.description, dict(enumerate(inferred.class_names, 1))),
        task="segmentation",
        samples=samples,
        default_split=Split(parts=parts) if parts else None,
        problems=(*found.problems, *problems),
        classes_named=inferred.named,
    )


def _sources(root: Path, pairs: Sequence[Pair], options: ReadOptions) -> dict[str, str]:
    """The source of the pairs of each folder: its name where several sets lie side by side, else the root's.

    Parts of a split (``train``) are no sets, and a source that ``dataset.toml`` names is that of all.
    """
    named = options.description.source
    folders = {pair.part for pair in pairs}
    sets = {part for part in folders if part and part.lower() not in PART_OF_FOLDER}
    if named or len(folders) == 1:
        sets = set()
    return {part: part if part in sets else named or root.resolve().name for part in folders}


def _sample(pair: Pair, code: MaskCode, source: str, group: str) -> Sample:
    image, mask = str(pair.image), str(pair.mask)
    return Sample(
        name=pair.name,
        image=ImageFile(image),
        read_mask=MaskFile(mask, image, code),
        source=source,
        group=group,
        image_path=image,
        mask_path=mask,
    )


def _faint(scans: Mapping[Path, MaskScan], code: MaskCode) -> list[Problem]:
    """Masks with marks that the cut of a grey-edged set takes for none, such as 0/1 masks among others."""
    if code.half is None:
        return []
    problems = []
    for path, scan_of_file in scans.items():
        top = max((scan_of_file.indices if code.by_index else {}) or scan_of_file.greys, default=0)
        if 0 < top <= code.half:
            text = f"is read as empty: its largest value is {top}, the set's masks are cut at {code.half:g}"
            text += f"; if it marks anything, write that as {2 * code.half:g}"
            problems.append(Problem("faint-mask", str(path), text))
    return problems


def scan_masks(paths: Sequence[Path]) -> dict[Path, MaskScan]:
    """Count the values of masks, several files at a time; files that cannot be read are left to the check."""
    step = max(1, -(-len(paths) // _SCAN_LIMIT))

    def look(path: Path) -> MaskScan | None:
        try:
            return scan(load_stored(path))
        except ImageError:
            return None

    with ThreadPoolExecutor(max_workers=4) as pool:
        looked = zip(paths[::step], pool.map(look, paths[::step]), strict=True)
        scans = {path: found for path, found in looked if found is not None}
    if not scans:
        raise LayoutError(
            f"{paths[0].parent}: not one mask can be read.\nExpected PNG, TIFF, BMP or JPEG masks."
        )
    return scans
