"""Shapes whose length and width are known from their formula, as masks: bars, wedges, rings, crosses, Ys,
bent lines.

A pixel belongs to a shape when its centre lies inside; pixel centres lie on whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
MaskArray = npt.NDArray[np.uint8]
BORDER_PX = 6
OFF_GRID_XY = (0.137, 0.283)
"""Keeps edges away from pixel centres, where inside and outside would hang on rounding."""


_CHAIN_STEP_PX = 0.05
"""How closely a bent line is sampled; half of its square over the width is how far its rim is off."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A mask and the truth about it."""

    name: str
    mask: MaskArray
    """H x W uint8, 1 inside."""
    length_px: float
    """Of the centreline, to the tips; the sum of the arms for crosses and Ys."""
    width_at: Callable[[Array], Array]
    """Widths in px at N x 2 points (x, y) on the centreline."""
    width_mean_px: float


def bar(length: float, width: float, angle_deg: float, shift: float = 0.0) -> Shape:
    """A rectangle with flat ends, its centre moved by ``shift`` px in x and half of it in y."""
    return wedge(length, (width, width), angle_deg, shift, "bar")


def wedge(
    length: float, widths: tuple[float, float], angle_deg: float, shift: float = 0.0, name: str = "wedge"
) -> Shape:
    """A trapezium whose width grows evenly along it."""
    narrow, wide = widths
    size = int(length + max(widths)) + 2 * BORDER_PX
    centre = _centre(size, shift)

    def width_along(along: Array) -> Array:
        return narrow + (wide - narrow) * np.clip(along / length + 0.5, 0.0, 1.0)

    along, across = _turned(*_grid(size), centre, angle_deg)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width_along(along) / 2)

    def width_at(points_xy: Array) -> Array:
        return width_along(_turned(points_xy[:, 0], points_xy[:, 1], centre, angle_deg)[0])

    return Shape(name, inside.astype(np.uint8), length, width_at, (narrow + wide) / 2)


def ring(radius: float, width: float, shift: float = 0.0) -> Shape:
    """A closed circle line."""
    size = int(2 * radius + width) + 2 * BORDER_PX
    x, y = _grid(size)
    centre = _centre(size, shift)
    inside = np.abs(np.hypot(x - centre[0], y - centre[1]) - radius) <= width / 2
    return Shape("ring", inside.astype(np.uint8), 2 * math.pi * radius, _constant(width), width)


def star(arm: float, width: float, angles_deg: tuple[float, ...], name: str) -> Shape:
    """Arms with flat ends that meet in one point: a cross or a Y."""
    size = int(2 * arm + width) + 2 * BORDER_PX
    centre = _centre(size)
    inside = np.zeros((size, size), bool)
    for angle in angles_deg:
        along, across = _turned(*_grid(size), centre, angle)
        inside |= (along >= 0) & (along <= arm) & (np.abs(across) <= width / 2)
    return Shape(name, inside.astype(np.uint8), arm * len(angles_deg), _constant(width), width)


def thick_line(points_xy: Array, width: float, name: str) -> Shape:
    """All within half a width of a chain of points (N x 2): round ends, whose caps count to the length."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points_xy, axis=0).T))])
    fine = np.arange(0.0, along[-1], _CHAIN_STEP_PX)
    chain = np.column_stack([np.interp(fine, along, points_xy[:, axis]) for axis in (0, 1)])
    chain += BORDER_PX + width / 2 + np.array(OFF_GRID_XY) - chain.min(axis=0)
    columns, rows = np.ceil(chain.max(axis=0) + width / 2 + BORDER_PX).astype(int)
    y, x = np.mgrid[:rows, :columns]
    distance, _ = cKDTree(chain).query(np.column_stack([x.ravel(), y.ravel()]), distance_upper_bound=width)
    inside = (distance <= width / 2).reshape(rows, columns)
    return Shape(name, inside.astype(np.uint8), float(along[-1]) + width, _constant(width), width)


def _constant(width: float) -> Callable[[Array], Array]:
    return lambda points_xy: np.full(len(points_xy), width)


def _centre(size: int, shift: float = 0.0) -> tuple[float, float]:
    return size // 2 + OFF_GRID_XY[0] + shift, size // 2 + OFF_GRID_XY[1] + shift / 2


def _grid(size: int) -> tuple[Array, Array]:
    y, x = np.mgrid[:size, :size].astype(np.float64)
    return x, y


def _turned(x: Array, y: Array, centre_xy: tuple[float, float], angle_deg: float) -> tuple[Array, Array]:
    """Coordinates along and across an axis turned counter-clockwise on the picture."""
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    dx, dy = x - centre_xy[0], y - centre_xy[1]
    return dx * cosine - dy * sine, dx * sine + dy * cosine
