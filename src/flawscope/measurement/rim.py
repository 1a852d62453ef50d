"""How far it is from a point inside a shape to its edge, and how far a ray from there must look."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Rim:
    """The pixels just outside a shape. Searching these alone beats a distance transform of the whole box."""

    def __init__(self, shape: BoolArray) -> None:
        rows, columns = np.nonzero(ndimage.binary_dilation(shape) & ~shape)
        self._tree = cKDTree(np.stack([columns, rows], axis=1))

    def radius_px(self, points_xy: Floats) -> Floats:
        """Distance (N) to the edge: to the nearest outer pixel's centre, less half a pixel; at least 0.5."""
        distance, _ = self._tree.query(points_xy)
        radius: Floats = np.maximum(distance - 0.5, 0.5)
        return radius

    def reach_px(self, points_xy: Floats, closed: bool) -> Floats:
        """Length of rays (N) that meet both edges across a line of points one pixel apart.

        Near a flat end the nearest edge is the end itself, so the radii a little further in count as well.
        """
        radius = self.radius_px(points_xy)
        widest = radius.copy()
        size = 1.0
        mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
        while size < 2 * radius.max():
            size *= 2
            spread = 2 * min(int(1.3 * size), len(radius)) + 1
            near = ndimage.maximum_filter1d((radius > size / 2).astype(np.uint8), spread, mode=mode) > 0
            widest[near] = np.maximum(widest[near], size)
        reach: Floats = 2.0 * widest + 4.0
        return reach
