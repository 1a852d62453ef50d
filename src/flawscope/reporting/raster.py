"""From the rings of a finding back to its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.types import Finding

BoolArray = npt.NDArray[np.bool_]
Ring = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The pixels of one finding in a box of their own."""

    x_px: int
    y_px: int
    pixels: BoolArray
    """h x w bool; pixel (0, 0) lies at (``x_px``, ``y_px``) of the picture."""


def fill_rings(rings: Sequence[Ring], size_hw: tuple[int, int]) -> BoolArray:
    """Mark the pixels whose centres lie inside an odd number of rings.

    rings: N x 2 points (x, y) each, closed or not; pixel centres lie on whole numbers. size_hw: size of the
    result; what reaches beyond is cut off. Even-odd rule: a row is entered at the first crossing to the left
    of a pixel and left at the next.
    """
    height, width = size_hw
    toggles = np.zeros((height, width + 1), dtype=np.uint8)
    for ring in rings:
        rows, columns = _crossings(np.asarray(ring, dtype=np.float64), height)
        np.bitwise_xor.at(toggles, (rows, np.clip(columns, 0, width)), np.uint8(1))
    inside: BoolArray = np.bitwise_xor.accumulate(toggles, axis=1)[:, :width].astype(np.bool_)
    return inside


def _crossings(ring: Ring, height: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and first pixel to the right of each place where an edge of the ring crosses a row of centres."""
    start, end = ring, np.roll(ring, -1, axis=0)
    low = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
    high = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
    # Half-open in y, so that a row through a corner is crossed once and level edges not at all.
    first = np.maximum(np.ceil(low[:, 1]).astype(np.int64), 0)
    stop = np.minimum(np.ceil(high[:, 1]).astype(np.int64), height)
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(ring)), count)
    rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    rise = high[edge, 1] - low[edge, 1]
    x = low[edge, 0] + (rows - low[edge, 1]) / rise * (high[edge, 0] - low[edge, 0])
    return rows, np.ceil(x).astype(np.int64)


def patch_of(finding: Finding, factor_xy: tuple[float, float] = (1.0, 1.0)) -> Patch:
    """The pixels of a finding; its whole box where it has no contour.

    factor_xy: size of the target picture over the size of the photograph, when the picture was made smaller.
    """
    if not finding.contour_xy_px:
        x0, y0 = round(finding.x_px * factor_xy[0]), round(finding.y_px * factor_xy[1])
        size = max(1, round(finding.h_px * factor_xy[1])), max(1, round(finding.w_px * factor_xy[0]))
        return Patch(x0, y0, np.ones(size, dtype=np.bool_))
    factor = np.asarray(factor_xy)
    # Pixel centres lie on whole numbers: the corner of the picture is at -0.5 on every grid.
    rings = [(np.asarray(ring, dtype=np.float64) + 0.5) * factor - 0.5 for ring in finding.contour_xy_px]
    x0, y0 = (int(value) for value in np.floor(rings[0].min(axis=0)))
    x1, y1 = (int(value) for value in np.ceil(rings[0].max(axis=0)))
    corner = np.array([x0, y0], dtype=np.float64)
    pixels = fill_rings([ring - corner for ring in rings], (y1 - y0 + 1, x1 - x0 + 1))
    if min(factor_xy) < 1.0:
        _mark_edges(pixels, rings, corner)
    return Patch(x0, y0, pixels)


def _mark_edges(pixels: BoolArray, rings: Sequence[Ring], corner: npt.NDArray[np.float64]) -> None:
    """Mark the pixels under the rings: hairlines stay in one piece on a smaller picture."""
    for ring in rings:
        at = np.rint(ring - corner).astype(np.int64)
        inside = (
            (at[:, 0] >= 0) & (at[:, 0] < pixels.shape[1]) & (at[:, 1] >= 0) & (at[:, 1] < pixels.shape[0])
        )
        pixels[at[inside, 1], at[inside, 0]] = True


def paste(target: BoolArray, patch: Patch) -> None:
    """Mark the pixels of a patch in ``target`` (H x W); what lies outside is cut off."""
    height, width = target.shape
    h, w = patch.pixels.shape
    y0, y1 = max(patch.y_px, 0), min(patch.y_px + h, height)
    x0, x1 = max(patch.x_px, 0), min(patch.x_px + w, width)
    if y0 < y1 and x0 < x1:
        cut = patch.pixels[y0 - patch.y_px : y1 - patch.y_px, x0 - patch.x_px : x1 - patch.x_px]
        target[y0:y1, x0:x1] |= cut
