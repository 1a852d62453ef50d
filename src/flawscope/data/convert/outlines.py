"""Outlines along pixel edges: a polygon that covers exactly the pixels of a piece, holes included.

A piece is connected over sides and corners. Its outline runs along the edges of its pixels; the outline of a
hole is joined to it by a slit without width, so that one ring says all, as formats without holes need.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Point = tuple[int, int]
Ring = list[Point]
"""Corners (x, y) in px from the image's corner; the last is joined to the first."""

_LEFT_FIRST = (3, 0, 1)
"""Turns in order of choice: left, straight on, right. At a corner that two pixels share, a left turn goes
over to the other one."""
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Headings: right, down, left, up; a right turn is one further."""


def outline(piece: npt.NDArray[np.bool_]) -> Ring:
    """The outline of one piece.

    Args:
        piece: H x W bool, one piece that is connected over sides or corners; not empty.
    """
    rings = _rings(piece)
    outer = max(rings, key=_area)
    holes = sorted((ring for ring in rings if ring is not outer), key=min)
    for hole in holes:
        outer = _joined(outer, hole)
    return outer


def _rings(piece: npt.NDArray[np.bool_]) -> list[Ring]:
    """All closed walks along the edges with the piece on the right; holes run the other way round."""
    headings = _edges(piece)
    rings = []
    while headings:
        start = next(iter(headings))
        heading = next(iter(headings[start]))
        ring: Ring = []
        point, before = start, -1
        while point in headings and heading in headings[point]:
            headings[point].remove(heading)
            if not headings[point]:
                del headings[point]
            if heading != before:
                ring.append(point)
            before = heading
            point = (point[0] + _STEPS[heading][0], point[1] + _STEPS[heading][1])
            there = headings.get(point, ())
            ways = ((before + way) % 4 for way in _LEFT_FIRST)
            heading = next((way for way in ways if way in there), before)
        rings.append(ring)
    return rings


def _edges(piece: npt.NDArray[np.bool_]) -> dict[Point, set[int]]:
    """Corner -> headings of the pixel edges that begin there."""
    padded = np.pad(piece, 1)
    inner = padded[1:-1, 1:-1]
    found: dict[Point, set[int]] = {}
    sides = (
        (0, padded[:-2, 1:-1], (0, 0)),
        (1, padded[1:-1, 2:], (1, 0)),
        (2, padded[2:, 1:-1], (1, 1)),
        (3, padded[1:-1, :-2], (0, 1)),
    )
    for heading, neighbour, (dx, dy) in sides:
        rows, columns = np.nonzero(inner & ~neighbour)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            found.setdefault((x, y), set()).add(heading)
    return found


def _area(ring: Ring) -> int:
    """Twice the area; below 0 for holes."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*ring, ring[0]]))


def _joined(outer: Ring, hole: Ring) -> Ring:
    """Both rings as one, joined from the hole's leftmost corner straight to the left.

    Holes further left were joined before, so what stands nearest on the left belongs to ``outer``.
    """
    start = hole.index(min(hole))
    x, y = hole[start]
    best, place = -1, 0
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise([*outer, outer[0]])):
        if x0 == x1 and best < x0 <= x and min(y0, y1) <= y <= max(y0, y1):
            best, place = x0, number
    around = [*hole[start:], *hole[:start], (x, y)]
    return [*outer[: place + 1], (best, y), *around, (best, y), *outer[place + 1 :]]
