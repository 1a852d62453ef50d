"""Figures of a finding from its centreline: widths, direction, uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.measurement.centreline import Line
from flawscope.measurement.polyline import tangents
from flawscope.measurement.shape import compact_axis, direction_deg
from flawscope.measurement.smoothing import SMOOTHING_PX
from flawscope.measurement.width_error import WidthError
from flawscope.types import Centreline, Scale

Floats = npt.NDArray[np.float64]

EDGE_U_PX = 0.5 * np.sqrt(2.0 / 3.0)
"""Standard uncertainty of a width from placing its two edges, 0.41 px.

Each edge lies somewhere within half a pixel of where it is drawn: a rectangular distribution of half-width
0.5 px has the standard deviation 0.5 / sqrt(3) (JCGM 100:2008, 4.3.7), and two edges add in squares. The half
pixel an edge is what Cho et al., Sensors, 2018, find for the mixed pixels of a cut picture. It is not
divided by the number of rays, because a threshold that is a little off moves every edge the same way.
"""


@dataclass(frozen=True, slots=True, eq=False)
class LineFigures:
    """What is said of a line-like finding, in pixels."""

    length_px: float
    width_mean_px: float
    width_p95_px: float
    width_max_px: float
    orientation_deg: float
    sampling_u_px: float
    """Standard uncertainty of the mean width from its scatter along the line."""
    centreline: Centreline


def line_figures(lines: list[Line], area_px: int, error: WidthError | None = None) -> LineFigures:
    """Sum up the branches of one finding. Widths count by length, since points are evenly spaced.

    ``error``: of the widths of what was marked; taken off each of them.
    """
    length = sum(line.length_px for line in lines)
    kept = [
        line.width_px[line.valid] for line in lines if line.width_px is not None and line.valid is not None
    ]
    widths = np.concatenate(kept) if kept else np.zeros(0)
    if len(widths) == 0:
        widths = np.array([area_px / max(length, 1.0)])
    points = np.vstack([line.points_xy for line in lines])
    along = np.concatenate([line.width_px for line in lines if line.width_px is not None])
    branch = np.repeat(np.arange(len(lines)), [len(line.points_xy) for line in lines])
    if error is not None:
        widths, along = error.corrected(widths), error.corrected(along)
    return LineFigures(
        length_px=length,
        width_mean_px=float(widths.mean()),
        width_p95_px=float(np.percentile(widths, 95)),
        width_max_px=float(widths.max()),
        orientation_deg=_dominant_direction(lines),
        sampling_u_px=_sampling_u(widths),
        centreline=Centreline(points, along, branch),
    )


def compact_figures(
    own: npt.NDArray[np.bool_], area_px: int, error: WidthError | None = None, across_px: float = 0.0
) -> LineFigures:
    """The same for a blob too short for a skeleton: a straight line, its width from the area, the largest
    its smallest diameter (``across_px``)."""
    first, last = compact_axis(own)
    length = float(np.hypot(*(last - first)))
    widths = np.maximum(area_px / length, [0.0, across_px])
    width, largest = map(float, widths if error is None else error.corrected(widths))
    points = np.stack([first, last])
    line = Centreline(points, np.full(2, width), np.zeros(2, dtype=np.int64))
    return LineFigures(length, width, width, largest, direction_deg(last - first), 0.0, line)


def _dominant_direction(lines: list[Line]) -> float:
    """Mean direction by length: the resultant of doubled angles, so that opposite directions agree."""
    total = 0j
    for line in lines:
        along = tangents(line.points_xy, line.closed, reach=5)
        step = along[:, 0] - 1j * along[:, 1]
        total += complex((step**2).mean()) * line.length_px
    half = np.angle(total) / 2
    return float(np.rad2deg(half) % 180.0) % 180.0


def _sampling_u(widths: Floats) -> float:
    """Standard error of the mean width; neighbouring rays were averaged, so fewer count as independent."""
    independent = max(1.0, len(widths) / (2 * np.sqrt(np.pi) * SMOOTHING_PX))
    return float(widths.std() / np.sqrt(independent))


def width_uncertainty_mm(
    width_px: float, sampling_u_px: float, scale: Scale, error: WidthError | None = None
) -> float:
    """Expanded uncertainty (k = 2) of a mean width in mm.

    U = 2 s sqrt((w u_s)^2 + u_e^2 + u_n^2) with s mm a pixel, u_s the relative standard uncertainty of the
    scale, u_e the edges' (``EDGE_U_PX``, or that of ``error`` where it is larger) and u_n the sampling's
    (JCGM 100:2008, 5.1.2: independent parts add in squares).
    """
    edge_u_px = EDGE_U_PX if error is None else max(EDGE_U_PX, error.u_px)
    combined = np.sqrt((width_px * scale.u_rel) ** 2 + edge_u_px**2 + sampling_u_px**2)
    return float(2.0 * scale.mm_per_px * combined)
