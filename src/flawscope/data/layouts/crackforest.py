"""Layout ``crackforest``: ``image(s)/*.jpg`` with MATLAB truth in ``groundTruth/*.mat``.

The field ``Segmentation`` of the struct ``groundTruth`` holds 1 = background, 2 = crack, 3 = sound pavement
that cracks enclose (not crack), 4 = faint cracks, here ignored (255).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from flawscope.data.dataset import Dataset, ImageFile, Problem, make_class
from flawscope.data.description import ReadOptions
from flawscope.data.layouts.pairs import IMAGE_FOLDERS, files_below, subfolders
from flawscope.errors import ImageError, LayoutError
from flawscope.images.sources import read_size
from flawscope.types import IGNORE_INDEX, Sample

_CODES = {1: 0, 2: 1, 3: 0, 4: IGNORE_INDEX}


@dataclass(frozen=True, slots=True)
class MatFile:
    """Reads the truth of one image from its ``.mat`` file when called."""

    path: str
    image_path: str

    def __call__(self) -> npt.NDArray[np.uint8]:
        """H x W uint8: 1 = crack, 0 = not, 255 = ignore. Raises ImageError."""
        values = read_segmentation(Path(self.path))
        lookup = np.full(256, 254, np.uint8)
        for value, class_id in _CODES.items():
            lookup[value] = class_id
        mask: npt.NDArray[np.uint8] = lookup[values]
        if (mask == 254).any():
            raise ImageError(
                f"{self.path}: Segmentation holds the value {int(values[mask == 254].flat[0])}.\n"
                "Expected 1 (background), 2 (crack), 3 (enclosed pavement) and 4 (ignore)."
            )
        expected = read_size(self.image_path)
        if mask.shape != expected:
            raise ImageError(
                f"{self.path}: Segmentation is {mask.shape[1]} x {mask.shape[0]} px, "
                f"its image {expected[1]} x {expected[0]}.\nExpected equal sizes."
            )
        return mask


def read_segmentation(path: Path) -> npt.NDArray[np.uint8]:
    """Raw ``Segmentation`` of a ``.mat`` file, H x W uint8.

    Raises:
        ImageError: absent, of MATLAB version 7.3, damaged, or without the field.
    """
    try:
        head = path.read_bytes()[:128]
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if head.startswith(b"MATLAB 7.3") or head.startswith(b"\x89HDF"):
        raise ImageError(
            f"{path}: is a MATLAB 7.3 (HDF5) file.\n"
            "Expected version 5; save it anew in MATLAB with: save(NAME, 'groundTruth', '-v6')."
        )
    try:
        truth: Any = loadmat(str(path))["groundTruth"]
        values = np.asarray(truth["Segmentation"][0, 0])
    except Exception as error:  # scipy raises anything on damaged files
        raise ImageError(
            f"{path}: no Segmentation can be read ({type(error).__name__}: {error}).\n"
            "Expected a MATLAB v5 file with groundTruth.Segmentation."
        ) from error
    if values.ndim != 2:
        raise ImageError(f"{path}: Segmentation has {values.ndim} dimensions.\nExpected 2 (rows, columns).")
    segmentation: npt.NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return segmentation


def _folders(root: Path) -> tuple[Path | None, Path | None]:
    inside = {folder.name.lower(): folder for folder in subfolders(root)}
    images = next((inside[name] for name in IMAGE_FOLDERS if name in inside), None)
    truth = inside.get("groundtruth")
    return images, truth if truth is not None and any(truth.glob("*.mat")) else None


def detect(root: Path) -> bool:
    """True when there are images and ``groundTruth/*.mat``."""
    return None not in _folders(root)


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set. Raises LayoutError when the folders are absent or nothing fits together."""
    images, truth = _folders(root)
    if images is None or truth is None:
        raise LayoutError(f"{root}: is no crackforest set.\nExpected images/*.jpg and groundTruth/*.mat.")
    files = {path.stem: path for path in sorted(truth.glob("*.mat"))}
    source = options.description.source or root.resolve().name
    samples, problems, used = [], [], set()
    for name, path in files_below(images):
        mat = files.get(Path(name).name)
        if mat is None:
            problems.append(Problem("no-mask", str(path), "has no .mat file; left out"))
            continue
        used.add(mat.stem)
        read_mask = MatFile(str(mat), str(path))
        samples.append(Sample(name, ImageFile(str(path)), read_mask, (), source, "", str(path), str(mat)))
    lost = [path for stem, path in files.items() if stem not in used]
    problems += [Problem("no-image", str(path), "has no image; left out") for path in lost]
    if not samples:
        raise LayoutError(
            f"{root}: no image has a .mat file of its name.\nExpected images/X.jpg, groundTruth/X.mat."
        )
    crack = make_class(1, "crack", "line")
    return Dataset(root, "crackforest", (crack,), "segmentation", tuple(samples), None, tuple(problems), True)
