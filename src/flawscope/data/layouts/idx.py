"""Layout ``idx``: the MNIST files, gzipped or not, in either spelling of their names.

``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte``; images have the magic number 2051, labels 2049,
all numbers big-endian. The files' own parts, train and test (``t10k``), are the default split.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset
from flawscope.data.description import ReadOptions, described_classes
from flawscope.data.layouts.rows import Refusals
from flawscope.data.split_file import Split
from flawscope.errors import DataError, ImageError, LayoutError
from flawscope.types import ClassInfo, RgbImage, Sample

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
_PARTS = {"train": "train", "t10k": "test"}
PREFIX_OF_PART = {part: prefix for prefix, part in _PARTS.items()}
_LARGEST = 4_000_000_000
"""No archive may unpack to more bytes than this."""


@dataclass(frozen=True, slots=True)
class IdxImage:
    """Reads one image out of a file of many when called; the file is unpacked once a process."""

    path: str
    index: int

    def __call__(self) -> RgbImage:
        """H x W x 3 uint8, three equal channels. Raises ImageError."""
        try:
            grey = load_images(self.path)[self.index]
        except DataError as error:
            raise ImageError(str(error)) from error
        return np.repeat(grey[:, :, None], 3, axis=2)


def _unpack(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as stream:
            return stream.read(_LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: truncated or damaged ({error}).\nExpected a whole IDX file; copy it again."
        ) from error


def _checked(path: Path, magic: int, dimensions: int) -> tuple[npt.NDArray[np.uint8], tuple[int, ...]]:
    content = _unpack(path)
    head = 4 * (1 + dimensions)
    if len(content) < head:
        raise DataError(f"{path}: has {len(content)} bytes.\nExpected a header of {head}.")
    found, *shape = struct.unpack(f">{1 + dimensions}I", content[:head])
    if found != magic:
        raise DataError(f"{path}: the magic number is {found}.\nExpected {magic} (big-endian).")
    need = int(np.prod(shape, dtype=np.int64))
    if len(content) - head != need:
        raise DataError(
            f"{path}: {' x '.join(map(str, shape))} values are announced, {len(content) - head} are there.\n"
            f"Expected {need}; the file is truncated or its header wrong."
        )
    return np.frombuffer(content, np.uint8, offset=head), tuple(shape)


def load_images(path: str) -> npt.NDArray[np.uint8]:
    """Images of a file, N x H x W uint8, read-only; kept while the file stays the same. Raises DataError."""
    return _load_images(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load_images(path: str, changed_ns: int) -> npt.NDArray[np.uint8]:
    values, shape = _checked(Path(path), IMAGES_MAGIC, 3)
    return values.reshape(shape)


def load_labels(path: str | Path) -> npt.NDArray[np.uint8]:
    """Labels of a file, N uint8. Raises DataError."""
    return _checked(Path(path), LABELS_MAGIC, 1)[0]


def _find(root: Path, prefix: str, what: str) -> Path | None:
    stems = [
        f"{prefix}-{what}{joint}idx{number}-ubyte"
        for joint in "-."
        for number in (3 if what == "images" else 1,)
    ]
    paths = [root / (stem + end) for stem in stems for end in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def detect(root: Path) -> bool:
    """True when there is a file of images by its name."""
    return any(_find(root, prefix, "images") for prefix in _PARTS)


def read(root: Path, options: ReadOptions) -> Dataset:
    """Read the data set.

    Raises:
        LayoutError: images without labels or the reverse, or neither.
        DataError: a wrong magic number or count, or a truncated file.
    """
    refused = Refusals(options.skip_bad)
    samples: list[Sample] = []
    parts: dict[str, tuple[str, ...]] = {}
    top = 0
    source = options.description.source or root.resolve().name
    for prefix, part in _PARTS.items():
        try:
            found = _read_part(root, prefix)
        except (DataError, LayoutError) as error:
            # A file of many images is good or bad as a whole; without --skip-bad the first bad one is told.
            if not options.skip_bad:
                raise
            refused.add("", str(error).replace("\n", " ") + f" (the part {part} is left out)")
            continue
        if found is None:
            continue
        images, classes = found
        top = max([top, *classes])
        names = tuple(f"{part}/{number:05d}" for number in range(len(classes)))
        parts[part] = names
        for number, (name, label) in enumerate(zip(names, classes, strict=True)):
            reader = IdxImage(str(images), number)
            samples.append(Sample(name, reader, None, (label,), source, "", f"{images}[{number}]"))
    if not samples:
        raise LayoutError(f"{root}: is no idx set.\nExpected train-images-idx3-ubyte(.gz) and its labels.")
    own = Split(parts=parts) if len(parts) > 1 else None
    classes_of_set = _classes(options, top)
    problems = tuple(refused.settle(root))
    return Dataset(root, "idx", classes_of_set, "classification", tuple(samples), own, problems, True)


def _read_part(root: Path, prefix: str) -> tuple[Path, list[int]] | None:
    """The file of images of a part, and its labels; None where there is neither. Raises as ``read``."""
    images, labels = _find(root, prefix, "images"), _find(root, prefix, "labels")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        absent, there = ("images", labels) if images is None else ("labels", images)
        raise LayoutError(
            f"{there}: there are no {absent} beside it.\nExpected {prefix}-{absent}-idx...-ubyte."
        )
    count, classes = len(load_images(str(images))), load_labels(labels)
    if count != len(classes):
        raise DataError(
            f"{images}: {count} images, but {len(classes)} labels in {labels.name}.\n"
            "Expected a label an image."
        )
    return images, classes.tolist()


def _classes(options: ReadOptions, top: int) -> tuple[ClassInfo, ...]:
    given = options.description.classes
    count = max(top + 1, len(given))
    names = {number: given[number].name if number < len(given) else str(number) for number in range(count)}
    return described_classes(options.description, names, "image")
