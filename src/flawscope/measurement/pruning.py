"""Cleans a skeleton graph in two steps.

Spurs, the short side arms that a skeleton sends into every corner and bump, are cut when they hardly
leave the disc that fits into the shape at their root. Nodes nearer together than the shape is wide are one
crossing drawn twice by the thinning; they are joined.
"""

from __future__ import annotations

import numpy as np

from flawscope.measurement.graph import FREE, Branch, Node, SkeletonGraph

SPUR_RATIO = 1.5
"""A side arm no longer than this many local radii is a spur: a right-angled corner gives 1.41."""
SPUR_SLACK_PX = 1.5


def drop_eyelets(graph: SkeletonGraph) -> None:
    """Remove loops that lie inside the disc of their own node: slips of the thinning, not holes of the
    shape."""

    def eyelet(branch: Branch) -> bool:
        if branch.start == FREE or branch.start != branch.stop:
            return False
        return branch.length_px <= 2 * graph.nodes[branch.start].radius_px + 2

    graph.remove({id(branch) for branch in graph.branches if eyelet(branch)})
    _settle(graph)


def prune(graph: SkeletonGraph) -> None:
    """Cut spurs until none is left; loops and the last line of a shape stay."""
    while True:
        ends = graph.degrees()
        spurs: dict[int, list[Branch]] = {}
        for branch in graph.branches:
            if (branch.start == FREE) != (branch.stop == FREE) and _is_spur(graph, branch):
                spurs.setdefault(max(branch.start, branch.stop), []).append(branch)
        doomed: set[int] = set()
        for number, here in spurs.items():
            if ends[number] == len(here):  # a star of spurs: its two longest arms are the shape's only line
                here = sorted(here, key=_reach)[:-2]
            doomed.update(id(branch) for branch in here)
        if not doomed:
            return
        graph.remove(doomed)
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
    at, degrees = graph.incident(), graph.degrees()
    doomed: set[int] = set()
    for number, degree in degrees.items():
        if degree >= 3:
            continue
        node = graph.nodes.pop(number)
        touching = at[number]
        if degree == 0:
            graph.branches.append(Branch(node.xy[None], np.array([node.radius_px])))
        elif degree == 1:
            _end_at(touching[0], number, node)
        elif len(touching) == 1:
            ring = touching[0]
            ring.points_xy = np.vstack([ring.points_xy, node.xy])
            ring.radius_px = np.append(ring.radius_px, node.radius_px)
            ring.start, ring.stop, ring.closed = FREE, FREE, True
        else:
            first, second = touching
            _splice(first, second, number, node)
            doomed.add(id(second))
            if first.stop != FREE:
                others = [branch for branch in at[first.stop] if branch is not second and branch is not first]
                at[first.stop] = [*others, first]
    graph.remove(doomed)


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


def _splice(first: Branch, second: Branch, number: int, node: Node) -> None:
    """Append the second branch to the first, through the node between them."""
    if first.stop != number:
        _reverse(first)
    if second.start != number:
        _reverse(second)
    first.points_xy = np.vstack([first.points_xy, node.xy, second.points_xy])
    first.radius_px = np.concatenate([first.radius_px, [node.radius_px], second.radius_px])
    first.stop, first.blunt = second.stop, [first.blunt[0], second.blunt[1]]


def _reverse(branch: Branch) -> None:
    branch.points_xy, branch.radius_px = branch.points_xy[::-1], branch.radius_px[::-1]
    branch.start, branch.stop = branch.stop, branch.start
    branch.blunt = branch.blunt[::-1]


def join_near_nodes(graph: SkeletonGraph) -> None:
    """Join nodes whose link is shorter than the discs at both ends: one crossing that thinning drew as two.

    The joined node lies midway; its zone covers both discs, so that no width is taken inside the crossing.
    """
    at = graph.incident()
    waiting = [branch for branch in graph.branches if FREE not in (branch.start, branch.stop)]
    doomed: set[int] = set()
    while waiting:
        link = waiting.pop()
        if id(link) in doomed or link.start == link.stop:
            continue
        one, two = graph.nodes[link.start], graph.nodes[link.stop]
        gap = float(np.hypot(*(one.xy - two.xy)))
        if gap > 2 * (one.radius_px + two.radius_px) + 2 or gap > _longest_link(graph, at, link):
            continue
        kept, gone = link.start, link.stop
        graph.nodes[kept] = Node(
            xy=(one.xy + two.xy) / 2,
            radius_px=max(one.radius_px, two.radius_px),
            zone_px=gap / 2 + max(one.zone_px, two.zone_px),
        )
        del graph.nodes[gone]
        doomed.add(id(link))
        moved = at.pop(gone)
        for branch in moved:
            branch.start = kept if branch.start == gone else branch.start
            branch.stop = kept if branch.stop == gone else branch.stop
        merged = {id(branch): branch for branch in [*at[kept], *moved] if branch is not link}
        at[kept] = list(merged.values())
    graph.remove(doomed)


def _longest_link(graph: SkeletonGraph, at: dict[int, list[Branch]], link: Branch) -> float:
    """Longest link, in pixels, that still counts as part of one crossing.

    The radii of both ends and a pixel for their rounding; nearly twice as much where all four arms lean
    away from the link, as in an acute crossing of down to 30 degrees (in an H they stand across it).
    """
    one, two = graph.nodes[link.start], graph.nodes[link.stop]
    both = one.radius_px + two.radius_px
    along = two.xy - one.xy
    for number, axis in ((link.start, along), (link.stop, -along)):
        for branch in at[number]:
            if branch is link:
                continue
            points = branch.points_xy if branch.start == number else branch.points_xy[::-1]
            root = graph.nodes[number]
            far = points[min(len(points) - 1, int(2 * root.radius_px))] - root.xy
            norm = float(np.hypot(*far) * np.hypot(*axis))
            if norm == 0 or float(far @ axis) / norm > -0.7:
                return both + 1.0
    return 1.9 * both + 2.5
