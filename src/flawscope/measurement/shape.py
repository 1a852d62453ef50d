"""Outlines and extents of a component: contours, Feret diameters, principal axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError
from skimage.measure import find_contours

BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def contours(values: npt.NDArray[np.float32], level: float) -> tuple[Floats, ...]:
    """Closed rings (x, y) at a level, the outer ring first, then holes; first and last point are equal.

    values: h x w with a rim below the level. Diagonal neighbours belong together, so a component has one
    outer ring. Runs of points on a straight line are reduced to their ends.
    """
    rings = [ring[:, ::-1] for ring in find_contours(values, level, fully_connected="high")]
    rings.sort(key=lambda ring: -abs(ring_area(ring)))
    return tuple(_thin_out(ring) for ring in rings if len(ring) >= 4)


def ring_area(ring: Floats) -> float:
    """Signed area of a closed ring (shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2


def _thin_out(ring: Floats) -> Floats:
    step = np.diff(ring, axis=0)
    turn = step[:-1, 0] * step[1:, 1] - step[:-1, 1] * step[1:, 0]
    keep = np.ones(len(ring), dtype=bool)
    keep[1:-1] = np.abs(turn) > 1e-9
    return ring[keep] if keep.sum() >= 4 else ring


def feret(ring: Floats) -> tuple[float, float, float]:
    """Largest and smallest Feret diameter in pixels and the direction of the largest in degrees.

    ring: outline (x, y). The largest lies between two corners of the convex hull; the smallest is
    perpendicular to one of its edges (rotating calipers). Degrees as ``Finding.orientation_deg``.
    """
    try:
        hull = ring[ConvexHull(ring).vertices]
    except (QhullError, ValueError):
        hull = np.unique(ring, axis=0)
    if len(hull) > 400:
        hull = hull[:: len(hull) // 400 + 1]
    apart = hull[:, None, :] - hull[None, :, :]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    i, j = np.unravel_index(int(distance.argmax()), distance.shape)
    edges = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(*edges.T)
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1)[lengths > 0] / lengths[lengths > 0, None]
    across = hull @ normals.T
    smallest = float((across.max(axis=0) - across.min(axis=0)).min()) if len(normals) else 0.0
    return float(distance[i, j]), smallest, direction_deg(apart[i, j])


def direction_deg(vector_xy: Floats) -> float:
    """Direction of an axis: 0 along the rows, 90 vertical, counter-clockwise on the picture, in [0, 180)."""
    return float(np.rad2deg(np.arctan2(-vector_xy[1], vector_xy[0])) % 180.0) % 180.0


def compact_axis(own: BoolArray) -> tuple[Floats, Floats]:
    """Ends (x, y) of the straight middle line of a compact blob: its principal axis from edge to edge.

    Second moments include each pixel's own extent (1/12), so that a single pixel gives a line one pixel long.
    """
    rows, columns = np.nonzero(own)
    xy = np.stack([columns, rows], axis=1).astype(np.float64)
    middle = xy.mean(axis=0)
    spread = (xy - middle).T @ (xy - middle) / len(xy) + np.eye(2) / 12
    _, vectors = np.linalg.eigh(spread)
    axis = vectors[:, -1]
    along = (xy - middle) @ axis
    half_px = 0.5 * float(np.abs(axis).max())
    return middle + axis * (along.min() - half_px), middle + axis * (along.max() + half_px)
