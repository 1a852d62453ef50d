"""Layout ``volume``: the slices of one block, as numbered files or as one multi-page TIFF beside its labels.

Neighbouring slices look alike, so blocks of consecutive slices form groups that a split keeps together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.data.dataset import Dataset, make_class
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.layouts import image_mask
from flawscope.data.layouts.mask_codes import MaskCode, scan
from flawscope.data.layouts.mask_infer import infer
from flawscope.data.layouts.pairs import find_folder_pairs, match_folders
from flawscope.errors import ImageError, LayoutError
from flawscope.images.sniff import HEAD_BYTES, expect_image
from flawscope.images.sources import load_stored
from flawscope.types import RgbImage, Sample

_BLOCKS = 10
_LOOKED_AT = 8
_LIKENESS_GAP = 0.25
"""How much more alike neighbouring slices must be than distant ones."""
_IMAGE_WORDS = ("volume", "image", "images", "raw", "stack")
_LABEL_WORDS = ("labels", "label", "masks", "mask", "gt", "segmentation")


def load_pages(path: str) -> tuple[Image.Image, ...]:
    """All pages of a TIFF; kept until other volumes are read or the file changes. Raises ImageError."""
    return _load_pages(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load_pages(path: str, changed_ns: int) -> tuple[Image.Image, ...]:
    try:
        with Path(path).open("rb") as stream:
            expect_image(path, stream.read(HEAD_BYTES))
        pages = []
        with Image.open(path) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                pages.append(image.copy())
    except ImageError:
        raise
    except Exception as error:  # Pillow raises anything on damaged files
        raise ImageError(f"{path}: truncated or damaged TIFF ({error}).\nCopy it again.") from error
    return tuple(pages)


@dataclass(frozen=True, slots=True)
class PageImage:
    """Reads one slice of a multi-page TIFF when called."""

    path: str
    page: int

    def __call__(self) -> RgbImage:
        """H x W x 3 uint8. Raises ImageError."""
        return np.array(load_pages(self.path)[self.page].convert("RGB"), np.uint8)


@dataclass(frozen=True, slots=True)
class PageMask:
    """Reads the labels of one slice when called."""

    path: str
    page: int
    code: MaskCode

    def __call__(self) -> npt.NDArray[np.uint8]:
        """H x W uint8 class index. Raises ImageError."""
        return self.code.decode(load_pages(self.path)[self.page], f"{self.path}, page {self.page + 1}")


def _page_files(root: Path) -> tuple[Path, Path] | None:
    files = sorted([*root.glob("*.tif"), *root.glob("*.tiff")])
    images = [path for path in files if _ends(path, _IMAGE_WORDS)]
    labels = [path for path in files if _ends(path, _LABEL_WORDS)]
    for image in images:
        prefix = image.stem.lower().rpartition("-")[0].rpartition("_")[0] or image.stem.lower().split("-")[0]
        partner = next((path for path in labels if path.stem.lower().startswith(prefix.split("_")[0])), None)
        if partner is not None:
            return image, partner
    return None


def _ends(path: Path, words: tuple[str, ...]) -> bool:
    return path.stem.lower().replace("-", "_").rpartition("_")[2] in words


def detect(root: Path) -> bool:
    """True for a multi-page TIFF beside its labels, or grey numbered slices whose neighbours look alike."""
    if _page_files(root) is not None:
        return True
    names = [pair.name for pair in match_folders(find_folder_pairs(root)).pairs]
    numbers = sorted(int(name) for name in names if name.isdecimal())
    if len(numbers) < _LOOKED_AT or len(numbers) < len(names):
        return False
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    images = {int(pair.name): pair.image for pair in match_folders(find_folder_pairs(root)).pairs}
    return _neighbours_alike([images[number] for number in numbers])


def _neighbours_alike(paths: list[Path]) -> bool:
    try:
        pictures = [load_stored(path) for path in [*paths[:_LOOKED_AT], *paths[-_LOOKED_AT:]]]
    except ImageError:
        return False
    if any(picture.mode not in ("L", "I;16") or picture.size != pictures[0].size for picture in pictures):
        return False
    rows = np.stack([np.asarray(picture.resize((32, 32)), np.float64).ravel() for picture in pictures])
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    likeness = rows @ rows.T
    near = [likeness[i, i + 1] for half in (0, _LOOKED_AT) for i in range(half, half + _LOOKED_AT - 1)]
    far = likeness[:_LOOKED_AT, _LOOKED_AT:]
    return float(np.mean(near)) - float(np.mean(far)) > _LIKENESS_GAP


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set. Raises LayoutError."""
    files = _page_files(root)
    dataset = _read_pages(root, files, options) if files else image_mask.read(root, options)
    if not dataset.classes_named and len(dataset.classes) == 1:
        dataset = replace(dataset, classes=(make_class(1, "cell", "area"),))
    samples = sorted(dataset, key=lambda sample: (len(sample.name), sample.name))
    block = max(1, round(len(samples) / _BLOCKS))
    grouped = (replace(sample, group=f"slices-{number // block}") for number, sample in enumerate(samples))
    return replace(dataset.with_samples(grouped), layout="volume")


def _read_pages(root: Path, files: tuple[Path, Path], options: ReadOptions) -> Dataset:
    images, labels = files
    try:
        pages, marked = load_pages(str(images)), load_pages(str(labels))
    except ImageError as error:
        raise LayoutError(str(error)) from error
    if len(pages) != len(marked) or any(
        one.size != two.size for one, two in zip(pages, marked, strict=False)
    ):
        raise LayoutError(
            f"{images}: {len(pages)} slices, {labels.name} has {len(marked)}, or their sizes differ.\n"
            "Expected as many label slices as image slices, of the same size."
        )
    names = tuple(entry.name for entry in options.description.classes)
    inferred = infer([scan(page) for page in marked], options.codes, names, str(labels))
    source = options.description.source or root.resolve().name
    samples = tuple(
        Sample(
            str(number),
            PageImage(str(images), number),
            PageMask(str(labels), number, inferred.code),
            (),
            source,
            "",
            f"{images}[{number}]",
            f"{labels}[{number}]",
        )
        for number in range(len(pages))
    )
    classes = described_classes(options.description, dict(enumerate(inferred.class_names, 1)))
    return Dataset(root, "volume", classes, "segmentation", samples, None, (), inferred.named)
