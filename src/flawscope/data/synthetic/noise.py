"""Cheap noise: every field is a random window of a periodic atlas that each process makes once.

The atlases come from fixed seeds, the windows from the caller's generator, so a picture depends on its seed
alone. A 512 x 512 field costs one to four milliseconds.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from flawscope.data.synthetic.canvas import Float32Array

ATLAS_PX = 1024
_ATLAS_SEED = 20240607
_CELL_ATLAS_DIAMETERS_PX = (4, 8, 16, 32)

NoiseKind = Literal["white", "soft", "blob", "pink", "cloud", "streak", "fibre"]
_KINDS: tuple[NoiseKind, ...] = ("white", "soft", "blob", "pink", "cloud", "streak", "fibre")


def field(
    kind: NoiseKind,
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    scale: float = 1.0,
    stretch: float = 1.0,
) -> Float32Array:
    """A window of noise: H x W float32, mean about 0, standard deviation about 1 (over the whole atlas).

    ``white`` is independent a pixel, ``soft`` blurred by one pixel, ``blob`` has spots some 6 px across,
    ``pink`` falls as 1/f, ``cloud`` as 1/f^1.7, ``streak`` and ``fibre`` run along the rows (short and long).
    ``scale`` enlarges the pattern, ``stretch`` enlarges it once more along the columns.
    """
    atlas = _atlas(kind)
    turned = kind not in ("streak", "fibre") and bool(rng.integers(2))
    window = _window(atlas, rng, size_hw, (scale * stretch, scale))
    if turned:
        window = window[::-1, ::-1]
    if window.shape == size_hw:
        return np.ascontiguousarray(window)
    picture = Image.fromarray(np.ascontiguousarray(window))
    method = Image.Resampling.BICUBIC if scale > 1.5 else Image.Resampling.BILINEAR
    return np.array(picture.resize((size_hw[1], size_hw[0]), method), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Random cells (stones): four planes H x W float32 in 0..1."""

    tone: Float32Array
    """One random value a cell."""
    kind: Float32Array
    """A second random value a cell."""
    edge: Float32Array
    """How far from the cell's border: 0 on it, growing inwards (in cell diameters)."""
    dome: Float32Array
    """1 at the cell's seed point, falling towards its border."""


def cells(
    rng: np.random.Generator, size_hw: tuple[int, int], diameter_px: float, stretch: float = 1.0
) -> Cells:
    """A window of the cell atlas whose cells are about ``diameter_px`` across (``stretch`` longer in y)."""
    sizes = np.array(_CELL_ATLAS_DIAMETERS_PX)
    index = int(np.argmin(np.abs(np.log(sizes / diameter_px))))
    scale = diameter_px / _CELL_ATLAS_DIAMETERS_PX[index]
    window = _window(_cell_atlas(index), rng, size_hw, (scale * stretch, scale))
    # Four unrelated planes: CMYK is the only four-band mode that Pillow resizes without premultiplying.
    picture = Image.frombuffer("CMYK", (window.shape[1], window.shape[0]), np.ascontiguousarray(window))
    resized = picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    planes = [np.array(band, np.float32) * np.float32(1 / 255) for band in resized.split()]
    return Cells(*planes)


def smoothstep(values: Float32Array, low: float, high: float) -> Float32Array:
    """Rises smoothly from 0 at ``low`` to 1 at ``high``: same shape, float32."""
    t = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    out: Float32Array = t * t * (np.float32(3) - np.float32(2) * t)
    return out


