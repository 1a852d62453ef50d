"""Shapes of defects: boolean windows, and where in a strip they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array

BoolArray = npt.NDArray[np.bool_]


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


def blob(rng: np.random.Generator, area_px: float, aspect: float = 1.0, rough: float = 0.35) -> BoolArray:
    """One connected patch without holes, near ``area_px`` in size; ``aspect`` is height over width.

    ``rough`` (0..1) frays its border by noise that is as coarse as the patch.
    """
    height, width = (max(4.0, math.sqrt(area_px * ratio)) for ratio in (aspect, 1 / aspect))
    size_hw = math.ceil(height * 2), math.ceil(width * 2)
    y, x = (np.linspace(-1.8, 1.8, n, dtype=np.float32) for n in size_hw)
    field = _own_noise(rng, size_hw)
    radius = np.hypot(y[:, None], x[None, :]) + np.float32(rough) * field
    # The share of the window that the patch takes fixes the level: noise does not change its area.
    level = np.partition(radius.ravel(), round(area_px))[round(area_px)]
    labels, count = ndimage.label(radius < level)
    if count > 1:
        labels = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(labels > 0), np.bool_)


def _own_noise(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Noise with detail at all sizes below the window's, deviation about 1."""
    coarse = noise.field("cloud", rng, size_hw, max(size_hw) / 90)
    coarse = (coarse - coarse.mean()) / max(float(coarse.std()), 1e-3)
    fine = noise.field("pink", rng, size_hw, max(1.0, max(size_hw) / 300))
    out: Float32Array = coarse * np.float32(0.8) + fine * np.float32(0.25)
    return out


def smooth_curve(rng: np.random.Generator, length: int, knots: int) -> Float32Array:
    """``length`` values of deviation about 1 without kinks, through ``knots`` random heights."""
    at = np.linspace(0, knots - 1, length)
    below = np.minimum(at.astype(np.int64), knots - 2)
    part = at - below
    ease = part * part * (3 - 2 * part)
    heights = rng.normal(0, 1, knots)
    out: Float32Array = (heights[below] * (1 - ease) + heights[below + 1] * ease).astype(np.float32)
    return out


def band(rng: np.random.Generator, length_px: float, width_px: float, drift: float = 0.02) -> BoolArray:
    """An upright band that wanders a little and tapers at its ends; height is ``length_px``."""
    rows = max(4, round(length_px))
    reach = math.ceil(width_px + abs(drift) * rows * 2 + 4)
    along = np.linspace(0, 1, rows)
    steps = np.cumsum(rng.normal(0, drift, rows))
    middle = reach + np.clip(steps + rng.normal(0, drift) * rows * along, -reach / 2, reach / 2)
    half = width_px / 2 * (0.55 + 0.45 * np.clip(np.minimum(along, 1 - along) * 6, 0, 1))
    half *= 1 + 0.12 * smooth_curve(rng, rows, 7) + 0.05 * smooth_curve(rng, rows, max(8, rows // 6))
    columns = np.arange(2 * reach + 1)
    return np.asarray(np.abs(columns[None, :] - middle[:, None]) <= np.maximum(half, 0.5)[:, None], np.bool_)
