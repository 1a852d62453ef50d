"""How many connected components a probability map has above every threshold, in one pass.

The pixels above a threshold t are a forest: components = pixels - edges of a spanning forest. With edges that
weigh as much as the lower of their two pixels, the maximum spanning forest of the whole map, cut at t, spans
what lies above t, for every t at once (Kruskal 1956). Most of it need not be searched for: a pixel that has a
higher neighbour appears and is joined to it at the same probability, so it changes no count. What is left are
the peaks, each of which adds a component, and the saddles between them, each of which takes one away. The
eight pixels around a pixel tell a saddle: those that are higher fall into separate parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from flawscope.errors import UsageError

Neighbours = Literal[4, 8]
Values = npt.NDArray[np.float64]
Plane = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class ComponentCurve:
    """Components of ``probability >= t`` as a function of t."""

    peaks: Values
    """Ascending probabilities at which a component appears."""
    saddles: Values
    """Ascending probabilities at which two components become one."""

    def count(self, threshold: float | Values) -> npt.NDArray[np.int64]:
        """Components of the pixels with a probability of at least ``threshold`` (a number or an array)."""
        above = len(self.peaks) - np.searchsorted(self.peaks, threshold, side="left")
        joined = len(self.saddles) - np.searchsorted(self.saddles, threshold, side="left")
        return np.asarray(above - joined, dtype=np.int64)


def component_curve(probability: Plane, neighbours: Neighbours = 8) -> ComponentCurve:
    """Return the curve of a map H x W; equal probabilities are exact.

    ``neighbours``: 8 joins pixels that touch at a corner, 4 only those that share an edge. Raises UsageError
    for another number, or a map that is not H x W with finite values.
    """
    if neighbours not in (4, 8):
        raise UsageError(f"A pixel has 4 or 8 neighbours; found {neighbours}.")
    if probability.ndim != 2 or not np.isfinite(probability).all():
        raise UsageError(
            f"Components are counted in H x W finite numbers; found shape {probability.shape} or NaN."
        )
    if not probability.size:
        return ComponentCurve(np.zeros(0), np.zeros(0))
    peaks, saddles = _peaks_and_saddles(np.ascontiguousarray(probability), neighbours)
    return ComponentCurve(np.sort(peaks.astype(np.float64)), np.sort(saddles))


_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Rows and columns to the eight pixels around one, in reading order; bit k of a code stands for the k-th."""

_NONE = 8


def _ways(neighbours: Neighbours) -> npt.NDArray[np.uint8]:
    """256 codes x 4: directions that lead from a pixel to what is higher, one for each separate part of it.

    A code says which of the eight pixels around are higher. Where two of them are joined by a way through
    higher pixels around, one direction stands for both; ``_NONE`` fills the rest.
    """
    table = np.full((256, 4), _NONE, dtype=np.uint8)
    for code in range(256):
        left = [k for k in range(8) if code >> k & 1]
        parts: list[list[int]] = []
        while left:
            part = [left.pop(0)]
            for k in part:
                joined = [other for other in left if _touch(_AROUND[k], _AROUND[other], neighbours)]
                part += joined
                left = [other for other in left if other not in joined]
            parts.append([k for k in part if neighbours == 8 or 0 in _AROUND[k]])
        reached = [part[0] for part in parts if part]
        table[code, : len(reached)] = reached
    return table


def _touch(a: tuple[int, int], b: tuple[int, int], neighbours: Neighbours) -> bool:
    dy, dx = abs(a[0] - b[0]), abs(a[1] - b[1])
    return max(dy, dx) == 1 if neighbours == 8 else dy + dx == 1


_WAYS = {4: _ways(4), 8: _ways(8)}


def _codes(plane: Plane) -> npt.NDArray[np.uint8]:
    """Which pixels around are higher, H x W codes; of equals the later in reading order is the higher.

    So no two pixels are equally high, flat ground drains too, and nothing goes round in circles.
    """
    height, width = plane.shape
    code = np.zeros(plane.shape, dtype=np.uint8)
    for k, (dy, dx) in enumerate(_AROUND[4:], start=4):
        here = slice(0, height - dy), slice(max(0, -dx), width - max(0, dx))
        there = slice(dy, height), slice(max(0, dx), width + min(0, dx))
        higher = plane[there] >= plane[here]
        code[here] |= higher.view(np.uint8) << np.uint8(k)
        code[there] |= (~higher).view(np.uint8) << np.uint8(7 - k)
    return code


def _peaks_and_saddles(plane: Plane, neighbours: Neighbours) -> tuple[Plane, Values]:
    """Heights at which components appear, and at which two become one."""
    ways = _WAYS[neighbours]
    steps = np.array([dy * plane.shape[1] + dx for dy, dx in _AROUND] + [0], dtype=np.int32)
    code, flat = _codes(plane).ravel(), plane.ravel()
    own = np.arange(flat.size, dtype=np.int32)
    basin, tops = _roots(own + steps[ways[:, 0]][code])
    ends_a, ends_b, heights = [], [], []
    # Only a pixel between separate higher parts joins anything, at its own height.
    for column in (1, 2, 3):
        pixels = np.flatnonzero((ways[:, column] != _NONE)[code])
        ends_a.append(basin[pixels])
        ends_b.append(basin[pixels + steps[ways[:, column]][code[pixels]]])
        heights.append(flat[pixels])
    saddles = _spanning_heights(
        np.concatenate(ends_a), np.concatenate(ends_b), np.concatenate(heights), len(tops)
    )
    return flat[tops], saddles


def _roots(goal: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Follow pointers to where they end: the number of each one's end, and the ends. No cycles but to itself.

    Every round doubles the way that is gone.
    """
    while True:
        further = goal[goal]
        if np.array_equal(further, goal):
            break
        goal = further
    ends = np.flatnonzero(goal == np.arange(len(goal), dtype=np.int32))
    number = np.empty(len(goal), dtype=np.int32)
    number[ends] = np.arange(len(ends), dtype=np.int32)
    return number[goal], ends


def _spanning_heights(
    a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], height: Plane, count: int
) -> Values:
    """Heights of the edges a - b that the maximum spanning forest of ``count`` nodes takes.

    Boruvka's way (1926): every node is joined over its highest edge, all at once, and again.
    """
    order = np.argsort(height, kind="stable")
    a, b, height = a[order], b[order], height[order]
    taken = [height[:0]]
    while True:
        apart = a != b
        a, b, height = a[apart], b[apart], height[apart]
        if not len(height):
            return np.concatenate(taken).astype(np.float64)
        rank = np.arange(len(height), dtype=np.int32)
        highest = np.full(count, -1, dtype=np.int32)
        np.maximum.at(highest, a, rank)
        np.maximum.at(highest, b, rank)
        own = np.arange(count, dtype=np.int32)
        partner = np.where(highest >= 0, a[highest] + b[highest] - own, own)
        # Two that chose the same edge point at each other: one of them is the root, and the edge counts once.
        root = (partner[partner] == own) & (own < partner)
        taken.append(height[highest[(highest >= 0) & ~root]])
        number, ends = _roots(np.where(root, own, partner).astype(np.int32))
        count = len(ends)
        a, b = number[a], number[b]