def blur(values: Float32Array, radius_px: float) -> Float32Array:
    """A wide, cheap blur: down to a coarse grid and up again; H x W float32."""
    h, w = values.shape
    coarse = (max(2, round(w / max(radius_px, 1.0))), max(2, round(h / max(radius_px, 1.0))))
    picture = Image.fromarray(np.ascontiguousarray(values)).resize(coarse, Image.Resampling.BOX)
    return np.array(picture.resize((w, h), Image.Resampling.BICUBIC), np.float32)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def _window(
    atlas: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    scale_yx: tuple[float, float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    y0, x0, flip_y, flip_x = (int(v) for v in rng.integers(0, (ATLAS_PX, ATLAS_PX, 2, 2)))
    n_rows, n_cols = (max(3, round(n / s)) for n, s in zip(size_hw, scale_yx, strict=True))
    rows = (y0 + np.arange(n_rows)) % ATLAS_PX
    cols = (x0 + np.arange(n_cols)) % ATLAS_PX
    if flip_y:
        rows = rows[::-1]
    if flip_x:
        cols = cols[::-1]
    return np.take(np.take(atlas, rows, axis=0), cols, axis=1)


@functools.cache
def _atlas(kind: NoiseKind) -> Float32Array:
    rng = np.random.default_rng([_ATLAS_SEED, _KINDS.index(kind)])
    white = rng.standard_normal((ATLAS_PX, ATLAS_PX), dtype=np.float32)
    if kind == "white":
        return white
    fy = np.fft.fftfreq(ATLAS_PX).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(ATLAS_PX).astype(np.float32)[None, :]
    spectrum = np.fft.rfft2(white) * _response(kind, fy, fx)
    spectrum[0, 0] = 0
    out = np.fft.irfft2(spectrum, s=white.shape).astype(np.float32)
    return out / np.float32(out.std())


def _response(kind: NoiseKind, fy: Float32Array, fx: Float32Array) -> Float32Array:
    radius = np.hypot(fy, fx)
    safe = np.maximum(radius, np.float32(1.0 / ATLAS_PX))

    def gauss(sigma_y: float, sigma_x: float) -> Float32Array:
        exponent = -2 * np.pi**2 * ((fy * sigma_y) ** 2 + (fx * sigma_x) ** 2)
        return np.exp(exponent).astype(np.float32)

    if kind == "soft":
        return gauss(0.8, 0.8)
    if kind == "blob":
        return gauss(1.6, 1.6) - gauss(3.2, 3.2)
    if kind == "pink":
        return (1 / safe).astype(np.float32)
    if kind == "cloud":
        return (safe**-1.7).astype(np.float32)
    if kind == "streak":
        return (gauss(0.7, 5.0) * (1 + (0.02 / safe) ** 0.5)).astype(np.float32)
    return (gauss(0.8, 40.0) + 0.6 * gauss(3.0, 90.0)).astype(np.float32)


@functools.cache
def _cell_atlas(index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """ATLAS x ATLAS x 4 uint8 planes of a periodic Voronoi pattern on a jittered grid."""
    pitch = _CELL_ATLAS_DIAMETERS_PX[index]
    count = ATLAS_PX // pitch
    rng = np.random.default_rng([_ATLAS_SEED, 100 + index])
    seeds = rng.uniform(0.02, 0.98, (count, count, 2)).astype(np.float32)
    # A cell's weight shifts its borders: large and small stones side by side.
    weight = (rng.random((count, count)) ** 2 * 0.35).astype(np.float32)
    values = (rng.random((count, count, 2)) * 255).round().astype(np.float32)
    part = ((np.arange(pitch, dtype=np.float32) + 0.5) / np.float32(pitch))[None, :]
    # Axes: cell row, pixel row in the cell, cell column, pixel column in the cell.
    shape = (count, pitch, count, pitch)
    first, second = np.full(shape, 9, np.float32), np.full(shape, 9, np.float32)
    tone, kind = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near, own, offset = (np.roll(a, (-dy, -dx), axis=(0, 1)) for a in (seeds, values, weight))
            gap_y = (near[:, :, 0] + np.float32(dy))[:, None, :, None] - part.reshape(1, pitch, 1, 1)
            gap_x = (near[:, :, 1] + np.float32(dx))[:, None, :, None] - part.reshape(1, 1, 1, pitch)
            distance = np.sqrt(gap_y * gap_y + gap_x * gap_x) - offset[:, None, :, None]
            nearer = distance < first
            np.minimum(second, np.maximum(distance, first), out=second)
            np.minimum(first, distance, out=first)
            np.copyto(tone, own[:, None, :, None, 0], where=nearer)
            np.copyto(kind, own[:, None, :, None, 1], where=nearer)
    edge, dome = np.clip(second - first, 0, 1) * 255, np.clip(1 - first, 0, 1) * 255
    planes = [
        plane.reshape(ATLAS_PX, ATLAS_PX).round().astype(np.uint8) for plane in (tone, kind, edge, dome)
    ]
    return np.stack(planes, axis=-1)
