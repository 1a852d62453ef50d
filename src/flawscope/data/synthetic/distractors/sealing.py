"""Repairs: tar poured over old cracks, and the edges of asphalt patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import band_of, darken, mix, polygon_cover, somewhere, tint
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.paths import Roughness, crossing_guide, rough_line


def tar_line(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A smooth, even, slightly shining ribbon of tar along a wandering line; sealed, so no crack."""
    line = rough_line(rng, crossing_guide(rng, canvas.size_hw), Roughness(rng.uniform(0.02, 0.2), 1.0), 8.0)
    width = float(max(7.0, rng.uniform(0.016, 0.05) * max(canvas.size_hw)))
    band = band_of(canvas, line, width, 3.0)
    ragged = pixel_noise(rng, band.rows, band.cols, 12.0) * np.float32(0.12 * width)
    cover = band.coverage(1.6, np.maximum(band.distance_px + ragged, 0)) * np.float32(rng.uniform(0.5, 0.97))
    tone = tint(rng, 0.012, 0.06)[None, :] * (1 + 0.3 * pixel_noise(rng, band.rows, band.cols, 8.0))[:, None]
    mix(canvas, band, cover, tone)
    canvas.height[band.rows, band.cols] *= 1 - 0.7 * cover


def patch_edge(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A rectangular repair: another tone, a straight seam round it that is dark here and there."""
    height, width = canvas.size_hw
    centre, turn = somewhere(rng, canvas), rng.normal(0, 0.15)
    half = rng.uniform(0.15, 0.6, 2) * (width, height)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * half
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + centre
    window, cover = polygon_cover(canvas.size_hw, corners[:-1])
    if cover.size:
        canvas.rgb[window] *= 1 + cover[..., None] * np.float32(rng.uniform(0.65, 1.3) - 1)
    seam = rough_line(rng, corners, Roughness(0.01, 1.0), 6.0)
    band = band_of(canvas, seam, float(rng.uniform(1, 7)), 2.0)
    alpha = band.coverage(2.0) * np.clip(0.6 + pixel_noise(rng, band.rows, band.cols, 40.0), 0, 1)
    darken(canvas, band, 1 - rng.uniform(0.0, 0.7) * alpha)
