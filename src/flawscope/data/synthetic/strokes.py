"""Exact distances to polylines of varying width, computed only in a band around them.

Every segment is measured in its own small box; where boxes overlap the smallest signed distance wins. That
keeps long thin networks cheap and the result exact: no raster distance transform, no rounding to pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.data.synthetic.canvas import Float32Array, PointsXY

_BOXES = np.array([2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 33, 42, 54, 70, 90, 120, 160, 220, 300, 420, 600])
_CHUNK = 400_000


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """A polyline with a full width at every point."""

    points_xy_px: PointsXY
    """N x 2 (x, y), pixel centres on whole numbers."""
    width_px: npt.NDArray[np.float64]
    """N full widths."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The pixels near some strokes and how each lies to the nearest of them (all arrays of length P)."""

    rows: npt.NDArray[np.intp]
    cols: npt.NDArray[np.intp]
    distance_px: Float32Array
    """From the pixel's centre to the centreline."""
    width_px: Float32Array
    """Full width of the stroke at the foot point."""
    position: Float32Array
    """Index of the foot point among all points of all strokes in order, with fraction."""
    side: Float32Array
    """+1 left of the stroke's direction as seen on the picture, -1 right."""
    away_x: Float32Array
    """Unit vector from the foot point to the pixel."""
    away_y: Float32Array

    @property
    def signed_px(self) -> Float32Array:
        """Distance to the stroke's edge, negative inside."""
        return np.asarray(self.distance_px - self.width_px / 2, dtype=np.float32)

    def at_points(self, values: npt.NDArray[np.float64]) -> Float32Array:
        """Spread values known at the strokes' points (concatenated) over the band's pixels."""
        return np.interp(self.position, np.arange(len(values)), values).astype(np.float32)

    def coverage(
        self, softness_px: float | Float32Array = 1.0, distance_px: Float32Array | None = None
    ) -> Float32Array:
        """Share of a pixel's footprint, ``softness_px`` wide, that the stroke covers, 0..1.

        One-dimensional overlap across the line, so that a hairline narrower than a pixel comes out paler in
        proportion to its width.
        """
        distance = self.distance_px if distance_px is None else distance_px
        half, reach = self.width_px / 2, np.asarray(softness_px, dtype=np.float32) / 2
        overlap = np.minimum(distance + reach, half) - np.maximum(distance - reach, -half)
        return np.asarray(np.clip(overlap / (2 * reach), 0.0, 1.0), dtype=np.float32)


