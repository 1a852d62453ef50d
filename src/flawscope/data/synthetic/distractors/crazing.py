"""Crazed road markings: thick paint that broke into a mosaic, whose gaps show the ground.

Annotators of road cracks leave these nets out, for the road under them is whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array
from flawscope.data.synthetic.distractors.painting import across, band_of, mix, worn
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.noise import log_uniform
from flawscope.data.synthetic.strokes import Band

_WHITE = np.array([1.0, 1.0, 0.97], np.float32)
_YELLOW = np.array([1.0, 0.72, 0.25], np.float32)
_CELL_PX = (7.0, 34.0)
_BRIGHTEST = 0.92


def crazed_paint(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A broad marking across the picture, broken into cells of 7 to 34 px; some of its flakes are gone."""
    typical = float(np.median(canvas.rgb))
    tone = _WHITE if rng.random() < 0.8 else _YELLOW
    # Fresh paint gives some 4.5 times the light of asphalt; dust and wear leave less than twice.
    paint = np.minimum(tone * np.float32(typical * log_uniform(rng, 1.7, 4.5)), np.float32(_BRIGHTEST))
    band = band_of(canvas, across(rng, canvas), float(rng.uniform(0.12, 0.5) * min(canvas.size_hw)), 4.0)
    if not len(band.rows):
        return
    ragged = pixel_noise(rng, band.rows, band.cols, 4.0) * np.float32(rng.uniform(0, 3))
    cover = band.coverage(1.5, np.maximum(band.distance_px + ragged, 0))
    wear = worn(rng, band, float(rng.uniform(0.0, 0.4)))
    # The relief of the ground and its shadows show through.
    ground = canvas.rgb[band.rows, band.cols].mean(axis=1) / np.float32(max(typical, 1e-3))
    grain = np.clip(ground, 0.2, 2.0) ** 0.35 * (1 + 0.05 * pixel_noise(rng, band.rows, band.cols, 2.0))
    mix(canvas, band, cover * wear * _mosaic(rng, band), paint[None, :] * grain[:, None])


def _mosaic(rng: np.random.Generator, band: Band) -> Float32Array:
    """Share of each pixel (P) that paint broken into cells still covers, 0..1.

    Gaps run where two seeds of the mosaic are equally near: half the difference of both distances is about
    the distance to the border between their cells.
    """
    cell_px = log_uniform(rng, *_CELL_PX)
    where = np.column_stack([band.cols, band.rows]).astype(np.float64)
    # Borders waver, and cells are longer along the traffic than across it, or the other way round.
    for axis in (0, 1):
        where[:, axis] += 0.22 * cell_px * pixel_noise(rng, band.rows, band.cols, 0.35 * cell_px + 1)
    angle, stretch = rng.uniform(0, np.pi), log_uniform(rng, 1.0, 1.7)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    where = where @ turn * (1.0, stretch)
    low, high = where.min(axis=0) - cell_px, where.max(axis=0) + cell_px
    count = max(4, int(np.prod((high - low) / cell_px)))
    near_px, which = map(np.asarray, cKDTree(rng.uniform(low, high, (count, 2))).query(where, k=2))
    border_px = (near_px[:, 1] - near_px[:, 0]) / 2
    opening = pixel_noise(rng, band.rows, band.cols, 2.5 * cell_px)
    half_px = rng.uniform(0.4, 1.6) * np.clip(0.75 + rng.uniform(0.2, 0.9) * opening, 0, None)
    rough = 0.5 * pixel_noise(rng, band.rows, band.cols, 1.7)
    kept = np.clip(border_px - half_px + rough + 0.5, 0, 1)
    gone = rng.random(count) < rng.uniform(0, 0.12)
    return np.asarray(kept * ~gone[which[:, 0]], np.float32)
