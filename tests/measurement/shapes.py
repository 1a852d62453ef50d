"""Golden shapes: drawn from formulas, so that their lengths and widths are known exactly.

Each function returns the share of every pixel that the shape covers (h x w float32); ``hard`` cuts it at
one half.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Coverage = npt.NDArray[np.float32]
SUB = 6
"""Sub-samples a pixel and axis."""


def render(inside: Callable[[npt.NDArray, npt.NDArray], npt.NDArray], size_hw: tuple[int, int]) -> Coverage:
    """Cover pixels by a predicate of (x, y); pixel centres lie on whole numbers."""
    height, width = size_hw
    offsets = (np.arange(SUB) + 0.5) / SUB - 0.5
    x = (np.arange(width)[:, None] + offsets).ravel()
    y = (np.arange(height)[:, None] + offsets).ravel()
    fine = inside(x[None, :], y[:, None])
    return fine.reshape(height, SUB, width, SUB).mean(axis=(1, 3)).astype(np.float32)


def hard(coverage: Coverage) -> npt.NDArray[np.uint8]:
    """Class-index mask of everything at least half covered."""
    return (coverage >= 0.5).astype(np.uint8)


def _axes(x, y, centre_xy, angle_deg):
    """Coordinates along and across an axis at an angle, counter-clockwise on the picture."""
    angle = np.deg2rad(angle_deg)
    dx, dy = x - centre_xy[0], y - centre_xy[1]
    return dx * np.cos(angle) - dy * np.sin(angle), dx * np.sin(angle) + dy * np.cos(angle)


def bar(length: float, width: float, angle_deg: float, shift: tuple[float, float] = (0.0, 0.0)) -> Coverage:
    """A rectangle with flat ends."""
    size = int(length + width) + 12
    centre = (size / 2 + shift[0], size / 2 + shift[1])

    def inside(x, y):
        along, across = _axes(x, y, centre, angle_deg)
        return (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)

    return render(inside, (size, size))


def ellipse(
    length: float, width: float, angle_deg: float, shift: tuple[float, float] = (0.0, 0.0)
) -> Coverage:
    """An ellipse with these axes."""
    size = int(length + width) + 12
    centre = (size / 2 + shift[0], size / 2 + shift[1])

    def inside(x, y):
        along, across = _axes(x, y, centre, angle_deg)
        return np.hypot(2 * along / length, 2 * across / width) <= 1

    return render(inside, (size, size))


def capsule(length: float, width: float, angle_deg: float) -> Coverage:
    """A bar with round ends; ``length`` includes the caps."""
    size = int(length + width) + 12
    centre = (size / 2, size / 2)

    def inside(x, y):
        along, across = _axes(x, y, centre, angle_deg)
        beyond = np.maximum(np.abs(along) - (length - width) / 2, 0)
        return np.hypot(beyond, across) <= width / 2

    return render(inside, (size, size))


def wedge(length: float, narrow: float, wide: float, angle_deg: float) -> Coverage:
    """A bar whose width grows evenly from ``narrow`` to ``wide``."""
    size = int(length + wide) + 12
    centre = (size / 2, size / 2)

    def inside(x, y):
        along, across = _axes(x, y, centre, angle_deg)
        half = (narrow + (wide - narrow) * (along / length + 0.5)) / 2
        return (np.abs(along) <= length / 2) & (np.abs(across) <= half)

    return render(inside, (size, size))


def ring(radius: float, width: float, shift: tuple[float, float] = (0.0, 0.0)) -> Coverage:
    """A closed circle line; length 2 pi radius."""
    size = int(2 * radius + width) + 12
    centre = (size / 2 + shift[0], size / 2 + shift[1])
    return render(
        lambda x, y: np.abs(np.hypot(x - centre[0], y - centre[1]) - radius) <= width / 2, (size, size)
    )


def arc(radius: float, width: float, start_deg: float, sweep_deg: float) -> Coverage:
    """A part of a circle line with flat (radial) ends."""
    size = int(2 * radius + width) + 12
    centre = (size / 2, size / 2)

    def inside(x, y):
        turn = np.rad2deg(np.arctan2(-(y - centre[1]), x - centre[0]))
        band = np.abs(np.hypot(x - centre[0], y - centre[1]) - radius) <= width / 2
        return band & ((turn - start_deg) % 360 <= sweep_deg)

    return render(inside, (size, size))


def star(arm: float, width: float, angles_deg: tuple[float, ...]) -> Coverage:
    """Arms with flat ends from one centre: crosses and Ys."""
    size = int(2 * arm + width) + 12
    centre = (size / 2, size / 2)

    def inside(x, y):
        covered = np.hypot(x - centre[0], y - centre[1]) <= width / 2
        for angle in angles_deg:
            along, across = _axes(x, y, centre, angle)
            covered = covered | ((along >= 0) & (along <= arm) & (np.abs(across) <= width / 2))
        return covered

    return render(inside, (size, size))


def wave(length: float, width: float, amplitude: float, period: float) -> tuple[Coverage, float]:
    """A sine line of constant width with round ends, and its length with the caps."""
    x = np.linspace(0.0, length, int(length * 4))
    return _thick(x, amplitude * np.sin(2 * np.pi * x / period), width)


def _thick(x, y, width: float) -> tuple[Coverage, float]:
    """All within half a width of a chain of points, and the chain's length with the caps."""
    low, high = y.min(), y.max()
    size_hw = (int(high - low + width) + 14, int(x.max() + width) + 14)
    points = np.stack([x + width / 2 + 6, y - (low + high) / 2 + size_hw[0] / 2], axis=1)
    from scipy.spatial import cKDTree

    tree = cKDTree(points)

    def inside(px, py):
        gx, gy = np.broadcast_arrays(px, py)
        near, _ = tree.query(np.stack([gx.ravel(), gy.ravel()], axis=1), distance_upper_bound=width / 2)
        return np.isfinite(near).reshape(gx.shape)

    return render(inside, size_hw), float(np.hypot(np.diff(x), np.diff(y)).sum()) + width