def stroke_band(strokes: Sequence[Stroke], size_hw: tuple[int, int], reach_px: float) -> Band:
    """Measure all pixels at most ``reach_px`` outside the strokes' edges (the union of the strokes)."""
    widest = max((float(stroke.width_px.max()) for stroke in strokes if len(stroke.width_px)), default=0.0)
    segments = _segments(strokes, 16.0 + 2 * reach_px + widest)
    found: list[tuple[npt.NDArray[np.generic], ...]] = []
    if len(segments):
        half = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1]) / 2
        need = half + segments[:, 4:6].max(axis=1) / 2 + reach_px + 1
        mid = (segments[:, 0:2] + segments[:, 2:4]) / 2
        near = (
            (mid[:, 0] > -need)
            & (mid[:, 1] > -need)
            & (mid[:, 0] < size_hw[1] + need)
            & (mid[:, 1] < size_hw[0] + need)
        )
        boxes = _BOXES[np.minimum(np.searchsorted(_BOXES, need), len(_BOXES) - 1)]
        for box in np.unique(boxes[near]):
            chosen = segments[near & (boxes == box)].astype(np.float32)
            count = max(1, _CHUNK // int(2 * box + 1) ** 2)
            for start in range(0, len(chosen), count):
                found.append(_measure(chosen[start : start + count], int(box), size_hw, reach_px))
    if not found:
        none, empty = np.zeros(0, np.intp), np.zeros(0, np.float32)
        return Band(none, none, empty, empty, empty, empty, empty, empty)
    return _nearest(found, size_hw)


def rasterised(
    points_xy_px: PointsXY, size_hw: tuple[int, int]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the 8-connected chain of pixels that a polyline passes, inside the picture only."""
    steps = np.abs(np.diff(points_xy_px, axis=0)).max(axis=1)
    parts = np.maximum(1, np.ceil(steps * 2).astype(np.intp))
    along = np.repeat(np.arange(len(parts)), parts)
    within = np.arange(len(along)) - np.repeat(np.cumsum(parts) - parts, parts)
    position = np.append(along + within / parts[along], len(points_xy_px) - 1.0)
    index = np.arange(len(points_xy_px))
    cols = np.rint(np.interp(position, index, points_xy_px[:, 0])).astype(np.intp)
    rows = np.rint(np.interp(position, index, points_xy_px[:, 1])).astype(np.intp)
    inside = (rows >= 0) & (cols >= 0) & (rows < size_hw[0]) & (cols < size_hw[1])
    return rows[inside], cols[inside]


def _segments(strokes: Sequence[Stroke], longest_px: float) -> npt.NDArray[np.float64]:
    """M x 8: ax, ay, bx, by, width at a, width at b, position of a, position of b."""
    rows, first = [], 0
    for stroke in strokes:
        points, width = stroke.points_xy_px, stroke.width_px
        index = np.arange(first, first + len(points), dtype=np.float64)
        table = np.column_stack([points, width, index])
        # Long segments are cut: a small box round each piece holds far fewer pixels than one round the whole.
        pieces = np.ceil(np.hypot(*np.diff(points, axis=0).T) / longest_px).astype(np.intp)
        if len(pieces) and pieces.max() > 1:
            at = np.repeat(np.arange(len(pieces)), np.maximum(pieces, 1))
            share = np.concatenate([np.arange(n) / n for n in np.maximum(pieces, 1)])[:, None]
            table = np.concatenate([table[at] * (1 - share) + table[at + 1] * share, table[-1:]])
        a, b = table[:-1], table[1:]
        rows.append(np.column_stack([a[:, :2], b[:, :2], a[:, 2], b[:, 2], a[:, 3], b[:, 3]]))
        first += len(points)
    return np.concatenate(rows) if rows else np.zeros((0, 8))


def _measure(
    segments: Float32Array, box: int, size_hw: tuple[int, int], reach_px: float
) -> tuple[npt.NDArray[np.generic], ...]:
    """Columns for the pixels near segments of one box size: flat index, signed, distance, width, position,
    side, ex, ey."""
    ax, ay, bx, by, wa, wb, start, end = (segments[:, i] for i in range(8))
    offsets = np.arange(-box, box + 1, dtype=np.float32)
    px = np.rint((ax + bx) / 2)[:, None] + offsets
    py = np.rint((ay + by) / 2)[:, None] + offsets
    lx, ly = bx - ax, by - ay
    square = np.maximum(lx * lx + ly * ly, np.float32(1e-12))
    dx, dy = px - ax[:, None], py - ay[:, None]
    t = (dx * (lx / square)[:, None])[:, None, :] + (dy * (ly / square)[:, None])[:, :, None]
    np.clip(t, 0, 1, out=t)
    ex = dx[:, None, :] - t * lx[:, None, None]
    ey = dy[:, :, None] - t * ly[:, None, None]
    distance = np.sqrt(ex * ex + ey * ey)
    signed = distance - (wa / 2)[:, None, None] - t * ((wb - wa) / 2)[:, None, None]
    keep = signed <= reach_px
    keep &= ((px >= 0) & (px < size_hw[1]))[:, None, :]
    keep &= ((py >= 0) & (py < size_hw[0]))[:, :, None]
    n, r, c = np.nonzero(keep)
    t, ex, ey, distance = t[keep], ex[keep], ey[keep], distance[keep]
    flat = py[n, r].astype(np.intp) * size_hw[1] + px[n, c].astype(np.intp)
    width = wa[n] + t * (wb - wa)[n]
    side = np.where(lx[n] * ey - ly[n] * ex <= 0, np.float32(1), np.float32(-1))
    return flat, signed[keep], distance, width, start[n] + t * (end - start)[n], side, ex, ey


def _nearest(found: Sequence[tuple[npt.NDArray[np.generic], ...]], size_hw: tuple[int, int]) -> Band:
    """Of all measurements of a pixel keep the one with the smallest signed distance."""
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    flat, signed = columns[0], columns[1]
    best = np.full(size_hw[0] * size_hw[1], np.inf, np.float32)
    np.minimum.at(best, flat, signed)
    winners = np.nonzero(signed == best[flat])[0]
    chosen = np.full(len(best), -1, np.intp)
    chosen[flat[winners]] = winners
    pixels = np.nonzero(chosen >= 0)[0]
    pick = chosen[pixels]
    distance, width, position, side, ex, ey = (np.asarray(column[pick], np.float32) for column in columns[2:])
    norm = np.maximum(distance, np.float32(1e-6))
    away_x, away_y = np.asarray(ex / norm, np.float32), np.asarray(ey / norm, np.float32)
    return Band(pixels // size_hw[1], pixels % size_hw[1], distance, width, position, side, away_x, away_y)
