"""Copies and near-copies: the same photograph twice, byte for byte or saved anew.

A perceptual hash (an 8 x 8 grey thumbnail, mean and contrast removed) proposes pairs by correlation; a
64 x 64 thumbnail then checks them. Whole-picture correlation alone is not enough: two steel strips with the
same black border or bright weld agree well, so most of the 64 small blocks must agree on their own as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.types import RgbImage

_EDGE = 64
_HASH_EDGE = 8
_HASH_MIN = 0.90
_WHOLE_MIN = 0.95
_SMALLEST_EDGE_PX = 32
"""Smaller pictures (digits) are alike without being copies; only exact copies are looked for among them."""
_BLOCK_MIN = 0.60
_ROWS_AT_ONCE = 256

NO_THUMBNAIL: npt.NDArray[np.uint8] = np.zeros((_EDGE, _EDGE), np.uint8)
"""One for all pictures that are too small: thousands of digits share it."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What is kept of an image to find its copies: about 4 KB."""

    digest: bytes
    """Hash of size and pixels."""
    thumbnail: npt.NDArray[np.uint8]
    """64 x 64 grey; all zero (like nothing else) for pictures under 32 px."""

    @property
    def has_thumbnail(self) -> bool:
        """False for pictures that are too small, or of one colour, to be a near-copy of another."""
        return self.thumbnail is not NO_THUMBNAIL and bool(self.thumbnail.any())

    def __reduce__(self) -> tuple[object, ...]:
        """A worker process sends no thumbnail where there is none, and the reader shares one for all."""
        if self.has_thumbnail:
            return Fingerprint, (self.digest, self.thumbnail)
        return _without_thumbnail, (self.digest,)


def _without_thumbnail(digest: bytes) -> Fingerprint:
    return Fingerprint(digest, NO_THUMBNAIL)


def fingerprint(image: RgbImage) -> Fingerprint:
    """Fingerprint of an image H x W x 3 uint8."""
    content = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    content.update(image.tobytes())
    if min(image.shape[:2]) < _SMALLEST_EDGE_PX:
        return _without_thumbnail(content.digest())
    grey = Image.fromarray(image).convert("L").resize((_EDGE, _EDGE), Image.Resampling.BOX)
    return Fingerprint(content.digest(), np.asarray(grey))


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows less their mean, of length 1 (0 where a row is flat): their dot product is the correlation."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.where(length > 1e-3, rows / np.maximum(length, 1e-3), 0).astype(
        np.float32
    )
    return unit


def _shrink(thumbnails: npt.NDArray[np.float32], edge: int) -> npt.NDArray[np.float32]:
    step = thumbnails.shape[1] // edge
    small: npt.NDArray[np.float32] = thumbnails.reshape(-1, edge, step, edge, step).mean(axis=(2, 4))
    return small


def _blocks(thumbnails: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """N x 64 blocks x 64 values."""
    count = len(thumbnails)
    split = thumbnails.reshape(count, 8, 8, 8, 8).transpose(0, 1, 3, 2, 4)
    return split.reshape(count, 64, 64)


def _detail(thumbnails: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Thumbnails less their coarse content: brightness gradients and shadows agree too easily."""
    coarse = _shrink(thumbnails, _HASH_EDGE)
    return thumbnails - coarse.repeat(_EDGE // _HASH_EDGE, axis=1).repeat(_EDGE // _HASH_EDGE, axis=2)


def _is_same(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Check pairs of thumbnails, P x 64 x 64 each."""
    one, two = left.astype(np.float32), right.astype(np.float32)
    pairs = len(one)
    whole = (_unit(one.reshape(pairs, -1)) * _unit(two.reshape(pairs, -1))).sum(axis=1)
    fine = (_unit(_detail(one).reshape(pairs, -1)) * _unit(_detail(two).reshape(pairs, -1))).sum(axis=1)
    block = (_unit(_blocks(one)) * _unit(_blocks(two))).sum(axis=2)
    agree: npt.NDArray[np.bool_] = (
        (whole > _WHOLE_MIN) & (fine > _WHOLE_MIN) & (np.median(block, axis=1) > _BLOCK_MIN)
    )
    return agree


def near_copies(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs (i < j) of images that show the same photograph, exact copies left out.

    Works in stripes of rows: memory stays small, time grows with the square of the number of images
    (12,568 images: a few seconds).
    """
    # Digits and blank pictures have none; there may be many of them.
    places = [number for number, item in enumerate(prints) if item.has_thumbnail]
    if len(places) < 2:
        return []
    thumbnails = np.stack([prints[number].thumbnail for number in places])
    small = np.concatenate([_shrink(part.astype(np.float32), _HASH_EDGE) for part in _stripes(thumbnails)])
    hashes = _unit(small.reshape(len(small), -1))
    middle = np.concatenate([_middle(part.astype(np.float32)) for part in _stripes(thumbnails)])
    digests = [prints[number].digest for number in places]
    found: list[tuple[int, int]] = []
    for start in range(0, len(places), _ROWS_AT_ONCE):
        likeness = hashes[start : start + _ROWS_AT_ONCE] @ hashes[start:].T
        rows, columns = np.nonzero(likeness > _HASH_MIN)
        rows, columns = rows[columns > rows] + start, columns[columns > rows] + start
        keep = np.zeros(len(rows), np.bool_)
        for part in _slices(len(rows), 16 * _ROWS_AT_ONCE):
            keep[part] = (middle[rows[part]] * middle[columns[part]]).sum(axis=1) > _HASH_MIN
        rows, columns = rows[keep], columns[keep]
        for part in _slices(len(rows), _ROWS_AT_ONCE):
            some, others = rows[part], columns[part]
            same = _is_same(thumbnails[some], thumbnails[others])
            pairs = zip(some[same].tolist(), others[same].tolist(), strict=True)
            found += [(places[i], places[j]) for i, j in pairs if digests[i] != digests[j]]
    return found


def _stripes(thumbnails: npt.NDArray[np.uint8]) -> Iterable[npt.NDArray[np.uint8]]:
    return (thumbnails[part] for part in _slices(len(thumbnails), _ROWS_AT_ONCE))


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _middle(thumbnails: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Detail at 16 x 16, as unit rows: a cheap second look at the pairs that the hash proposes."""
    shrunk = _shrink(thumbnails, 16)
    coarse = shrunk.reshape(-1, 4, 4, 4, 4).mean(axis=(2, 4)).repeat(4, axis=1).repeat(4, axis=2)
    return _unit((shrunk - coarse).reshape(len(shrunk), -1))


def exact_copies(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs (first, other) of images with the same pixels."""
    first: dict[bytes, int] = {}
    pairs = []
    for number, item in enumerate(prints):
        earlier = first.setdefault(item.digest, number)
        if earlier != number:
            pairs.append((earlier, number))
    return pairs


def tie(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of ``count`` items the lowest item it is tied to, directly or through others (union-find)."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, two in pairs:
        low, high = sorted((root(one), root(two)))
        parent[high] = low
    return [root(item) for item in range(count)]
