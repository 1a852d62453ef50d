"""Thins a component to its middle line and follows the line into a graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from flawscope.measurement.graph import FREE, Branch, Node, Points, SkeletonGraph
from flawscope.measurement.pruning import drop_eyelets, join_near_nodes, prune
from flawscope.measurement.rim import Rim

BoolArray = npt.NDArray[np.bool_]

_EIGHT = np.ones((3, 3), dtype=bool)
_SHIFTS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))
_THICK_PX = 64
"""Half-width from which a shape is thinned on blocks of pixels."""


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
    factor = _coarseness(shape)
    thinned = skeletonize(_coarse(shape, factor), method="lee")
    rows, columns = np.nonzero(thinned)
    index = np.full(thinned.shape, -1, dtype=np.int64)
    index[rows, columns] = np.arange(len(rows))
    neighbours = np.stack([index[rows + dy, columns + dx] for dy, dx in _SHIFTS], axis=1)
    crossing = (neighbours >= 0).sum(axis=1) > 2
    xy = np.stack([columns, rows], axis=1).astype(np.float64)
    if factor > 1:
        xy = _block_middles(shape, factor, rows - 1, columns - 1)
    rim = Rim(shape)
    radius = rim.radius_px(xy)

    cluster = np.full(len(rows), FREE, dtype=np.int64)
    if crossing.any():
        spots = np.zeros(thinned.shape, dtype=bool)
        spots[rows[crossing], columns[crossing]] = True
        labels, _ = ndimage.label(spots, structure=_EIGHT)
        cluster[crossing] = labels[rows[crossing], columns[crossing]]
    graph = SkeletonGraph(_knots(xy, radius, cluster), [], rim)
    for path, start, stop, closed in _paths(neighbours, cluster):
        graph.branches.append(Branch(xy[path], radius[path], start, stop, closed))
    if not graph.branches:  # a lone knot of crossing pixels
        graph.branches.append(Branch(xy.mean(axis=0, keepdims=True), radius.max(keepdims=True)))
        graph.nodes.clear()
    return graph


def _knots(xy: Points, radius: npt.NDArray[np.float64], cluster: npt.NDArray[np.int64]) -> dict[int, Node]:
    """A node for each cluster of crossing pixels: their mean place and their largest radius."""
    member = cluster != FREE
    numbers, which = np.unique(cluster[member], return_inverse=True)
    count = np.bincount(which)
    x, y = (np.bincount(which, weights=xy[member, axis]) / count for axis in (0, 1))
    largest = np.zeros(len(numbers))
    np.maximum.at(largest, which, radius[member])
    return {
        int(number): Node(np.array([x[k], y[k]]), float(largest[k]), float(largest[k]))
        for k, number in enumerate(numbers)
    }


def _coarseness(shape: BoolArray) -> int:
    """Side of the blocks to thin on: 1, or more for shapes over 128 px thick.

    Thinning peels one pixel a pass, so its time grows with thickness times area; the line of a shape that
    thick is centred between its edges later and needs no finer start.
    """
    if min(shape.shape) <= 2 * _THICK_PX or int(shape.sum()) <= (2 * _THICK_PX) ** 2:
        return 1
    thickest = 4.0 * float(ndimage.distance_transform_edt(shape[::4, ::4]).max())
    return max(1, int(np.ceil(thickest / _THICK_PX)))


def _coarse(shape: BoolArray, factor: int) -> BoolArray:
    """Blocks of which any pixel belongs to the shape, so that thin parts stay joined; with an empty rim."""
    if factor == 1:
        return shape
    height, width = (-(-side // factor) * factor for side in shape.shape)
    whole = np.zeros((height, width), dtype=bool)
    whole[: shape.shape[0], : shape.shape[1]] = shape
    blocks = whole.reshape(height // factor, factor, width // factor, factor)
    return np.pad(np.any(np.any(blocks, axis=3), axis=1), 1)


def _block_middles(
    shape: BoolArray, factor: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> Points:
    """Mean place (x, y) of the shape's pixels in each of these blocks, so that thin parts are not missed."""
    height, width = shape.shape
    inside = np.arange(factor)
    y = np.minimum(rows[:, None, None] * factor + inside[:, None], height - 1)
    x = np.minimum(columns[:, None, None] * factor + inside, width - 1)
    own = shape[y, x]
    count = own.sum(axis=(1, 2))
    return np.stack([(x * own).sum(axis=(1, 2)) / count, (y * own).sum(axis=(1, 2)) / count], axis=1)


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
