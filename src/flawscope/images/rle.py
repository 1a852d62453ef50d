"""Masks as run-length text, in the dialects that annotation tools and competitions use.

=================  =====================================================================================
``severstal``      ``start length start length ...``, starts from 1, down the columns first
``coco``           the compressed ``counts`` string of a COCO RLE; reads a list of counts as well
``coco-counts``    the plain list of counts (JSON), off and on in turn from off, down the columns first
``label-studio``   the bytes of a brush label (JSON list): a packed RGBA picture, along the rows
``cvat``           counts inside the bounding box, along the rows, then left, top, right, bottom (inclusive)
=================  =====================================================================================

An empty ``severstal`` or ``cvat`` text is an empty mask. Text that overlaps, runs outside, is out of order,
or holds anything but such numbers is refused; ``where`` names the file and row in the message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.errors import DataError, UsageError
from flawscope.images import rle_coco, rle_label_studio

BinaryMask = npt.NDArray[np.uint8]
"""H x W uint8, 0 or 1."""

RleText = str | Sequence[int] | Mapping[str, Any]
"""Text as written in a file, or what a JSON reader made of it: counts, or ``{"size": .., "counts": ..}``."""

__all__ = ["DIALECTS", "build_mask", "build_rles", "decode_rle", "encode_rle", "mask2rle", "rle2mask"]


def encode_rle(mask: npt.ArrayLike, dialect: str = "severstal") -> str:
    """Write a mask as run-length text.

    Args:
        mask: H x W, every value but 0 counts as marked.
        dialect: a key of ``DIALECTS``.

    Raises:
        UsageError: an unknown dialect, or not two dimensions.

    >>> import numpy as np
    >>> encode_rle(np.array([[0, 1], [1, 1]]))
    '2 3'
    """
    values = np.asarray(mask)
    if values.ndim != 2:
        raise UsageError(f"A mask of {values.ndim} dimensions cannot be encoded.\nExpected rows x columns.")
    return _dialect(dialect)[0](values if values.dtype == np.bool_ else values != 0)


def decode_rle(
    text: RleText, size_hw: tuple[int, int], dialect: str = "severstal", where: str = ""
) -> BinaryMask:
    """Read a mask from run-length text.

    Args:
        text: the text, or the list or mapping that JSON made of it.
        size_hw: height and width of the mask.
        dialect: a key of ``DIALECTS``.
        where: file and row for messages.

    Returns:
        H x W uint8, 0 or 1 (column-major dialects give an array in Fortran order).

    Raises:
        DataError: the text is no such text or does not fit the size.
        UsageError: an unknown dialect.

    >>> decode_rle("2 3", (2, 2)).tolist()
    [[0, 1], [1, 1]]
    """
    read = _dialect(dialect)[1]
    try:
        return read(text, size_hw)
    except RleError as error:
        place = where or f"run-length text ({dialect})"
        raise DataError(f"{place}: {error}") from None


class RleError(ValueError):
    """What is wrong with a text, before anyone knows where it stood."""


def build_mask(
    rles: Sequence[str | None], size_hw: tuple[int, int], dialect: str = "severstal", where: str = ""
) -> BinaryMask:
    """One text a class (None or empty: no defect) to a stack H x W x C uint8. Raises DataError."""
    stack = np.zeros((*size_hw, len(rles)), np.uint8)
    for channel, text in enumerate(rles):
        if text:
            stack[..., channel] = decode_rle(text, size_hw, dialect, where)
    return stack


def build_rles(stack: npt.ArrayLike, dialect: str = "severstal") -> list[str]:
    """A stack H x W x C to one text a class; the reverse of ``build_mask``. Raises UsageError."""
    values = np.asarray(stack)
    if values.ndim != 3:
        raise UsageError(f"A stack of {values.ndim} dimensions.\nExpected rows x columns x classes.")
    return [encode_rle(values[..., channel], dialect) for channel in range(values.shape[2])]


mask2rle = encode_rle
"""The name that competition code knows ``encode_rle`` by."""
rle2mask = decode_rle


def _runs(flat: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Starts and ends (exclusive) of the marked runs of a flat mask."""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        changes = np.concatenate(([0], changes))
    if len(changes) % 2:
        changes = np.concatenate((changes, [flat.size]))
    return changes[0::2], changes[1::2]


