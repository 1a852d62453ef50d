"""Colours of classes that the colour-blind can tell, and that stand out from concrete, brick and steel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flawscope.types import ClassInfo

Rgb = tuple[int, int, int]

PALETTE = ("#ffd400", "#00b4ff", "#ff6ec7", "#00d69a", "#ff8c1a", "#b59cff", "#e8f7ff", "#c4e538")
"""Bright, because outlines lie on a dark casing; hues after Okabe and Ito (2008)."""

UNSET = ClassInfo(1, "").colour
"""The colour of a class for which nobody chose one."""


def parse_colour(text: str) -> Rgb:
    """``#rrggbb`` to red, green, blue in 0..255; ValueError for anything else."""
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"{text!r} is no colour of the form #rrggbb")
    value = int(text[1:], 16)
    return value >> 16, value >> 8 & 255, value & 255


def to_hex(colour: Rgb) -> str:
    """Red, green, blue to ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def class_colours(classes: Sequence[ClassInfo]) -> dict[str, Rgb]:
    """Colour of each class by name: the one that the model chose, else the next of the palette."""
    free = iter(range(len(classes)))
    colours: dict[str, Rgb] = {}
    for info in classes:
        if info.colour.lower() == UNSET:
            colours[info.name] = parse_colour(PALETTE[next(free) % len(PALETTE)])
        else:
            colours[info.name] = parse_colour(info.colour)
    return colours


def colour_of(name: str, colours: Mapping[str, Rgb]) -> Rgb:
    """Colour of a class, also of one that the model did not declare."""
    return colours.get(name, parse_colour(PALETTE[0]))


def ink_on(colour: Rgb) -> Rgb:
    """Black or white, whichever reads better on ``colour`` (relative luminance of ITU-R BT.709)."""
    red, green, blue = colour
    return (16, 16, 16) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 110 else (255, 255, 255)
