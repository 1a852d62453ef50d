"""Any Pillow image to 8-bit RGB, a band at a time, the same whichever bands are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.types import RgbImage

BYTES_PER_PX: dict[str, int] = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes that Pillow keeps for a decoded pixel; every other mode takes four."""

Rule = Literal["plain", "alpha", "linear"]

_ALPHA_MODES = frozenset({"LA", "PA", "La", "RGBA", "RGBa"})
_NUMBER_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one image becomes 8-bit RGB: chosen once for the whole image, then applied to its bands."""

    rule: Rule = "plain"
    low: float = 0.0
    high: float = 255.0
    note: str = ""


def plan(image: Image.Image) -> Conversion:
    """Choose the conversion of a loaded image.

    Numbers wider than 8 bits are scaled linearly: the smallest of 8, 10, 12, 14, 16, 24 or 32 bits that holds
    the largest value becomes the full range, so that a 12-bit camera stored in 16 bits is not dark.
    Floats in 0..1 keep that range; other floats and negative numbers are stretched from least to largest.
    """
    mode = image.mode
    if mode in _NUMBER_MODES:
        return _plan_numbers(image)
    if mode in _ALPHA_MODES or "transparency" in image.info:
        if _is_opaque(image):
            return Conversion(note="palette expanded to RGB" if mode in ("P", "PA") else "")
        kind = "palette with alpha" if mode in ("P", "PA") else "alpha channel"
        return Conversion("alpha", note=f"{kind} laid over white")
    if mode == "1":
        return Conversion(note="1-bit image expanded to 8 bits")
    if mode == "P":
        return Conversion(note="palette expanded to RGB")
    if mode not in ("L", "RGB"):
        return Conversion(note=f"{mode} converted to RGB")
    return Conversion()


def _is_opaque(image: Image.Image) -> bool:
    if image.mode == "P":
        return False
    if image.mode in _ALPHA_MODES:
        low = image.getchannel("A" if "A" in image.getbands() else "a").getextrema()[0]
        return isinstance(low, int | float) and low >= 255
    return False


def _plan_numbers(image: Image.Image) -> Conversion:
    extrema = image.getextrema()
    low, high = (float(value) for value in extrema if isinstance(value, int | float))
    if image.mode == "F" and low >= 0 and high <= 1:
        return Conversion("linear", 0.0, 1.0, "floating-point values 0..1 scaled to 8 bits")
    if image.mode == "F" or low < 0:
        return Conversion("linear", low, high, f"values {low:g}..{high:g} scaled to 8 bits")
    bits = next(bits for bits in (8, 10, 12, 14, 16, 24, 32) if high < 2**bits)
    name = "16-bit" if image.mode != "I" or bits <= 16 else "32-bit"
    return Conversion("linear", 0.0, 2.0**bits - 1, f"{name} grey scaled to 8 bits from {bits} used bits")


def to_rgb(image: Image.Image, conversion: Conversion) -> RgbImage:
    """Convert a (part of a) loaded image to H x W x 3 uint8 RGB by a conversion made by ``plan``."""
    if conversion.rule == "linear":
        return _linear(np.asarray(image), conversion)
    if conversion.rule == "alpha":
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(ground, rgba).convert("RGB"), dtype=np.uint8)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _linear(values: npt.NDArray[np.generic], conversion: Conversion) -> RgbImage:
    span = max(conversion.high - conversion.low, 1e-12)
    scaled = (values.astype(np.float64) - conversion.low) * (255.0 / span)
    grey = np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
