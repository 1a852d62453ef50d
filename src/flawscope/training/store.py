"""Decoded images, kept in memory up to a limit, ready to be cropped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import DataError
from flawscope.inspection.preprocess import network_size_hw, resize_for
from flawscope.manifest import InputSpec
from flawscope.types import IGNORE_INDEX, Mask, RgbImage, Sample

_MAX_POSITIVES = 50_000
"""Positive pixels remembered per class and image; a crop's centre needs no more."""
_PROBE = 8
"""Pictures whose mean size stands for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded image with its truth."""

    image: RgbImage
    """H x W x 3 uint8."""
    mask: Mask
    """H x W uint8 class index, 255 = ignore; or H x W x K bool."""
    positives: tuple[npt.NDArray[np.int32], ...]
    """For each class that occurs: flat pixel positions (row * W + column)."""

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.image.nbytes + self.mask.nbytes + sum(p.nbytes for p in self.positives)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture comes from: decoded on demand, the same every time. Worker processes can have it."""

    name: str
    load: Callable[[], tuple[RgbImage, Mask]]
    source: str = ""
    weight: float = 1.0
    """How often it is drawn, against others; see ``CropDataset``."""


def make_picture(image: RgbImage, mask: Mask) -> Picture:
    """Find the positive pixels of a decoded image."""
    if mask.ndim == 3:
        found = [np.flatnonzero(mask[..., k]) for k in range(mask.shape[2])]
    else:
        # Little is marked in most images, so only that is looked at more than once.
        marked = np.flatnonzero(mask != 0)  # ten times faster on truth values than on numbers
        values = mask.ravel()[marked]
        present = np.flatnonzero(np.bincount(values, minlength=256))
        found = [marked[values == value] for value in present if value != IGNORE_INDEX]
    kept = tuple(p[:: -(-len(p) // _MAX_POSITIVES)].astype(np.int32) for p in found if len(p))
    # Torch shares memory with arrays and wants it writable, which Pillow's is not.
    image, mask = (np.require(array, requirements=["C", "W"]) for array in (image, mask))
    return Picture(image, mask, kept)


def sample_source(sample: Sample, spec: InputSpec | None = None) -> Source:
    """Return the source of a labelled sample, on the network's grid (``mode = resize`` resizes here).

    Without ``spec`` it stays on its own grid.
    """
    return Source(sample.name, partial(_load_sample, sample, spec), sample.source)


def image_source(sample: Sample, spec: InputSpec | None = None) -> Source:
    """Return the source of an image without a mask, as ``sample_source``; its mask is empty."""
    return Source(sample.name, partial(_load_image, sample, spec), sample.source)


def _load_image(sample: Sample, spec: InputSpec | None) -> tuple[RgbImage, Mask]:
    image = sample.image() if spec is None else resize_for(sample.image(), spec)
    return image, np.zeros(image.shape[:2], np.uint8)


def _load_sample(sample: Sample, spec: InputSpec | None) -> tuple[RgbImage, Mask]:
    image, mask = sample.image(), sample.mask
    if mask is None:
        raise DataError(
            f"{sample.name} has no mask, and training needs one.\n"
            "Leave it out by a split file, or with --skip-bad."
        )
    if mask.shape[:2] != image.shape[:2]:
        raise DataError(
            f"{sample.name}: the image is {image.shape[1]} x {image.shape[0]} px and its mask "
            f"{mask.shape[1]} x {mask.shape[0]} px.\nThey must be of one size; mend it, or use --skip-bad."
        )
    if spec is None or spec.mode == "tile":
        return image, mask
    size_hw = network_size_hw((image.shape[0], image.shape[1]), spec)
    return resize_for(image, spec), _resize_mask(mask, size_hw)


def _resize_mask(mask: Mask, size_hw: tuple[int, int]) -> Mask:
    """Nearest-neighbour resize; thin lines may lose pixels, as they do for every resized network."""
    if mask.ndim == 3:
        planes = [_resize_mask(mask[..., k].astype(np.uint8), size_hw) > 0 for k in range(mask.shape[2])]
        return np.stack(planes, axis=-1)
    resized = Image.fromarray(mask.astype(np.uint8)).resize(
        (size_hw[1], size_hw[0]), Image.Resampling.NEAREST
    )
    return np.asarray(resized)


class PictureStore:
    """Pictures by number. Keeps the most recently used ones, up to ``limit_bytes``."""

    def __init__(self, sources: Sequence[Source], limit_bytes: int) -> None:
        self.sources: list[Source] = list(sources)
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[int, Picture] = OrderedDict()
        self._bytes = 0
        self._block: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A worker process decodes for itself: sending what is decoded would take longer.
        return {**self.__dict__, "_kept": OrderedDict(), "_bytes": 0}

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Picture:
        """Return picture ``index``. Raises DataError or ImageError where it cannot be read."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        picture = make_picture(*self.sources[index].load())
        self._kept[index] = picture
        self._bytes += picture.nbytes
        while self._bytes > self._limit_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return picture

    def replace(self, index: int, source: Source) -> None:
        """Put another picture in place of ``index``."""
        self.sources[index] = source
        old = self._kept.pop(index, None)
        self._bytes -= old.nbytes if old else 0

    def warm(self) -> bool:
        """Decode ahead until the limit; return whether everything is in memory now."""
        for index in range(len(self)):
            if self._bytes > 0.95 * self._limit_bytes:
                return len(self._kept) == len(self)
            self[index]
        return len(self._kept) == len(self)

    def block_size(self) -> int:
        """Pictures that fit into memory together, judged by the first few: the same at every call."""
        if self._block is None:
            probe = [self[index].nbytes for index in range(min(_PROBE, len(self)))]
            mean_bytes = sum(probe) / max(1, len(probe))
            fitting = int(0.9 * self._limit_bytes / max(1.0, mean_bytes))
            self._block = max(1, min(len(self), fitting))
        return self._block
