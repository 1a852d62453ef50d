"""What a network looks at, over the photograph: a panel a map, its name and its range, on one picture."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from flawscope.images.atomic import write_bytes_atomic
from flawscope.types import FloatArray, RgbImage

_ANCHORS = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float32
)
"""Colours from closed to open, dark to light, told apart by the colour-blind (matplotlib's viridis)."""

_HEAT = 0.6
_LEAST_SPAN = 0.05
"""Colours run over at least so much of a map's range, so that a flat map looks flat."""
_GAP_PX = 12
_TEXT_PX = 16
_BAR_PX = 10
_PAPER = (255, 255, 255)
_INK = (30, 30, 30)


def draw_attention(image: RgbImage, maps: Mapping[str, FloatArray]) -> RgbImage:
    """As :func:`draw_maps`, of what gates let through: name of a gate, as ``level-3-from-1``, to its map."""
    return draw_maps(image, {_title(name): opening for name, opening in maps.items()})


def draw_maps(image: RgbImage, maps: Mapping[str, FloatArray]) -> RgbImage:
    """One picture of panels: the photograph, then each map over it.

    Args:
        image: h x w x 3 uint8 RGB.
        maps: title to h x w float32 in 0..1, of the same size.

    Returns:
        H x W x 3 uint8 RGB. A panel is the grey photograph under colours that run from the least to the most
        of its own map, or over .05 where a map spans less; the numbers at the bar below say what they are.
    """
    height, width = image.shape[:2]
    panels: list[tuple[str, RgbImage, tuple[float, float] | None]] = [("photograph", image, None)]
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    for name, opening in maps.items():
        low, high = _limits(opening)
        share = (opening - low) / (high - low)
        mixed = (1 - _HEAT) * grey + _HEAT * heat_colours(share)
        panels.append((name, np.rint(mixed).astype(np.uint8), (low, high)))
    columns = _columns(len(panels), height, width)
    cell_w, cell_h = max(width, 150) + _GAP_PX, height + _GAP_PX + 2 * (_TEXT_PX + 8)
    rows = math.ceil(len(panels) / columns)
    sheet = Image.new("RGB", (columns * cell_w + _GAP_PX, rows * cell_h + _GAP_PX), _PAPER)
    for index, (title, picture, limits) in enumerate(panels):
        row, column = divmod(index, columns)
        place = _GAP_PX + column * cell_w, _GAP_PX + row * cell_h
        _put_panel(sheet, place, title, picture, limits)
    return np.asarray(sheet)


def heat_colours(share: FloatArray) -> npt.NDArray[np.float32]:
    """Colours h x w x 3 float32 in 0..255 of values h x w in 0..1."""
    at = np.clip(share, 0.0, 1.0) * (len(_ANCHORS) - 1)
    low = np.minimum(at.astype(np.int64), len(_ANCHORS) - 2)
    rest = (at - low)[..., None].astype(np.float32)
    return np.asarray(_ANCHORS[low] * (1 - rest) + _ANCHORS[low + 1] * rest, dtype=np.float32)


def write_attention(path: str | Path, picture: RgbImage) -> None:
    """Write the picture as PNG, whole or not at all. Raises OutputError."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    write_bytes_atomic(path, stream.getvalue())


# --- inside ---------------------------------------------------------------------------------------------


def _limits(values: FloatArray) -> tuple[float, float]:
    """What the darkest and the lightest colour stand for, within 0..1."""
    low, high = float(values.min()), float(values.max())
    if high - low >= _LEAST_SPAN:
        return low, high
    low = min(max((low + high - _LEAST_SPAN) / 2, 0.0), 1.0 - _LEAST_SPAN)
    return low, low + _LEAST_SPAN


def _title(name: str) -> str:
    """``level-3-from-1`` as people say it."""
    words = name.split("-")
    return " ".join(words[:2]) + (f", from level {words[3]}" if len(words) == 4 else "")


def _columns(count: int, height: int, width: int) -> int:
    """Panels side by side, so that the sheet is about as wide as a screen is: 3 to 2."""
    return max(1, min(count, round(math.sqrt(1.5 * count * height / width))))


def _put_panel(
    sheet: Image.Image,
    place: tuple[int, int],
    title: str,
    picture: RgbImage,
    limits: tuple[float, float] | None,
) -> None:
    x, y = place
    height, width = picture.shape[:2]
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT_PX)
    pen.text((x, y), title, fill=_INK, font=font)
    y += _TEXT_PX + 8
    sheet.paste(Image.fromarray(picture), (x, y))
    if limits is None:
        return
    y += height + 4
    low, high = (f"{value:.2f}" for value in limits)
    left = math.ceil(pen.textlength(low, font=font)) + 6
    right = math.ceil(pen.textlength(high, font=font)) + 6
    bar_w = max(8, min(max(width, 150) - left - right, 200))
    line = heat_colours(np.linspace(0, 1, bar_w, dtype=np.float32)[None].repeat(_BAR_PX, axis=0))
    pen.text((x, y), low, fill=_INK, font=font)
    sheet.paste(Image.fromarray(np.rint(line).astype(np.uint8)), (x + left, y + 5))
    pen.text((x + left + bar_w + 6, y), high, fill=_INK, font=font)
