"""Any Pillow image to 8-bit RGB, a band at a time, the same whichever bands are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import ImageError
from flawscope.types import RgbImage

BYTES_PER_PX: dict[str, int] = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes that Pillow keeps for a decoded pixel; every other mode takes four."""

Rule = Literal["plain", "alpha", "linear"]

_ALPHA_MODES = frozenset({"LA", "PA", "La", "RGBA", "RGBa"})
_NUMBER_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_GDAL_NO_DATA_TAG = 42113
_APART = 10
"""A lone value is no part of the picture when it lies this many times further from all other values than they
lie from one another: markers such as -9999 do, grey levels and highlights do not."""
_BAND_PX = 4_000_000
"""Pixels looked at at a time; bounds the extra memory."""


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
    What is no finite number, what a GeoTIFF declares as no data, and a lone value far from all others (a
    marker of missing data that nobody declared) do not count for that, and are noted.

    Raises:
        ImageError: no pixel holds a finite number.
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
    declared = _declared_no_data(image)
    told = ""
    if declared is not None or image.mode == "F" or low < 0:
        low, high, told = _extent(image, declared)
    if image.mode == "F" and low >= 0 and high <= 1:
        return Conversion("linear", 0.0, 1.0, f"floating-point values 0..1 scaled to 8 bits{told}")
    if image.mode == "F" or low < 0:
        return Conversion("linear", low, high, f"values {low:g}..{high:g} scaled to 8 bits{told}")
    bits = next(bits for bits in (8, 10, 12, 14, 16, 24, 32) if high < 2**bits)
    name = "16-bit" if image.mode != "I" or bits <= 16 else "32-bit"
    return Conversion(
        "linear", 0.0, 2.0**bits - 1, f"{name} grey scaled to 8 bits from {bits} used bits{told}"
    )


def _declared_no_data(image: Image.Image) -> float | None:
    """The value that a GeoTIFF declares as no data."""
    try:
        value = float(str(getattr(image, "tag_v2", {}).get(_GDAL_NO_DATA_TAG)).strip("\0 "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _extent(image: Image.Image, declared: float | None) -> tuple[float, float, str]:
    """Least and largest value of the picture proper, and what to say of the pixels that were left out."""
    left_out = [] if declared is None else [declared]
    low, high, endless = _finite_extrema(image, left_out)
    if low > high and left_out:  # nothing else in it: the declaration helps nobody
        left_out = []
        low, high, endless = _finite_extrema(image, left_out)
    if low > high:
        raise ImageError(
            f"{getattr(image, 'filename', '') or 'The picture'}: none of its pixels holds a finite number.\n"
            "Expected grey levels; export it again from its source."
        )
    for end in (low, high):
        if 0 <= end <= 255:  # a grey level like any other
            continue
        inner_low, inner_high, _ = _finite_extrema(image, [*left_out, end])
        gap = max(inner_low - end, end - inner_high)
        if 0 < _APART * (inner_high - inner_low) < gap:
            left_out.append(end)
            low, high = inner_low, inner_high
    told = f"; pixels without a finite number made black ({endless})" if endless else ""
    if left_out:
        told += f"; the value {' and '.join(f'{value:g}' for value in left_out)} taken for no data"
    return low, high, told


def _finite_extrema(image: Image.Image, left_out: Sequence[float]) -> tuple[float, float, int]:
    """Least and largest finite value but those left out (inf, -inf if there is none); how many are not
    finite."""
    low, high, endless = math.inf, -math.inf, 0
    width, height = image.size
    step = max(1, _BAND_PX // max(1, width))
    for y0 in range(0, height, step):
        values = np.asarray(image.crop((0, y0, width, min(height, y0 + step))))
        finite = np.isfinite(values)
        endless += int(values.size - np.count_nonzero(finite))
        for value in left_out:
            with np.errstate(over="ignore"):  # the markers of 64-bit pictures have become infinite here
                # The tag is decimal text: only a number as exact as the pixels can be equal to them.
                finite &= values != (np.float32(value) if image.mode == "F" else value)
        if finite.any():
            low = min(low, float(values[finite].min()))
            high = max(high, float(values[finite].max()))
    return low, high, endless


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
    # What is no finite number has no grey level either: black, as the note of the conversion says.
    known = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
    grey = np.clip(np.rint(known), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
