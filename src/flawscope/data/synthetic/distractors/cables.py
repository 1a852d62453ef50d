"""Cables, wires, ropes and hoses lying on or hanging before the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, curve, darken, mix, somewhere, tint
from flawscope.data.synthetic.paths import resample


def cable(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A round strand with a highlight, and its shadow beside it; straight, sagging or looped."""
    width = float(rng.lognormal(1.2, 0.6))
    if rng.random() < 0.5:
        line = resample(across(rng, canvas), 20.0)
        line = line + np.array([0.0, 1.0]) * (np.linspace(-1, 1, len(line)) ** 2 * rng.normal(0, 25))[:, None]
    else:
        start = somewhere(rng, canvas)
        line = curve(rng, start, rng.uniform(0, 6.3), rng.uniform(0.5, 1.5) * max(canvas.size_hw), 1.5)
    shift = rng.normal(0, 1.2, 2) * width
    soft = float(rng.uniform(1.0, 5.0))
    shade = band_of(canvas, line + shift, width, soft)
    darken(canvas, shade, 1 - rng.uniform(0.1, 0.6) * shade.coverage(soft))
    band = band_of(canvas, line, width)
    colour = tint(rng, 0.005, 0.05) if rng.random() < 0.6 else tint(rng, 0.1, 0.6, 0.4)
    across_px = band.distance_px * band.side / np.float32(width / 2)
    round_ = np.sqrt(np.clip(1 - across_px**2, 0.05, 1))
    shine = np.exp(-(((across_px - rng.uniform(-0.5, 0.5)) / 0.3) ** 2)) * rng.uniform(0, 0.5)
    tone = round_[:, None] * colour + shine[:, None] * np.float32(0.4)
    if rng.random() < 0.25:
        # Twisted strands.
        tone = tone * (1 + 0.35 * np.sin(band.position * np.float32(20 / width) + 2 * across_px))[:, None]
    mix(canvas, band, band.coverage(1.3), np.clip(tone, 0, 1))
