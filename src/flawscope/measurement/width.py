"""Widths: rays cast from the centreline to both edges, perpendicular to it.

Two kinds of edge are read:

* a *probability* (or grey level) that falls off gently: each edge is where the profile crosses the level
  that cut the mask, interpolated between samples;
* a *hard mask*: its staircase tells no position better than a pixel on any one ray, but the integral of the
  mask along the ray, averaged over a few neighbouring rays, is the area a unit of length and has no bias at
  any angle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_CHUNK = 2_000_000
"""Ray samples held at once."""
_SATURATED = 0.02
"""Probabilities nearer than this to 0 or 1 place no edge between pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class EdgeField:
    """What rays read: values above ``level`` are inside."""

    values: npt.NDArray[np.float32]
    """h x w."""
    level: float
    soft: bool
    """Whether the crossing of the level is more exact than a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Edges seen from N points, in pixels."""

    left_px: Floats
    """Distance to the edge along minus the normal; NaN where none was met within reach."""
    right_px: Floats
    """The same along the normal."""
    width_px: Floats
    """Width of the shape here; NaN where an edge is missing."""


def edge_field(own: BoolArray, probability: npt.NDArray[np.float32] | None) -> EdgeField:
    """Choose what the rays read: the probability if it tells where between two pixels the edge lies, else
    the mask.

    own: h x w bool; probability: h x w in 0..1 or None. The level is one half if that lies between the
    most probable pixels along the outside of the edge and the least probable ones along its inside (the
    error of a width is least midway, Cho et al., Sensors 18, 2018), else the nearer of the two, which is
    the threshold that made the mask. The field is forced to agree with the mask, so a neighbour never joins
    in.
    """
    hard = EdgeField(own.astype(np.float32), 0.5, soft=False)
    if probability is None:
        return hard
    inside = own & ~ndimage.binary_erosion(own)
    outside = ndimage.binary_dilation(own) & ~own
    within, beyond = probability[inside], probability[outside]
    if beyond.size == 0:
        return hard
    low, high = float(np.quantile(within, 0.05)), float(np.quantile(beyond, 0.95))
    level = float(np.clip(0.5, min(high, low), max(high, low)))
    edge = np.concatenate([within, beyond])
    gentle = np.mean((edge > _SATURATED) & (edge < 1 - _SATURATED))
    agrees = np.mean(within >= level) > 0.9 and np.mean(beyond < level) > 0.85
    if gentle < 0.2 or not agrees or not 0 < level < 1:
        return hard
    values = np.where(own, np.maximum(probability, level + 1e-4), np.minimum(probability, level - 1e-4))
    return EdgeField(values.astype(np.float32), level, soft=True)


def cast_rays(
    field: EdgeField, own: BoolArray, points_xy: Floats, normals_xy: Floats, reach_px: Floats
) -> Rays:
    """Cast a ray both ways from each point and find the edges.

    points_xy, normals_xy: N x 2 (x, y), normals of length 1, in cut-out coordinates. reach_px: N, how far
    to look.
    """
    mask = own.astype(np.float32) if field.soft else field.values
    out = np.full((4, len(points_xy)), np.nan)  # left, its area, right, its area
    group = np.ceil(2 * np.log2(np.maximum(reach_px, 4.0))).astype(np.int64)
    for number in np.unique(group):
        reach = _places(2.0 ** (number / 2))
        members = np.flatnonzero(group == number)
        chunk = max(1, _CHUNK // len(reach))
        for first in range(0, len(members), chunk):
            part = members[first : first + chunk]
            for row, sign in ((0, -1.0), (2, 1.0)):
                out[row : row + 2, part] = _one_side(
                    field, mask, points_xy[part], normals_xy[part] * sign, reach
                )
    left, left_area, right, right_area = out
    by_area = np.where(np.isnan(left) | np.isnan(right), np.nan, left_area + right_area)
    if not field.soft:
        return Rays(left, right, by_area)
    hairline = (left == 0) | (right == 0)
    return Rays(left, right, np.where(hairline, by_area, left + right))


def _places(farthest_px: float) -> Floats:
    """Where to sample a ray: a quarter px apart, beyond 20 px two hundredths of the distance apart."""
    near = np.arange(0.0, min(farthest_px, 20.0) + 0.25, 0.25)
    if farthest_px <= 20.0:
        return near
    steps = int(np.ceil(np.log(farthest_px / near[-1]) / np.log(1.02)))
    return np.concatenate([near, near[-1] * 1.02 ** np.arange(1, steps + 1)])


def _one_side(
    field: EdgeField,
    mask: npt.NDArray[np.float32],
    points: Floats,
    directions: Floats,
    reach: Floats,
) -> tuple[Floats, Floats]:
    """Distance to the edge and the integral of the mask, on one side of each point."""
    x = points[:, :1] + directions[:, :1] * reach
    y = points[:, 1:] + directions[:, 1:] * reach
    profile = ndimage.map_coordinates(
        field.values, [y, x], order=1, mode="constant", cval=0.0, prefilter=False
    )
    below = profile < field.level
    first = below.argmax(axis=1)
    missed = ~below.any(axis=1)
    rows = np.arange(len(profile))
    before = np.maximum(first - 1, 0)
    upper, lower = profile[rows, before], profile[rows, first]
    fraction = (upper - field.level) / np.maximum(upper - lower, 1e-9)
    distance = np.where(
        first == 0, 0.0, reach[before] + np.clip(fraction, 0.0, 1.0) * (reach[first] - reach[before])
    )
    distance = np.where(missed, np.nan, distance)

    covered = (
        profile
        if mask is field.values
        else ndimage.map_coordinates(mask, [y, x], order=1, mode="constant", cval=0.0, prefilter=False)
    )
    falling = np.ones(covered.shape, dtype=bool)
    np.less_equal(covered[:, 1:], covered[:, :-1] + 1e-4, out=falling[:, 1:])
    inside = np.arange(len(reach)) < first[:, None]
    counted = np.logical_and.accumulate(inside | falling, axis=1)
    share = np.gradient(reach)  # trapezoids: half a step to each side, at the ends only inward
    share[0], share[-1] = share[0] / 2, share[-1] / 2
    area = (covered * counted) @ share
    return distance.astype(np.float64), area.astype(np.float64)
