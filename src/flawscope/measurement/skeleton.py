"""The skeleton of a component as a graph: nodes where lines meet, branches between them.

The graph is cleaned in two steps. Spurs, the short side arms that a skeleton sends into every corner and
bump of the outline, are cut when they hardly leave the disc that fits into the shape at their root. Nodes
closer together than the shape is wide there are one crossing drawn twice by the thinning; they are joined.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

BoolArray = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

FREE = -1
"""Node number of a branch end that hangs free (a tip)."""

_EIGHT = np.ones((3, 3), dtype=bool)
_SHIFTS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))
SPUR_RATIO = 1.5
"""A side arm no longer than this many local radii is a spur: a right-angled corner gives 1.41."""
SPUR_SLACK_PX = 1.5


@dataclass(slots=True, eq=False)
class Node:
    """A place where three or more branches meet."""

    xy: Points
    radius_px: float
    """Radius of the disc that fits into the shape here; within it the widths of the arms mean nothing."""


@dataclass(slots=True, eq=False)
class Branch:
    """A run of skeleton pixels between two nodes or tips."""

    points_xy: Points
    """N x 2, in order; N >= 1."""
    radius_px: npt.NDArray[np.float64]
    """N: distance from each point to the nearest pixel outside, less the half pixel to its edge."""
    start: int = FREE
    stop: int = FREE
    closed: bool = False
    """A ring without any node."""
    blunt: list[bool] = field(default_factory=lambda: [False, False])
    """Whether the corner spurs at the start and at the stop were cut, so the end lies a radius inside."""

    @property
    def length_px(self) -> float:
        """Length over the pixel steps; good enough to tell spurs from arms."""
        return float(np.hypot(*np.diff(self.points_xy, axis=0).T).sum()) if len(self.points_xy) > 1 else 0.0


@dataclass(slots=True, eq=False)
class SkeletonGraph:
    """Branches and the nodes they join, in cut-out coordinates (x, y)."""

    nodes: dict[int, Node]
    branches: list[Branch]

    def degrees(self) -> dict[int, int]:
        """Number of branch ends at each node; a loop counts twice."""
        count = dict.fromkeys(self.nodes, 0)
        for branch in self.branches:
            for end in (branch.start, branch.stop):
                if end != FREE:
                    count[end] += 1
        return count


def skeleton_graph(shape: BoolArray) -> SkeletonGraph:
    """Thin a shape to its middle line and return the line as a cleaned graph.

    shape: h x w bool, one component, with an empty rim of at least one pixel.
    """
    graph = trace(shape)
    drop_eyelets(graph)
    prune(graph)
    join_near_nodes(graph)
    return graph


def trace(shape: BoolArray) -> SkeletonGraph:
    """Turn the thinned shape into nodes and branches, nothing removed."""
    rows, columns = np.nonzero(skeletonize(shape, method="lee"))
    index = np.full(shape.shape, -1, dtype=np.int64)
    index[rows, columns] = np.arange(len(rows))
    neighbours = np.stack([index[rows + dy, columns + dx] for dy, dx in _SHIFTS], axis=1)
    crossing = (neighbours >= 0).sum(axis=1) > 2
    xy = np.stack([columns, rows], axis=1).astype(np.float64)
    radius = inner_radius(shape, xy)

    cluster = np.full(len(rows), FREE, dtype=np.int64)
    if crossing.any():
        spots = np.zeros(shape.shape, dtype=bool)
        spots[rows[crossing], columns[crossing]] = True
        labels, _ = ndimage.label(spots, structure=_EIGHT)
        cluster[crossing] = labels[rows[crossing], columns[crossing]]
    nodes = {}
    for number in np.unique(cluster[crossing]):
        of_node = cluster == number
        nodes[int(number)] = Node(xy[of_node].mean(axis=0), float(radius[of_node].max()))
    graph = SkeletonGraph(nodes, [])
    for path, start, stop, closed in _paths(neighbours, cluster):
        graph.branches.append(Branch(xy[path], radius[path], start, stop, closed))
    if not graph.branches:  # a lone knot of crossing pixels
        graph.branches.append(Branch(xy.mean(axis=0, keepdims=True), radius.max(keepdims=True)))
        graph.nodes.clear()
    return graph


def inner_radius(shape: BoolArray, points_xy: Points) -> npt.NDArray[np.float64]:
    """Distance from points to the edge of the shape: to the nearest outer pixel's centre, less half a pixel.

    Only the pixels just outside the shape are searched, which beats a distance transform of the whole box.
    """
    rim = ndimage.binary_dilation(shape) & ~shape
    rim_rows, rim_columns = np.nonzero(rim)
    distance, _ = cKDTree(np.stack([rim_columns, rim_rows], axis=1)).query(points_xy)
    radius: npt.NDArray[np.float64] = np.maximum(distance - 0.5, 0.5)
    return radius


def _paths(
    neighbours: npt.NDArray[np.int64], cluster: npt.NDArray[np.int64]
) -> list[tuple[list[int], int, int, bool]]:
    """Follow the pixels that are no crossings: (pixel numbers in order, start node, stop node, closed)."""
    links = [[n for n in row if n >= 0] for row in neighbours.tolist()]
    node = cluster.tolist()
    seen = [number != FREE for number in node]
    found: list[tuple[list[int], int, int, bool]] = []

    def follow(first: int) -> tuple[list[int], int]:
        path, here, end = [first], first, FREE
        seen[first] = True
        while True:
            onward = [n for n in links[here] if not seen[n]]
            if not onward:
                break
            here = onward[0]
            seen[here] = True
            path.append(here)
        touching = [node[n] for n in links[here] if node[n] != FREE]
        if touching and (len(path) > 1 or len(links[first]) == 1):
            end = touching[-1]
        return path, end

    ends = [
        i
        for i in range(len(node))
        if not seen[i] and (len(links[i]) < 2 or any(node[n] != FREE for n in links[i]))
    ]
    for i in ends:
        if seen[i]:
            continue
        touching = [node[n] for n in links[i] if node[n] != FREE]
        path, stop = follow(i)
        if len(path) == 1:
            start, stop = [*touching, FREE, FREE][:2]
        else:
            start = touching[0] if touching else FREE
        found.append((path, start, stop, False))
    for i in range(len(node)):
        if not seen[i]:
            path, _ = follow(i)
            found.append((path, FREE, FREE, True))
    return found


def drop_eyelets(graph: SkeletonGraph) -> None:
    """Remove loops that lie inside the disc of their own node: slips of the thinning, not holes of the
    shape."""

    def eyelet(branch: Branch) -> bool:
        if branch.start == FREE or branch.start != branch.stop:
            return False
        return branch.length_px <= 2 * graph.nodes[branch.start].radius_px + 2

    graph.branches = [b for b in graph.branches if not eyelet(b)]
    _settle(graph)


def prune(graph: SkeletonGraph) -> None:
    """Cut spurs until none is left, shortest reach first; loops and the last line of a shape stay."""
    while True:
        spurs = [b for b in graph.branches if (b.start == FREE) != (b.stop == FREE) and _is_spur(graph, b)]
        if not spurs:
            break
        doomed: set[int] = set()
        for number in {max(b.start, b.stop) for b in spurs}:
            here = [b for b in spurs if number in (b.start, b.stop)]
            others = sum((b.start == number) + (b.stop == number) for b in graph.branches) - len(here)
            if others == 0:  # a star of spurs: its two longest arms are the shape's only line
                here = sorted(here, key=_reach)[:-2]
            doomed.update(id(b) for b in here)
        if not doomed:
            break
        graph.branches = [b for b in graph.branches if id(b) not in doomed]
        _settle(graph)


def _reach(branch: Branch) -> float:
    """Length from the root of a terminal branch to the true tip."""
    tip = 0 if branch.start == FREE else -1
    return branch.length_px + (float(branch.radius_px[tip]) if branch.blunt[tip] else 0.5)


def _is_spur(graph: SkeletonGraph, branch: Branch) -> bool:
    node = graph.nodes[max(branch.start, branch.stop)]
    root = branch.points_xy[0 if branch.start != FREE else -1]
    reach = _reach(branch) + float(np.hypot(*(root - node.xy)))
    return reach <= SPUR_RATIO * node.radius_px + SPUR_SLACK_PX


def _settle(graph: SkeletonGraph) -> None:
    """Dissolve nodes that hold fewer than three ends: one becomes a blunt tip, two become one line."""
    for number, degree in graph.degrees().items():
        if degree >= 3:
            continue
        node = graph.nodes[number]
        touching = [b for b in graph.branches if number in (b.start, b.stop)]
        if degree == 0:
            graph.branches.append(Branch(node.xy[None], np.array([node.radius_px])))
        elif degree == 1:
            _end_at(touching[0], number, node)
        elif degree == 2 and len(touching) == 1:
            ring = touching[0]
            ring.points_xy = np.vstack([ring.points_xy, node.xy])
            ring.radius_px = np.append(ring.radius_px, node.radius_px)
            ring.start, ring.stop, ring.closed = FREE, FREE, True
        elif degree == 2:
            _splice(graph, touching[0], touching[1], number)
        del graph.nodes[number]


def _end_at(branch: Branch, number: int, node: Node) -> None:
    at_start = branch.start == number
    parts = [node.xy[None], branch.points_xy] if at_start else [branch.points_xy, node.xy[None]]
    own = np.array([node.radius_px])
    radii = [own, branch.radius_px] if at_start else [branch.radius_px, own]
    branch.points_xy, branch.radius_px = np.vstack(parts), np.concatenate(radii)
    if at_start:
        branch.start = FREE
    else:
        branch.stop = FREE
    branch.blunt[0 if at_start else 1] = True


def _splice(graph: SkeletonGraph, first: Branch, second: Branch, number: int) -> None:
    if first.stop != number:
        _reverse(first)
    if second.start != number:
        _reverse(second)
    node = graph.nodes[number]
    first.points_xy = np.vstack([first.points_xy, node.xy, second.points_xy])
    first.radius_px = np.concatenate([first.radius_px, [node.radius_px], second.radius_px])
    first.stop, first.blunt = second.stop, [first.blunt[0], second.blunt[1]]
    graph.branches = [b for b in graph.branches if b is not second]


def _reverse(branch: Branch) -> None:
    branch.points_xy, branch.radius_px = branch.points_xy[::-1], branch.radius_px[::-1]
    branch.start, branch.stop = branch.stop, branch.start
    branch.blunt = branch.blunt[::-1]


def join_near_nodes(graph: SkeletonGraph) -> None:
    """Join nodes whose link is shorter than the discs at both ends: one crossing that thinning drew as two.

    The joined node lies midway; its radius covers both discs, so that no width is taken inside the crossing.
    """
    while True:
        for link in graph.branches:
            if FREE in (link.start, link.stop) or link.start == link.stop:
                continue
            one, two = graph.nodes[link.start], graph.nodes[link.stop]
            gap = float(np.hypot(*(one.xy - two.xy)))
            if gap <= _longest_link(graph, link):
                break
        else:
            return
        middle = (one.xy + two.xy) / 2
        radius = gap / 2 + max(one.radius_px, two.radius_px)
        kept, gone = link.start, link.stop
        graph.nodes[kept] = Node(middle, radius)
        del graph.nodes[gone]
        graph.branches = [b for b in graph.branches if b is not link]
        for branch in graph.branches:
            branch.start = kept if branch.start == gone else branch.start
            branch.stop = kept if branch.stop == gone else branch.stop


def _longest_link(graph: SkeletonGraph, link: Branch) -> float:
    """Longest link, in pixels, that still counts as part of one crossing.

    The radii of both ends and a pixel for their rounding; nearly twice as much where all four arms lean
    away from the link, as in an acute crossing of down to 30 degrees (in an H they stand across it).
    """
    one, two = graph.nodes[link.start], graph.nodes[link.stop]
    both = one.radius_px + two.radius_px
    along = two.xy - one.xy
    for number, axis in ((link.start, along), (link.stop, -along)):
        for branch in graph.branches:
            if branch is link or number not in (branch.start, branch.stop):
                continue
            points = branch.points_xy if branch.start == number else branch.points_xy[::-1]
            far = (
                points[min(len(points) - 1, int(2 * graph.nodes[number].radius_px))] - graph.nodes[number].xy
            )
            norm = float(np.hypot(*far) * np.hypot(*axis))
            if norm == 0 or float(far @ axis) / norm > -0.7:
                return both + 1.0
    return 1.9 * both + 1.5
