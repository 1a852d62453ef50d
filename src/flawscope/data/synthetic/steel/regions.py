"""Shapes of defects as people outline them: boolean windows, and where in a strip they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array

BoolArray = npt.NDArray[np.bool_]

_MARGIN_PX = 4
"""Empty border of a window, so that blurring its shape falls off on all sides."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The part of a window that lies inside the strip."""

    y: int
    x: int
    shape: BoolArray
    """h x w: which pixels of ``strip[y : y + h, x : x + w]`` belong to it."""

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing the strip."""
        h, w = self.shape.shape
        return slice(self.y, self.y + h), slice(self.x, self.x + w)


def place(shape: BoolArray, centre_yx: tuple[float, float], metal: BoolArray) -> Place | None:
    """Lay a window's middle on ``centre_yx`` (px), cut to the metal; None when nothing is left of it."""
    h, w = shape.shape
    top, left = round(centre_yx[0] - h / 2), round(centre_yx[1] - w / 2)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + h, metal.shape[0]), min(left + w, metal.shape[1])
    if y0 >= y1 or x0 >= x1:
        return None
    cut = shape[y0 - top : y1 - top, x0 - left : x1 - left] & metal[y0:y1, x0:x1]
    return Place(y0, x0, cut) if cut.any() else None


def outline(
    rng: np.random.Generator, area_px: float, aspect: float = 1.0, corners: int = 10, rough: float = 0.15
) -> BoolArray:
    """A patch in one piece without holes, outlined by straight lines between ``corners`` points.

    Its area is near ``area_px``; ``aspect`` is height over width, ``rough`` (0..0.4) the relative deviation
    of the corners from an ellipse.
    """
    turns = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * (2 * math.pi / corners)
    radius = np.clip(1 + rng.normal(0, rough, corners), 0.4, 1.7)
    # An exponent below 1 makes boxes of ellipses, as outlines of small things are.
    x, y = (radius * np.sign(part) * np.abs(part) ** 0.8 for part in (np.cos(turns), np.sin(turns)))
    x, y = x / math.sqrt(aspect), y * math.sqrt(aspect)
    area = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    factor = math.sqrt(max(area_px, 4.0) / max(area, 1e-3))
    x, y = ((side - side.min()) * factor + _MARGIN_PX for side in (x, y))
    picture = Image.new("L", (math.ceil(x.max()) + _MARGIN_PX + 1, math.ceil(y.max()) + _MARGIN_PX + 1))
    ImageDraw.Draw(picture).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=1, outline=1)
    return np.asarray(picture, np.bool_)


def band(rng: np.random.Generator, length_px: float, width_px: float) -> BoolArray:
    """An upright band, nearly a box: it leans and wanders by a few px. Its height is ``length_px``."""
    rows = max(4, round(length_px))
    lean = np.linspace(-0.5, 0.5, rows) * rng.normal(0, 0.012) * rows
    wander = smooth_curve(rng, rows, 5) * min(1.5, width_px * 0.06)
    reach = math.ceil(width_px * 0.7 + float(np.abs(lean + wander).max())) + _MARGIN_PX
    uneven = min(0.1, 3 / width_px)
    half = width_px / 2 * np.clip(1 + uneven * smooth_curve(rng, rows, 6), 0.6, 1.3)
    columns = np.arange(2 * reach + 1) - reach
    return np.asarray(
        np.abs(columns[None, :] - (lean + wander)[:, None]) <= np.maximum(half, 0.5)[:, None], np.bool_
    )


def smooth_curve(rng: np.random.Generator, length: int, knots: int) -> Float32Array:
    """``length`` values of deviation about 1 without kinks, through ``knots`` random heights."""
    at = np.linspace(0, knots - 1, length)
    below = np.minimum(at.astype(np.int64), knots - 2)
    part = at - below
    ease = part * part * (3 - 2 * part)
    heights = rng.normal(0, 1, knots)
    out: Float32Array = (heights[below] * (1 - ease) + heights[below + 1] * ease).astype(np.float32)
    return out


def body(rng: np.random.Generator, shape: BoolArray, ragged: float = 0.5) -> Float32Array:
    """Where in an outline the defect itself lies: h x w, 0..1, ragged, fading out before the outline.

    ``shape`` is what was outlined; the larger ``ragged`` (0..1), the further the body's border wanders.
    """
    side = min(shape.shape)
    if side <= 8 + 2 * _MARGIN_PX:
        return shape.astype(np.float32)
    fade_px = float(np.clip(0.12 * side, 2, 9 + 12 * ragged))
    size_hw = shape.shape[0], shape.shape[1]
    depth = np.clip(noise.blur(shape.astype(np.float32), fade_px) * 2 - 1, 0, 1)
    uneven = noise.field("blob", rng, size_hw, float(np.clip(side / 40, 0.7, 3))) * np.float32(0.6 * ragged)
    uneven += noise.field("soft", rng, size_hw) * np.float32(0.25 * ragged)
    return noise.smoothstep(depth + uneven * (1 - depth), 0.1, 0.6) * shape


def envelope(rng: np.random.Generator, size_hw: tuple[int, int], least: float) -> Float32Array:
    """Strength over a piece: h x w in ``least``..1, slowly varying, so that it is strong in one part."""
    cloud = noise.field("cloud", rng, size_hw, max(size_hw) / 160)
    cloud = (cloud - cloud.mean()) / max(float(cloud.std()), 1e-3)
    return np.float32(least) + np.float32(1 - least) * noise.smoothstep(cloud, -1.4, 0.6)


def stamp(
    tone: Float32Array, centre_yx: tuple[float, float], radii_yx: tuple[float, float], value: float
) -> None:
    """Add ``value`` inside an upright ellipse with a border soft over half its radius, in place."""
    (y, x), (ry, rx) = centre_yx, radii_yx
    y0, x0 = max(0, math.floor(y - 1.5 * ry)), max(0, math.floor(x - 1.5 * rx))
    y1, x1 = math.ceil(y + 1.5 * ry) + 1, math.ceil(x + 1.5 * rx) + 1
    part = tone[y0:y1, x0:x1]
    if not part.size:
        return
    rows = (np.arange(y0, y0 + part.shape[0], dtype=np.float32) - np.float32(y)) / np.float32(ry)
    columns = (np.arange(x0, x0 + part.shape[1], dtype=np.float32) - np.float32(x)) / np.float32(rx)
    distance = np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)
    part += np.clip((np.float32(1.5) - distance) * 2, 0, 1) * np.float32(value)


def sheared(
    rng: np.random.Generator, kind: noise.NoiseKind, size_hw: tuple[int, int], scale: float, slope: float
) -> Float32Array:
    """Noise that runs along the rows, tilted: it falls by ``slope`` px a column (H x W float32)."""
    h, w = size_hw
    extra = math.ceil(abs(slope) * w) + 1
    tall = noise.field(kind, rng, (h + extra, w), scale)
    shift = np.arange(w, dtype=np.float32) * np.float32(abs(slope))
    if slope > 0:
        shift = shift[::-1]
    whole = shift.astype(np.int64)
    rows = np.arange(h)[:, None] + whole[None, :]
    part = (shift - whole)[None, :]
    upper, lower = np.take_along_axis(tall, rows, axis=0), np.take_along_axis(tall, rows + 1, axis=0)
    out: Float32Array = upper * (1 - part) + lower * part
    return out
