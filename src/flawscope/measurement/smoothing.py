"""Averages of neighbouring rays, as wide as the shape allows.

On a hard mask each edge is a staircase: one ray is off by up to half a pixel an edge, and near the
directions of the grid the steps are tens of pixels long, so no short average removes them. A long one
would, but it would flatten real changes of width. So the window grows around each point for as long as one
straight line explains all the rays in it to within what staircases do, and stops at the first contradiction
(the idea of Lepski, Theory of Probability and its Applications 35, 1990: the widest window that still
agrees with all narrower ones).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

Floats = npt.NDArray[np.float64]

SMOOTHING_PX = 2.0
"""Standard deviation, along the line, of the weights that average neighbouring rays at the least."""
_HALF_WINDOWS = (6, 12, 24, 48)
_STAIRCASE_RMS_PX = 0.5
"""Two edges, each uniformly off within half a pixel, scatter by sqrt(2 / 12) = 0.41 px."""
_AGREE_PX = 0.75


def smooth_widths(width: Floats, closed: bool, staircase: bool) -> Floats:
    """Average widths along a line; missing ones (NaN) stay missing and lend no weight.

    width: N, evenly spaced by one pixel. staircase: whether they were read off a hard mask.
    """
    known = ~np.isnan(width)
    if not known.any():
        return width
    mode: Literal["wrap", "nearest"] = "wrap" if closed else "nearest"
    weight = gaussian_filter1d(known.astype(np.float64), SMOOTHING_PX, mode=mode)
    total = gaussian_filter1d(np.where(known, width, 0.0), SMOOTHING_PX, mode=mode)
    narrow = np.where(known, total / np.maximum(weight, 1e-9), np.nan)
    return _grow(width, narrow, known, closed) if staircase else narrow


def _grow(width: Floats, narrow: Floats, known: npt.NDArray[np.bool_], closed: bool) -> Floats:
    best = narrow.copy()
    lowest, highest = narrow - _AGREE_PX, narrow + _AGREE_PX
    growing = known.copy()
    for half in _HALF_WINDOWS:
        if half * 2 > 4 * len(width):
            break
        fit, rms = _local_lines(width, known, half, closed)
        with np.errstate(invalid="ignore"):
            growing &= (rms <= _STAIRCASE_RMS_PX) & (fit >= lowest) & (fit <= highest)
        best = np.where(growing, fit, best)
        lowest = np.where(growing, np.maximum(lowest, fit - _AGREE_PX), lowest)
        highest = np.where(growing, np.minimum(highest, fit + _AGREE_PX), highest)
    return best


def _local_lines(
    width: Floats, known: npt.NDArray[np.bool_], half: int, closed: bool
) -> tuple[Floats, Floats]:
    """Least-squares line through the rays within ``half`` of each point: its value there and its residual."""
    count = len(width)
    values, weights = np.where(known, width, 0.0), known.astype(np.float64)
    pad = min(half, count) if closed else 0
    if pad:
        values, weights = (np.concatenate([a[-pad:], a, a[:pad]]) for a in (values, weights))
    place = np.arange(len(values), dtype=np.float64)
    here = np.arange(count) + pad
    low, high = np.maximum(here - half, 0), np.minimum(here + half + 1, len(values))

    def window(terms: Floats) -> Floats:
        sums = np.concatenate([[0.0], np.cumsum(terms)])
        total: Floats = sums[high] - sums[low]
        return total

    n = np.maximum(window(weights), 1e-9)
    mean_x, mean_y = window(weights * place) / n, window(values) / n
    spread = window(weights * place**2) / n - mean_x**2
    cross = window(values * place) / n - mean_x * mean_y
    slope = np.where(spread > 0.5, cross / np.maximum(spread, 1e-9), 0.0)
    fit = mean_y + slope * (here - mean_x)
    left = np.maximum(window(values**2) / n - mean_y**2 - slope * cross, 0.0)
    return fit, np.sqrt(left)
