"""Smooth random numbers where they are needed: along a line, or at a handful of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


def line_noise(rng: np.random.Generator, arc_px: FloatArray, spacing_px: float) -> FloatArray:
    """Noise of unit variance at its knots along a line, linear between knots about ``spacing_px`` apart.

    ``arc_px``: N ascending arc lengths in px. Returns N values.
    """
    length = float(arc_px[-1]) if len(arc_px) else 0.0
    knots = max(2, int(np.ceil(length / spacing_px)) + 2)
    phase = rng.random()
    return np.interp(arc_px / spacing_px + phase, np.arange(knots + 1), rng.standard_normal(knots + 1))


def pixel_noise(
    rng: np.random.Generator, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], cell_px: float
) -> Float32Array:
    """Noise in about -1..1, smooth over ``cell_px``, at the given pixels only (bilinear value noise)."""
    if len(rows) == 0:
        return np.zeros(0, np.float32)
    y = (rows - rows.min()).astype(np.float32) / np.float32(cell_px)
    x = (cols - cols.min()).astype(np.float32) / np.float32(cell_px)
    grid = rng.uniform(-1.0, 1.0, (int(y.max()) + 2, int(x.max()) + 2)).astype(np.float32)
    y0, x0 = y.astype(np.intp), x.astype(np.intp)
    fy, fx = y - y0, x - x0
    # Smoothstep takes the creases out of the cells' borders.
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    top = grid[y0, x0] * (1 - fx) + grid[y0, x0 + 1] * fx
    bottom = grid[y0 + 1, x0] * (1 - fx) + grid[y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, dtype=np.float32)
