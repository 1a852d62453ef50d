"""Brushes shared by the distractors: strokes, polygons, curves and places that are free of cracks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array, PointsXY
from flawscope.data.synthetic.local_noise import line_noise, pixel_noise
from flawscope.data.synthetic.paths import resample
from flawscope.data.synthetic.strokes import Band, Stroke, stroke_band

_SUPERSAMPLE = 3

Colour = npt.NDArray[np.floating] | Sequence[float]
"""Three linear reflectances, or P x 3."""


def tint(rng: np.random.Generator, low: float, high: float, spread: float = 0.06) -> Float32Array:
    """A greyish colour of the given range of brightness, three linear reflectances."""
    return np.asarray(rng.uniform(low, high) * rng.uniform(1 - spread, 1 + spread, 3), dtype=np.float32)


def mix(canvas: Canvas, band: Band, alpha: npt.NDArray[np.floating], colour: Colour) -> None:
    """Blend ``colour`` over the band's pixels with opacity ``alpha`` (P)."""
    ground = canvas.rgb[band.rows, band.cols]
    alpha = np.asarray(alpha, np.float32)[:, None]
    canvas.rgb[band.rows, band.cols] = ground + alpha * (np.asarray(colour, np.float32) - ground)


def darken(canvas: Canvas, band: Band, factor: npt.NDArray[np.floating]) -> None:
    """Multiply the band's pixels by ``factor`` (P)."""
    canvas.rgb[band.rows, band.cols] *= np.asarray(factor, np.float32)[:, None]


def band_of(
    canvas: Canvas, points_xy_px: PointsXY, width_px: float | PointsXY, reach_px: float = 2.0
) -> Band:
    """The pixels near one line of one width or of a width for each point."""
    widths = np.broadcast_to(np.asarray(width_px, np.float64), (len(points_xy_px),))
    return stroke_band([Stroke(points_xy_px, widths)], canvas.size_hw, reach_px)


def worn(rng: np.random.Generator, band: Band, amount: float) -> Float32Array:
    """Opacity 0..1 of something worn away by ``amount`` (0 new .. 1 nearly gone), patchy and speckled (P)."""
    patches = pixel_noise(rng, band.rows, band.cols, rng.uniform(12, 40))
    specks = pixel_noise(rng, band.rows, band.cols, rng.uniform(1.5, 4.0))
    return np.asarray(np.clip(1.6 - 2.2 * amount + 0.9 * patches + 1.1 * specks, 0, 1), dtype=np.float32)


def stroke(
    rng: np.random.Generator,
    canvas: Canvas,
    points_xy_px: PointsXY,
    width_px: float,
    colour: Colour,
    alpha: float = 1.0,
    wear: float = 0.0,
) -> None:
    """Paint one soft-edged line of one colour."""
    band = band_of(canvas, points_xy_px, width_px)
    cover = band.coverage(1.4) * alpha
    mix(canvas, band, cover * worn(rng, band, wear) if wear > 0 else cover, colour)


def curve(
    rng: np.random.Generator,
    start_xy: npt.NDArray[np.floating],
    heading_rad: float,
    length_px: float,
    bend: float,
) -> PointsXY:
    """A smooth curve that turns by about ``bend`` radians over its length."""
    steps = max(8, int(length_px / 3))
    arc = np.linspace(0, length_px, steps)
    turn = (
        heading_rad
        + bend * rng.normal() * arc / length_px
        + 0.5 * bend * line_noise(rng, arc, length_px / 2.5)
    )
    step = length_px / steps
    path = np.cumsum(np.column_stack([np.cos(turn), np.sin(turn)]) * step, axis=0)
    return np.asarray(start_xy, np.float64) + path


def across(rng: np.random.Generator, canvas: Canvas, angle_rad: float | None = None) -> PointsXY:
    """A straight line through the whole picture; two points well outside it."""
    height, width = canvas.size_hw
    angle = rng.uniform(0, np.pi) if angle_rad is None else angle_rad
    reach = np.hypot(height, width)
    centre = somewhere(rng, canvas)
    direction = np.array([np.cos(angle), np.sin(angle)]) * reach
    return np.array([centre - direction, centre + direction])


