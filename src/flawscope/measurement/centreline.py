"""From skeleton pixels to a smooth centreline with widths.

A skeleton is a staircase: the sum of its steps (1 and sqrt 2) overstates the length by up to 8 %, and it
stops about half a width short of each tip. Here every branch is smoothed by local quadratic regression
(Savitzky and Golay, Analytical Chemistry 36, 1964), moved to the middle between both edges, and carried on
along its tangent to the edge of the shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from flawscope.measurement.graph import FREE, Branch, Node, SkeletonGraph
from flawscope.measurement.polyline import polyline_length, resample, smooth, tangents, window_px
from flawscope.measurement.rim import Rim
from flawscope.measurement.smoothing import smooth_widths
from flawscope.measurement.width import BoolArray, EdgeField, cast_rays

Floats = npt.NDArray[np.float64]

_CORNER_SLOPE = 0.6
"""At a tip the radius grows by 0.71 a pixel where the skeleton runs into a corner and by less in any
taper."""

_BENT = 0.25
"""Turn in radians between the halves of a chord at a tip from which a line bends; staircases give less."""
_TIP_PX = 3
"""How far round a tip is looked whether it is one pixel wide."""
_SINGLE = 1.5
"""Pixels a skeleton pixel below which a line counts as one of single pixels; midway between one and two."""


@dataclass(slots=True, eq=False)
class Line:
    """A smoothed branch, points about one pixel apart."""

    points_xy: Floats
    tips: tuple[bool, bool]
    """Whether the start and the stop are free tips."""
    roots: tuple[Node | None, Node | None]
    """The nodes at both ends."""
    closed: bool
    radius_px: float
    """Median inner radius along the branch."""
    tip_radius_px: tuple[float, float] = (1.0, 1.0)
    """Largest inner radius near the start and near the stop."""
    tip_pixels_xy: tuple[Floats | None, Floats | None] = (None, None)
    """The last pixel at the start and at the stop, where the shape ends in a line of single pixels."""
    length_px: float = 0.0
    width_px: Floats | None = None
    valid: BoolArray | None = None
    """Points whose width counts: outside crossings and tips."""


def centrelines(graph: SkeletonGraph, own: BoolArray, field: EdgeField) -> list[Line]:
    """Smooth, centre and extend every branch of a skeleton graph, then measure the widths along it."""
    drafts = [_first_draft(graph, branch, own) for branch in graph.branches]
    lines = [line for line in drafts if line is not None and len(line.points_xy) >= 2]
    if not lines:
        return []
    hard = own.astype(np.float32)
    for line in lines:
        _extend(line, hard)
    moved = _centre(lines, field, own, graph.rim)
    if moved > 1.0 or max(line.radius_px for line in lines) > 4:  # the normals were slanted too
        for line in lines:
            _extend(line, hard)
        _centre(lines, field, own, graph.rim)
    for line in lines:
        _extend(line, hard)
        line.points_xy = resample(line.points_xy, line.closed)
        line.length_px = polyline_length(line.points_xy, line.closed)
    _measure_widths(lines, field, own, graph.rim)
    return lines


def _first_draft(graph: SkeletonGraph, branch: Branch, own: BoolArray) -> Line | None:
    """Trim the unreliable ends, smooth, resample, and tie to the nodes."""
    radius = float(np.median(branch.radius_px))
    points = branch.points_xy
    tips = (branch.start == FREE and not branch.closed, branch.stop == FREE and not branch.closed)
    tip_pixels = (
        _tip_pixel(points, radius, own) if tips[0] else None,
        _tip_pixel(points[::-1], radius, own) if tips[1] else None,
    )
    first = last = 0
    if tips[0] and tip_pixels[0] is None:
        first = _trim_tip(points, branch.radius_px, branch.blunt[0])
    if tips[1] and tip_pixels[1] is None:
        last = _trim_tip(points[::-1], branch.radius_px[::-1], branch.blunt[1])
    if len(points) - first - last >= max(3.0, 0.5 * radius):
        points = points[first : len(points) - last]
    roots = (graph.nodes.get(branch.start), graph.nodes.get(branch.stop))
    keep = np.ones(len(points), dtype=bool)
    for node in roots:
        if node is not None:
            keep &= np.hypot(*(points - node.xy).T) > node.zone_px
    if not keep.any():  # all of it lies in a crossing: a straight line to its tip
        keep[0 if branch.start == FREE else -1] = FREE in (branch.start, branch.stop)
    points = points[keep]
    if len(points) >= 3:
        points = resample(smooth(points, window_px(radius), branch.closed), branch.closed)
        points = smooth(points, window_px(radius), branch.closed)
    ends = [node.xy[None] if node is not None else np.zeros((0, 2)) for node in roots]
    points = np.vstack([ends[0], points, ends[1]])
    if len(points) < 2:
        return None
    points = resample(points, branch.closed)
    near = max(3, int(2 * radius))
    tip_radius = (float(branch.radius_px[:near].max()), float(branch.radius_px[-near:].max()))
    return Line(points, tips, roots, branch.closed, radius, tip_radius, tip_pixels_xy=tip_pixels)


def _tip_pixel(points_from_tip: Floats, radius: float, own: BoolArray) -> Floats | None:
    """The end of a line of single pixels; None where the shape is wider. The skeleton of such a line is the
    line, so that nothing of it is unreliable, and its staircase hides where the edge lies along it."""
    if radius > 0.5:
        return None
    tip = points_from_tip[0]
    x, y = tip.astype(np.int64)
    window = own[max(0, y - _TIP_PX) : y + _TIP_PX + 1, max(0, x - _TIP_PX) : x + _TIP_PX + 1]
    near = np.abs(points_from_tip - tip).max(axis=1) <= _TIP_PX
    return tip if np.count_nonzero(window) < _SINGLE * np.count_nonzero(near) else None


def _trim_tip(points_from_tip: Floats, radius_from_tip: Floats, blunt: bool) -> int:
    """How many end points to drop because the skeleton bends into a corner there."""
    ahead = radius_from_tip[: int(radius_from_tip.max()) + 1]
    if blunt or radius_from_tip[0] >= 0.7 * ahead.max():  # thinning stopped in the middle, not in a corner
        return min(2, len(radius_from_tip) // 3)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points_from_tip, axis=0).T))]) + 1.0
    bent = radius_from_tip >= _CORNER_SLOPE * travelled
    return int(np.flatnonzero(bent)[-1]) + 1 if bent.any() and not bent.all() else 0


def _extend(line: Line, hard: npt.NDArray[np.float32]) -> None:
    """Carry the free ends on (or back) along the tangent to the edge of the shape."""
    for at_start in (True, False):
        if not line.tips[0 if at_start else 1]:
            continue
        points = line.points_xy if at_start else line.points_xy[::-1]
        pixel = line.tip_pixels_xy[0 if at_start else 1]
        if pixel is None:
            points = _to_edge(points, line.tip_radius_px[0 if at_start else 1], hard)
        else:
            points = _to_far_side(points, pixel)
        line.points_xy = points if at_start else points[::-1]


def _to_far_side(points: Floats, pixel: Floats) -> Floats:
    """End the line where it leaves its last pixel, as far along it as half that pixel reaches (as in
    ``compact_axis``)."""
    heading = points[0] - points[min(len(points) - 1, 10)]
    norm = float(np.hypot(*heading))
    if norm == 0:
        return points
    heading = heading / norm
    ahead = (pixel - points) @ heading + 0.5 * float(np.abs(heading).max())
    first = int((ahead > 0).argmax())
    tip = points[first] + heading * ahead[first]
    return np.vstack([tip[None], points[first:]])


def _to_edge(points: Floats, radius: float, hard: npt.NDArray[np.float32]) -> Floats:
    """Replace the first point by where the line meets the edge; inner points that lie outside are dropped."""
    inside = _sample(hard, points) >= 0.2  # a line of single pixels has corners below one half
    if not inside.any():
        return points
    points = points[int(inside.argmax()) :]
    ahead = [
        (_depth(points[0], heading, radius, hard), heading)
        for heading in _headings(points, int(np.clip(2 * radius, 10, 24)))
    ]
    if not ahead:
        return points
    depth, heading = max(ahead, key=lambda pair: pair[0])  # a wrong one leaves through the side
    return np.vstack([(points[0] + heading * depth)[None], points]) if depth > 0 else points


def _headings(points: Floats, base: int) -> list[Floats]:
    """Directions in which a line may go on before its first point: that of the chord over ``base`` points,
    and where the line bends also that of the circle through the chord's ends and middle."""
    base = min(len(points) - 1, base)
    outer, inner = points[0] - points[base // 2], points[base // 2] - points[base]
    chord = outer + inner
    norm = float(np.hypot(*chord))
    if norm == 0:
        return []
    heading = chord / norm
    bend = float(np.arctan2(inner[0] * outer[1] - inner[1] * outer[0], inner @ outer))
    if abs(bend) < _BENT:
        return [heading]
    cosine, sine = np.cos(bend), np.sin(bend)
    turned = np.array([cosine * heading[0] - sine * heading[1], sine * heading[0] + cosine * heading[1]])
    return [heading, turned]


def _depth(start: Floats, heading: Floats, radius: float, hard: npt.NDArray[np.float32]) -> float:
    """How far it is from a point to the edge of the shape, mean of three rays side by side; 0 if none meets
    it."""
    reach = np.arange(0.0, 4.0 * radius + 6.0, 0.25)
    side = np.array([-heading[1], heading[0]]) * min(1.0, radius / 3)
    found = []
    for shift in (-1.0, 0.0, 1.0):
        profile = _sample(hard, start + shift * side + reach[:, None] * heading)
        below = profile < 0.5
        k = int(below.argmax())
        if k > 0:
            found.append(
                0.25 * (k - 1 + float((profile[k - 1] - 0.5) / max(profile[k - 1] - profile[k], 1e-9)))
            )
    return float(np.mean(found)) if found else 0.0


def _sample(field: npt.NDArray[np.float32], points: Floats) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = map_coordinates(
        field, [points[:, 1], points[:, 0]], order=1, mode="constant", cval=0.0, prefilter=False
    )
    return values


def _normals(lines: list[Line]) -> tuple[Floats, Floats, list[slice]]:
    """All points and normals in one row each, and the slice of each line."""
    points = np.vstack([line.points_xy for line in lines])
    along = np.vstack([tangents(line.points_xy, line.closed) for line in lines])
    stops = np.cumsum([len(line.points_xy) for line in lines])
    slices = [slice(stop - len(line.points_xy), stop) for stop, line in zip(stops, lines, strict=True)]
    return points, np.stack([-along[:, 1], along[:, 0]], axis=1), slices


def _centre(lines: list[Line], field: EdgeField, own: BoolArray, rim: Rim) -> float:
    """Move the points to the middle between both edges, then smooth once more; return the largest move."""
    largest = 0.0
    points, normals, slices = _normals(lines)
    reach = np.concatenate([rim.reach_px(line.points_xy, line.closed) for line in lines])
    rays = cast_rays(field, own, points, normals, reach)
    shift = (rays.right_px - rays.left_px) / 2
    for line, part in zip(lines, slices, strict=True):
        move = np.where(_clear_of_nodes(line, line.points_xy), shift[part], np.nan)
        move = np.where(np.abs(move) <= max(1.0, 0.6 * line.radius_px), move, np.nan)
        _quiet_tips(line, move)
        known = ~np.isnan(move)
        if known.sum() < 3:
            continue
        largest = max(largest, float(np.abs(move[known]).max()))
        move = _fill(move, known, line)
        for tip, node in zip((0, -1), line.roots, strict=True):
            if node is not None:
                move[tip] = 0.0
        moved = line.points_xy + normals[part] * move[:, None]
        line.points_xy = resample(smooth(moved, window_px(line.radius_px), line.closed), line.closed)
    return largest


def _fill(move: Floats, known: BoolArray, line: Line) -> Floats:
    """Bridge gaps evenly; towards a free tip carry the trend on, so a line that left the middle at a slant
    is turned back and not merely shifted."""
    index = np.arange(len(move))
    filled = np.interp(index, index[known], move[known])
    stretch = max(6, int(2 * line.radius_px))
    if line.tips[0] and not known[0]:
        _carry_on(filled, index[known][:stretch])
    if line.tips[1] and not known[-1]:
        _carry_on(filled[::-1], len(move) - 1 - index[known][::-1][:stretch])
    return filled


def _carry_on(values: Floats, known_index: npt.NDArray[np.int64]) -> None:
    """Overwrite the values before the first known one by the straight line through the known ones."""
    if len(known_index) < 4:
        return
    slope, _ = np.polyfit(known_index, values[known_index], 1)
    first = int(known_index[0])
    slope = float(np.clip(slope, -0.5, 0.5))
    values[:first] = values[first] + slope * (np.arange(first) - first)


def _quiet_tips(line: Line, values: Floats) -> None:
    """Blank the values within half a width of a free tip: the edges bend round it there."""
    near = min(int(line.radius_px) + 1, len(values) // 4)
    if near and line.tips[0]:
        values[:near] = np.nan
    if near and line.tips[1]:
        values[-near:] = np.nan


def _clear_of_nodes(line: Line, points: Floats) -> BoolArray:
    clear = np.ones(len(points), dtype=bool)
    for node in line.roots:
        if node is not None:
            clear &= np.hypot(*(points - node.xy).T) > 1.15 * node.zone_px + 1.5
    return clear


def _measure_widths(lines: list[Line], field: EdgeField, own: BoolArray, rim: Rim) -> None:
    points, normals, slices = _normals(lines)
    reach = np.concatenate([rim.reach_px(line.points_xy, line.closed) for line in lines])
    rays = cast_rays(field, own, points, normals, reach)
    for line, part in zip(lines, slices, strict=True):
        width = np.where(_clear_of_nodes(line, line.points_xy), rays.width_px[part], np.nan)
        if len(width) > 8:
            width[:2] = np.where(line.tips[0], np.nan, width[:2])  # the last rays leave through the end
            width[-2:] = np.where(line.tips[1], np.nan, width[-2:])
        width = smooth_widths(width, line.closed, staircase=not field.soft)
        valid = ~np.isnan(width)
        if line.tips[0]:
            _judge_tip(width, valid, line.tip_radius_px[0])
        if line.tips[1]:
            _judge_tip(width[::-1], valid[::-1], line.tip_radius_px[1])
        line.valid = valid
        known = ~np.isnan(width)
        if known.any():
            index = np.arange(len(width))
            line.width_px = np.interp(index, index[known], width[known])
        else:
            line.width_px = np.full(len(width), 2 * line.radius_px)


def _judge_tip(width: Floats, valid: BoolArray, radius: float) -> None:
    """Leave out the tip where the shape closes round it; a flat end or a taper is measured to its end.

    width runs from the tip inward. The widths of the stretch just inside are carried on as a straight line to
    the tip; from the outermost point that falls clearly short of that line outwards nothing counts.
    """
    near = int(np.ceil(radius)) + 1
    inner = np.arange(near, min(len(width), near + max(8, int(4 * radius))))
    inner = inner[valid[inner]] if len(inner) else inner
    if len(inner) < 4:
        valid[: min(near, len(width) // 4)] = False
        return
    slope, base = np.polyfit(inner, width[inner], 1)
    expected = np.maximum(base + slope * np.arange(near), 0.0)
    short = valid[:near] & (np.nan_to_num(width[:near]) < expected - (0.3 + 0.05 * expected))
    if short.any():
        valid[: int(np.flatnonzero(short)[-1]) + 1] = False