def _counts(flat: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs, off and on in turn, the first one off (perhaps 0)."""
    starts, ends = _runs(flat)
    edges = np.empty(2 * len(starts) + 2, np.intp)
    edges[0], edges[1:-1:2], edges[2:-1:2], edges[-1] = 0, starts, ends, flat.size
    counts: list[int] = np.diff(edges).tolist()
    # A mask that ends marked has no last run of unmarked pixels.
    return counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts


def _fill(starts: Sequence[int], ends: Sequence[int], size: int) -> BinaryMask:
    flat = np.zeros(size, np.uint8)
    for start, end in zip(starts, ends, strict=True):
        flat[start:end] = 1
    return flat


def _from_counts(counts: Sequence[int], size: int) -> BinaryMask:
    if any(not isinstance(count, int) or isinstance(count, bool) or count < 0 for count in counts):
        raise RleError("a count is negative or no whole number.\nExpected counts of pixels.")
    if any(count == 0 for count in counts[1:]):
        raise RleError("a run has length 0.\nExpected at least 1 (only the first count may be 0).")
    total = sum(counts)
    if total != size:
        found = total if total < 1 << 63 else "more than any image has"
        raise RleError(f"the counts sum to {found}.\nExpected {size}, the pixels of the mask.")
    edges = np.cumsum(np.asarray(counts, dtype=np.int64)) if len(counts) else np.zeros(1, np.int64)
    return _fill(edges[0:-1:2].tolist(), edges[1::2].tolist(), size)


def _numbers(text: object, signed: bool = False) -> npt.NDArray[np.int64]:
    """Whole numbers, separated by spaces or commas."""
    if not isinstance(text, str):
        raise RleError(f"found {type(text).__name__}.\nExpected text of whole numbers.")
    allowed = b"0123456789 ,-\t\r\n" if signed else b"0123456789 \t\r\n"
    strange = text.encode("utf-8", "replace").strip(allowed)
    if strange:
        words = text.split()
        shown = next((word for word in words if not word.isdecimal()), strange.decode("utf-8", "replace"))
        raise RleError(f"'{shown[:20]}' is no positive whole number.\nExpected such numbers between spaces.")
    spaced = text.replace(",", " ")
    try:
        numbers: npt.NDArray[np.int64] = np.fromstring(spaced, dtype=np.int64, sep=" ")
        return numbers
    except (ValueError, OverflowError):
        raise RleError("a number is out of range.\nExpected whole numbers.") from None


def _encode_severstal(mask: npt.NDArray[np.bool_]) -> str:
    starts, ends = _runs(mask.ravel(order="F"))
    pairs = np.stack([starts + 1, ends - starts], axis=1)
    return " ".join(map(str, pairs.ravel().tolist()))


def _decode_severstal(text: RleText, size_hw: tuple[int, int]) -> BinaryMask:
    numbers = _numbers(text)
    height, width = size_hw
    size = height * width
    if len(numbers) % 2:
        raise RleError(f"{len(numbers)} numbers.\nExpected an even count: start length start length ...")
    starts, lengths = numbers[0::2] - 1, numbers[1::2]
    ends = starts + lengths
    if len(numbers):
        _check_runs(starts, lengths, ends, size_hw)
    return _fill(starts.tolist(), ends.tolist(), size).reshape(width, height).T


def _check_runs(
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    size_hw: tuple[int, int],
) -> None:
    size = size_hw[0] * size_hw[1]
    if (lengths < 1).any():
        number = int((lengths < 1).argmax())
        raise RleError(f"run {number + 1} has length {int(lengths[number])}.\nExpected at least 1.")
    if starts[0] < 0:
        raise RleError("a run starts at 0.\nExpected starts from 1.")
    disorder = starts[1:] < ends[:-1]
    if disorder.any():
        number = int(disorder.argmax())
        how = "overlaps" if starts[number + 1] >= starts[number] else "comes before"
        raise RleError(
            f"run {number + 2} (at {int(starts[number + 1]) + 1}) {how} the run before it.\n"
            "Expected runs in rising order, apart from each other."
        )
    # Starts are in order, and an overflowing length would have broken that; the last end is the largest.
    if ends[-1] > size or ends[-1] < 0:
        raise RleError(
            f"the last run ends at {int(ends[-1])}.\n"
            f"Expected at most {size}, for {size_hw[1]} x {size_hw[0]} px."
        )


def _encode_coco(mask: npt.NDArray[np.bool_]) -> str:
    return rle_coco.compress(_counts(mask.ravel(order="F")))


def _encode_coco_counts(mask: npt.NDArray[np.bool_]) -> str:
    return json.dumps(_counts(mask.ravel(order="F")))


def _decode_coco(text: RleText, size_hw: tuple[int, int]) -> BinaryMask:
    height, width = size_hw
    if isinstance(text, Mapping):
        stated = text.get("size", [height, width])
        if not isinstance(stated, Sequence) or list(stated) != [height, width]:
            raise RleError(f"the size {stated} is stated.\nExpected {[height, width]}, the image's.")
        text = text.get("counts", "")
    if not isinstance(text, Sequence):
        raise RleError("has no counts.\nExpected the counts of a COCO mask, a list or a compressed string.")
    # A compressed string may begin with "[" too, but holds no comma, and "]" cannot be its last character.
    if isinstance(text, str) and text.lstrip()[:1] == "[" and ("," in text or text.rstrip()[-1:] == "]"):
        text = _json_list(text)
    try:
        counts: list[Any] = rle_coco.expand(text) if isinstance(text, str) else list(text)
    except ValueError as error:
        raise RleError(
            f"{error}.\nExpected the counts of a COCO mask, a list or a compressed string."
        ) from None
    return _from_counts(counts, height * width).reshape(width, height).T


def _json_list(text: str) -> list[int]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise RleError("is no JSON list.\nExpected a list of whole numbers.")
    return found


def _encode_label_studio(mask: npt.NDArray[np.bool_]) -> str:
    flat = mask.ravel()
    return json.dumps(rle_label_studio.pack(_counts(flat), flat.size))


def _decode_label_studio(text: RleText, size_hw: tuple[int, int]) -> BinaryMask:
    numbers = _json_list(text) if isinstance(text, str) else text
    if isinstance(numbers, Mapping):
        numbers = numbers.get("rle", [])
    try:
        return rle_label_studio.unpack(numbers, size_hw)
    except ValueError as error:
        raise RleError(str(error)) from None


def _encode_cvat(mask: npt.NDArray[np.bool_]) -> str:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ""
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    counts = _counts(mask[top : bottom + 1, left : right + 1].ravel())
    return ", ".join(map(str, [*counts, left, top, right, bottom]))


def _decode_cvat(text: RleText, size_hw: tuple[int, int]) -> BinaryMask:
    if isinstance(text, Mapping):
        raise RleError("found a mapping.\nExpected counts, then left, top, right, bottom.")
    numbers = _numbers(text, signed=True).tolist() if isinstance(text, str) else [int(n) for n in text]
    mask = np.zeros(size_hw, np.uint8)
    if not numbers:
        return mask
    if len(numbers) < 5:
        raise RleError(f"{len(numbers)} numbers.\nExpected counts, then left, top, right, bottom.")
    left, top, right, bottom = numbers[-4:]
    if not (0 <= left <= right < size_hw[1] and 0 <= top <= bottom < size_hw[0]):
        raise RleError(
            f"the box {left}, {top}, {right}, {bottom} does not lie in the image.\n"
            f"Expected left, top, right, bottom within {size_hw[1]} x {size_hw[0]} px."
        )
    box_hw = (bottom - top + 1, right - left + 1)
    inside = _from_counts(numbers[:-4], box_hw[0] * box_hw[1])
    mask[top : bottom + 1, left : right + 1] = inside.reshape(box_hw)
    return mask


Encoder = Callable[[npt.NDArray[np.bool_]], str]
Decoder = Callable[[RleText, tuple[int, int]], BinaryMask]

DIALECTS: dict[str, tuple[Encoder, Decoder]] = {
    "severstal": (_encode_severstal, _decode_severstal),
    "coco": (_encode_coco, _decode_coco),
    "coco-counts": (_encode_coco_counts, _decode_coco),
    "label-studio": (_encode_label_studio, _decode_label_studio),
    "cvat": (_encode_cvat, _decode_cvat),
}
"""Name -> writer and reader."""


def _dialect(name: str) -> tuple[Encoder, Decoder]:
    if name not in DIALECTS:
        raise UsageError(f"There is no run-length dialect '{name}'.\nExpected one of: {', '.join(DIALECTS)}.")
    return DIALECTS[name]