def somewhere(rng: np.random.Generator, canvas: Canvas) -> npt.NDArray[np.float64]:
    """A random point (x, y) of the picture."""
    return rng.random(2) * canvas.size_hw[::-1]


def clear_spot(
    rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth], radius_px: float
) -> npt.NDArray[np.float64] | None:
    """A random point with no crack within ``radius_px``, for things that hide; None if none is found."""
    points = np.concatenate([c.points_xy_px[::3] for c in cracks]) if cracks else np.zeros((0, 2))
    for _ in range(12):
        spot = somewhere(rng, canvas)
        if not len(points) or np.min(np.sum((points - spot) ** 2, axis=1)) > radius_px**2:
            return spot
    return None


def blob(
    rng: np.random.Generator, centre_xy: npt.NDArray[np.floating], radius_px: float, ragged: float
) -> PointsXY:
    """A closed outline M x 2 around a centre; ``ragged`` 0 round .. 0.5 torn; up to twice as long as wide."""
    count = int(np.clip(radius_px * 2, 10, 90))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = np.ones(count)
    for order in range(2, 8):
        radius += ragged * rng.normal() / order * 1.5 * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    squeeze, turn = rng.uniform(0.5, 1.0), rng.uniform(0, np.pi)
    x = radius * np.cos(angle) * radius_px
    y = radius * np.sin(angle) * radius_px * squeeze
    rotated = np.column_stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)])
    return np.asarray(centre_xy + rotated, np.float64)


def polygon_cover(size_hw: tuple[int, int], outline_xy: PointsXY) -> tuple[tuple[slice, slice], Float32Array]:
    """Where a polygon lies in the picture and how much of each pixel it covers (0..1); empty if outside."""
    low = np.maximum(np.floor(outline_xy.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline_xy.max(axis=0)).astype(int) + 2, np.array(size_hw[::-1]))
    if np.any(high <= low):
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    size = (high - low) * _SUPERSAMPLE
    picture = Image.new("L", (int(size[0]), int(size[1])))
    corners = (outline_xy + 0.5 - low) * _SUPERSAMPLE - 0.5
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    cover = np.asarray(picture.reduce(_SUPERSAMPLE), np.float32) / np.float32(255)
    return (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), cover


def polygon(canvas: Canvas, outline_xy: PointsXY, colour: Colour, alpha: float | Float32Array = 1.0) -> None:
    """Fill a polygon with one colour (or multiply: see `polygon_shade`)."""
    window, cover = polygon_cover(canvas.size_hw, outline_xy)
    if cover.size:
        ground = canvas.rgb[window]
        ground += (cover * np.float32(alpha))[..., None] * (np.asarray(colour, np.float32) - ground)


def polygon_shade(canvas: Canvas, outline_xy: PointsXY, factor: Colour) -> None:
    """Multiply the ground inside a polygon by ``factor`` (3)."""
    window, cover = polygon_cover(canvas.size_hw, outline_xy)
    if cover.size:
        canvas.rgb[window] *= 1 + cover[..., None] * (np.asarray(factor, np.float32) - 1)


def beside(points_xy_px: PointsXY, offset_px: float, smooth_px: float) -> PointsXY:
    """A smoothed copy of a line, shifted to its left by ``offset_px``."""
    line = resample(points_xy_px, max(2.0, smooth_px / 3))
    kernel = np.ones(7) / 7
    if len(line) > 14:
        padded = np.pad(line, ((3, 3), (0, 0)), mode="edge")
        line = np.column_stack([np.convolve(padded[:, i], kernel, "valid") for i in (0, 1)])
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    return np.asarray(line + offset_px * np.column_stack([tangent[:, 1], -tangent[:, 0]]), np.float64)
