"""Walks along the joints of a wall, as cracks in masonry do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from flawscope.data.synthetic.canvas import Canvas, PointsXY

_STEP_PX = 5.0


class _Joints:
    """Joints as chains of points with the places where one meets another."""

    def __init__(self, canvas: Canvas) -> None:
        self.lines = [_dense(line) for line in canvas.joints if len(line) >= 2]
        self.meets: list[list[tuple[int, int, int]]] = [[] for _ in self.lines]
        if not self.lines:
            return
        owner = np.concatenate([np.full(len(line), i) for i, line in enumerate(self.lines)])
        index = np.concatenate([np.arange(len(line)) for line in self.lines])
        points = np.concatenate(self.lines)
        reach = max(0.8 * canvas.joint_width_px, 1.1 * _STEP_PX)
        pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        gaps = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T)
        seen: set[tuple[int, int]] = set()
        for k in np.argsort(gaps, kind="stable"):
            p, q = pairs[k]
            if (owner[p], owner[q]) not in seen:
                # Two joints meet once: the closest pair of their points.
                seen |= {(owner[p], owner[q]), (owner[q], owner[p])}
                self.meets[owner[p]].append((int(index[p]), int(owner[q]), int(index[q])))
                self.meets[owner[q]].append((int(index[q]), int(owner[p]), int(index[p])))
        for meets in self.meets:
            meets.sort()


def _dense(line: PointsXY) -> PointsXY:
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, arc[-1], max(2, int(arc[-1] / _STEP_PX) + 1))
    return np.column_stack([np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])])


def stair_path(rng: np.random.Generator, canvas: Canvas) -> PointsXY | None:
    """A guide line N x 2 (x, y) along the joints, drifting one way, cutting through bricks now and then.

    It runs in the middle of the joint or along one edge of it, where mortar and brick part. None without
    joints.
    """
    joints = _Joints(canvas)
    if not joints.lines:
        return None
    drift = rng.choice([-1.0, 1.0], 2) * rng.uniform((0.1, 0.6), (0.8, 1.0))
    start = _start(rng, joints, canvas.size_hw)
    cut = float(rng.choice([0.0, 0.3, 0.6, 0.85]))
    ahead = _walk(rng, joints, start, drift, cut)
    if rng.random() < 0.7:
        back = _walk(rng, joints, start, -drift, cut)
        ahead = back[:0:-1] + ahead
    points = np.array(ahead)
    moved = np.hypot(*np.diff(points, axis=0).T) > 0.5
    points = points[np.concatenate([[True], moved])]
    if len(points) < 3:
        return None
    return _beside(rng, points, canvas.joint_width_px)


def _start(rng: np.random.Generator, joints: _Joints, size_hw: tuple[int, int]) -> tuple[int, int]:
    """A place on a joint inside the picture (any place if there is none)."""
    line = at = 0
    for _ in range(20):
        line = int(rng.integers(0, len(joints.lines)))
        at = int(rng.integers(0, len(joints.lines[line])))
        x, y = joints.lines[line][at]
        if 0 <= x < size_hw[1] and 0 <= y < size_hw[0]:
            break
    return line, at


def _walk(
    rng: np.random.Generator,
    joints: _Joints,
    place: tuple[int, int],
    drift: npt.NDArray[np.float64],
    cut: float,
) -> list[npt.NDArray[np.float64]]:
    """Points from a place along the drift till a joint ends or by chance; ``cut``: odds to break a brick."""
    path = [joints.lines[place[0]][place[1]]]
    for _ in range(int(rng.integers(3, 40))):
        along, after = _next_corner(rng, joints, *place, drift)
        if after == place:
            break
        path.extend(along)
        place = after
        if rng.random() < cut:
            target = _across_brick(rng, joints, place, drift)
            if target is not None:
                path.extend(_broken(rng, path[-1], joints.lines[target[0]][target[1]]))
                place = target
    return path


def _next_corner(
    rng: np.random.Generator, joints: _Joints, line: int, at: int, drift: npt.NDArray[np.float64]
) -> tuple[list[npt.NDArray[np.float64]], tuple[int, int]]:
    """Walk on to where another joint leaves; returns the points passed and the new joint and place."""
    points = joints.lines[line]
    chord = points[-1] - points[0]
    forward = bool(chord @ drift >= 0)
    ahead = [m for m in joints.meets[line] if (m[0] > at if forward else m[0] < at)]
    ahead.sort(key=lambda m: m[0], reverse=not forward)
    for meet in ahead:
        if rng.random() < 0.85 or meet[0] in (0, len(points) - 1):
            passed = points[at : meet[0] + 1] if forward else points[meet[0] : at + 1][::-1]
            return list(passed), (meet[1], meet[2])
    end = len(points) - 1 if forward else 0
    passed = points[at:] if forward else points[: at + 1][::-1]
    return list(passed), (line, end)


def _across_brick(
    rng: np.random.Generator, joints: _Joints, place: tuple[int, int], drift: npt.NDArray[np.float64]
) -> tuple[int, int] | None:
    """A place on another joint on the far side of a brick: across it the short way, more or less."""
    here, joint = joints.lines[place[0]][place[1]], joints.lines[place[0]]
    along = (joint[-1] - joint[0]) / max(float(np.hypot(*(joint[-1] - joint[0]))), 1e-9)
    square = np.array([-along[1], along[0]])
    heading = square * (1.0 if square @ drift >= 0 else -1.0) + along * rng.normal(0, 0.45)
    heading = heading / float(np.hypot(*heading))
    best, best_distance = None, np.inf
    for line, points in enumerate(joints.lines):
        away = points - here
        distance = np.hypot(away[:, 0], away[:, 1])
        hit = (distance > 4 * _STEP_PX) & (away @ heading > 0.97 * distance) & (distance < best_distance)
        if hit.any():
            at = int(np.nonzero(hit)[0][np.argmin(distance[hit])])
            best, best_distance = (line, at), float(distance[at])
    return best


def _broken(
    rng: np.random.Generator, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]
) -> list[npt.NDArray[np.float64]]:
    """Points of a rough break from ``start`` (left out) to ``end``, by midpoint displacement."""
    points = np.array([start, end])
    for _ in range(4):
        chord = np.diff(points, axis=0)
        square = np.column_stack([-chord[:, 1], chord[:, 0]])
        middle = (points[:-1] + points[1:]) / 2 + square * rng.normal(0, 0.13, (len(chord), 1))
        merged = np.empty((2 * len(points) - 1, 2))
        merged[::2], merged[1::2] = points, middle
        points = merged
    return list(points[1:])


def _beside(rng: np.random.Generator, points: PointsXY, joint_width_px: float) -> PointsXY:
    """Shift a walk to one edge of the joint, changing sides now and then; corners get cut short."""
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    offset = np.full(len(points), rng.choice([-0.5, 0.5, 0.5 * rng.uniform(-1, 1)]))
    for _ in range(rng.poisson(len(points) / 60)):
        offset[int(rng.integers(0, len(points))) :] *= rng.choice([-1.0, 0.2])
    return points + normal * (offset * joint_width_px)[:, None]
