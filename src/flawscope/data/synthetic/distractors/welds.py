"""Weld seams on steel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, darken
from flawscope.data.synthetic.local_noise import pixel_noise


def weld_seam(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A raised rippled bead with a dark toe on both sides and a tinted heated zone."""
    width = float(rng.uniform(6, 26))
    band = band_of(canvas, across(rng, canvas), width, width * 0.7 + 3)
    cover = band.coverage(1.5)
    along = band.position * np.float32(2 * np.hypot(*canvas.size_hw))
    shift = np.float32(0.5) * band.distance_px**2 / np.float32(width / 2)
    pitch = rng.uniform(0.15, 0.4) * width
    ripple = np.sin((along + shift) * np.float32(2 * np.pi / pitch))
    bump = np.clip(1 - (2 * band.distance_px / width) ** 2, 0, 1)
    canvas.height[band.rows, band.cols] += bump * np.float32(0.18 * width) + cover * ripple * np.float32(0.3)
    darken(canvas, band, 1 + cover * (0.06 * ripple + 0.08 * pixel_noise(rng, band.rows, band.cols, 4.0)))
    toe = np.exp(-((band.signed_px / np.float32(1.2)) ** 2))
    darken(canvas, band, 1 - rng.uniform(0.1, 0.6) * toe)
    heat = np.clip(1 - np.maximum(band.signed_px, 0) / (0.7 * width), 0, 1) * (1 - cover)
    darken(canvas, band, 1 - rng.uniform(0, 0.25) * heat)
