"""Chains of points: smoothing by local quadratic regression (Savitzky and Golay, Analytical Chemistry 36,
1964), even spacing, length, direction.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def window_px(radius_px: float) -> int:
    """Smoothing window for a line of this half-width: odd, 7 to 31 points."""
    return int(np.clip(2 * round(1.2 * radius_px + 2.5) + 1, 7, 31))


def smooth(points: Floats, window: int, closed: bool = False) -> Floats:
    """Local quadratic regression along a chain of points (N x 2); its ends follow the end windows' curves."""
    if closed:
        window = min(window, (len(points) // 3) | 1)
        if window < 5:
            return points
        half = window // 2
        return _convolved(np.vstack([points[-half:], points, points[:half]]), window)
    window = min(window, len(points) if len(points) % 2 else len(points) - 1)
    if window < 3:
        return points
    hat, half = _hat_matrix(window), window // 2
    return np.vstack(
        [
            hat[:half] @ points[:window],
            _convolved(points, window),
            hat[-half:] @ points[-window:],
        ]
    )


def _convolved(points: Floats, window: int) -> Floats:
    """The regression's value at the middle of each whole window."""
    row = _hat_matrix(window)[window // 2]  # symmetric
    return np.stack([np.convolve(points[:, axis], row, mode="valid") for axis in (0, 1)], axis=1)


@lru_cache(maxsize=64)
def _hat_matrix(window: int) -> Floats:
    """window x window: from values to the values of the parabola (of a line for 3) fitted to them."""
    place = np.arange(window) - window // 2
    basis = np.vander(place.astype(np.float64), min(3, window - 1))
    hat: Floats = basis @ np.linalg.pinv(basis)
    return hat


def resample(points: Floats, closed: bool = False, spacing_px: float = 1.0) -> Floats:
    """Spread points evenly along a polyline, about ``spacing_px`` apart, ends kept.

    A closed line is returned without repeating its first point.
    """
    chain = np.vstack([points, points[:1]]) if closed else points
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(chain, axis=0).T))])
    if along[-1] == 0:
        return points[:1]
    count = max(2, round(along[-1] / spacing_px) + 1)
    where = np.linspace(0.0, along[-1], count)
    out = np.stack([np.interp(where, along, chain[:, 0]), np.interp(where, along, chain[:, 1])], axis=1)
    return out[:-1] if closed and len(out) > 2 else out


def polyline_length(points: Floats, closed: bool = False) -> float:
    """Length of a polyline (N x 2); a closed one includes the step back to its start."""
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    return length + float(np.hypot(*(points[0] - points[-1]))) if closed else length


def tangents(points: Floats, closed: bool = False, reach: int = 2) -> Floats:
    """Unit tangents (N x 2) by central differences over ``reach`` points each way."""
    if closed:
        ahead, behind = np.roll(points, -reach, axis=0), np.roll(points, reach, axis=0)
    else:
        index = np.arange(len(points))
        ahead = points[np.minimum(index + reach, len(points) - 1)]
        behind = points[np.maximum(index - reach, 0)]
    step = ahead - behind
    norm = np.hypot(*step.T)
    return step / np.where(norm == 0, 1.0, norm)[:, None]
