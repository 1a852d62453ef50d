"""The compressed counts of COCO masks: numbers of six bits a character, differences from the third count on.

Format of the COCO API (Lin et al., ECCV 2014): little-endian groups of five bits, the sixth says that more
follow, each group stored as the character with the code 48 + group; the sign of the last group is extended;
from the fourth count on the difference to the count two before is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

_BASE = 48
_MORE = 0x20
_SIGN = 0x10


def compress(counts: Sequence[int]) -> str:
    """Counts (off and on in turn) to the compressed string."""
    out = bytearray()
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            group = value & 0x1F
            value >>= 5
            if value == (-1 if group & _SIGN else 0):
                out.append(group + _BASE)
                break
            out.append((group | _MORE) + _BASE)
    return out.decode("ascii")


def expand(text: str) -> list[int]:
    """The compressed string to counts.

    Raises:
        ValueError: a character out of range, or the string breaks off inside a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text.strip():
        group = ord(character) - _BASE
        if not 0 <= group < 64:
            raise ValueError(f"'{character}' is no character of a compressed mask")
        value |= (group & 0x1F) << shift
        shift += 5
        if group & _MORE:
            continue
        if group & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the compressed mask breaks off inside a number")
    return counts
