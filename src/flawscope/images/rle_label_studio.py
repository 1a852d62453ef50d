"""Brush labels of Label Studio: an RGBA picture, packed bit by bit (the rle-pack format of thi.ng).

Header: 32 bits number of values, 5 bits word size - 1, four times 4 bits run size - 1. Then blocks: 1 bit
kind (1 = one value repeated, 0 = values one by one), 2 bits which run size, so many bits length - 1, values.
A pixel has four equal values, 255 where it is marked; pixels run along the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CHANNELS = 4
_WORD_BITS = 8
_RUN_BITS = (3, 4, 8, 16)
_HEADER_BITS = 32 + 5 + 4 * len(_RUN_BITS)
_MARKED_ABOVE = 127


def pack(counts: Sequence[int], pixels: int) -> list[int]:
    """Runs of pixels (off and on in turn) to the bytes of a brush label."""
    bits = [f"{pixels * _CHANNELS:032b}", f"{_WORD_BITS - 1:05b}", *(f"{size - 1:04b}" for size in _RUN_BITS)]
    for place, count in enumerate(counts):
        value = f"{255 * (place % 2):08b}"
        left = count * _CHANNELS
        while left:
            run = min(left, 1 << _RUN_BITS[-1])
            index = next(index for index, size in enumerate(_RUN_BITS) if run <= 1 << size)
            bits.append(f"1{index:02b}{run - 1:0{_RUN_BITS[index]}b}{value}")
            left -= run
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


class _Bits:
    """Reads numbers of any width from bytes."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(map("{:08b}".format, data))
        self._at = 0

    def read(self, width: int) -> int:
        end = self._at + width
        if end > len(self._bits):
            raise ValueError("the brush label breaks off.\nExpected all of its bytes.")
        value = int(self._bits[self._at : end], 2)
        self._at = end
        return value


def unpack(numbers: Sequence[int], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Bytes of a brush label to H x W uint8, 0 or 1 (marked where the last channel is above 127).

    Raises:
        ValueError: no bytes, broken off, or not of this size.
    """
    try:
        data = bytes(iter(numbers))  # of a bare number, bytes() would make so many zeros
    except (TypeError, ValueError):
        raise ValueError("is no list of bytes.\nExpected numbers 0 to 255.") from None
    if len(data) * 8 < _HEADER_BITS:
        raise ValueError(f"{len(data)} bytes.\nExpected a brush label, which has a header of 7.")
    bits = _Bits(data)
    total, word = bits.read(32), bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    expected = size_hw[0] * size_hw[1] * _CHANNELS
    if total != expected:
        raise ValueError(
            f"the brush label has {total} values.\n"
            f"Expected {expected}, 4 for each of {size_hw[1]} x {size_hw[0]} px."
        )
    values = np.zeros(total, np.uint8)
    at = 0
    while at < total:
        repeated = bits.read(1)
        end = at + 1 + bits.read(sizes[bits.read(2)])
        if end > total:
            raise ValueError("a run goes past the end of the picture.\nExpected runs that fill it exactly.")
        if repeated:
            values[at:end] = min(bits.read(word), 255)
        else:
            values[at:end] = [min(bits.read(word), 255) for _ in range(end - at)]
        at = end
    alpha = values.reshape(*size_hw, _CHANNELS)[..., -1]
    return (alpha > _MARKED_ABOVE).astype(np.uint8)
