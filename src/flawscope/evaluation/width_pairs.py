"""Measured widths beside true ones, point by point along centrelines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from flawscope.types import Finding

Values = npt.NDArray[np.float64]

NEAR_PX = 1.5
"""A measured centreline point is compared with a true one no farther than this."""
_RIM_PX = 2.0
"""Courses nearer to each other than their half widths and this are one to whoever measures them."""


def centreline_widths(findings: Iterable[Finding]) -> tuple[Values, Values]:
    """Centreline points N x 2 (x, y) with a defined width, of all findings, and the widths, N."""
    points, widths = [np.zeros((0, 2))], [np.zeros(0)]
    for finding in findings:
        line = finding.centreline
        if line is not None:
            known = np.isfinite(line.width_px)
            points.append(line.points_xy_px[known])
            widths.append(line.width_px[known])
    return np.vstack(points), np.concatenate(widths)


def paired_widths(points_xy: Values, widths_px: Values, true_xy: Values, true_widths_px: Values) -> Values:
    """Pairs (measured, true width), N x 2, of measured points beside exactly one true course.

    Where another course passes within the sum of the half widths (at forks and crossings) the width of either
    is not defined, and the point is left out.
    """
    if len(points_xy) == 0 or len(true_xy) == 0:
        return np.zeros((0, 2))
    tree = KDTree(true_xy)
    distance, nearest = tree.query(points_xy)
    chosen = true_widths_px[nearest]
    # Along its own course a crack stays within reach only for so many points; a second course doubles them.
    reach = tree.query_ball_point(points_xy, chosen + _RIM_PX, return_length=True)
    own = 2 * (chosen + _RIM_PX) / _spacing(true_xy) + 3
    usable = (distance <= NEAR_PX) & (reach <= 1.25 * own)
    return np.column_stack([widths_px[usable], chosen[usable]])


def bias_and_spread(pairs: Values) -> tuple[float, float]:
    """Median of measured less true width, and the standard deviation that the middle half around it shows.

    The second is 1.4826 times the median absolute deviation: that of a normal distribution of the same middle
    half. A few places where the network took something else for the crack move neither.
    """
    error = pairs[:, 0] - pairs[:, 1]
    bias = float(np.median(error))
    return bias, float(1.4826 * np.median(np.abs(error - bias)))


def _spacing(true_xy: Values) -> float:
    steps = np.hypot(*np.diff(true_xy, axis=0).T) if len(true_xy) > 1 else np.ones(1)
    return float(max(np.median(steps), 1e-3))
