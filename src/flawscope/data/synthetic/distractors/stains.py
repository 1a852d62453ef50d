"""Stains: rust runs, water, oil drops and puddles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import (
    band_of,
    blob,
    curve,
    darken,
    polygon_cover,
    somewhere,
)
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.strokes import Stroke, stroke_band


def runs(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Vertical runs of rust, dirty water or lime from a point or a ledge, fading downwards."""
    tone = np.array([[0.75, 0.42, 0.22], [0.6, 0.58, 0.55], [1.3, 1.3, 1.27]], np.float32)[rng.integers(0, 3)]
    top, depth = somewhere(rng, canvas), rng.uniform(0.3, 1.0)
    for _ in range(int(rng.integers(1, 7))):
        start = top + np.array([rng.normal(0, 25), rng.normal(0, 4)])
        length = rng.uniform(0.1, 0.7) * canvas.size_hw[0]
        line = curve(rng, start, np.pi / 2, length, 0.08)
        width = rng.uniform(2, 12) * np.linspace(1, rng.uniform(0.2, 0.8), len(line))
        soft = float(rng.uniform(1.5, 5))
        band = stroke_band([Stroke(line, width)], canvas.size_hw, soft)
        fade = band.at_points(np.linspace(1, 0, len(line)) ** 0.7)
        alpha = (
            band.coverage(soft)
            * fade
            * np.clip(0.7 + 0.6 * pixel_noise(rng, band.rows, band.cols, 8.0), 0, 1)
        )
        canvas.rgb[band.rows, band.cols] *= 1 + (np.float32(depth) * alpha)[:, None] * (tone - 1)


def spots(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Oil drops, chewing gum, bird lime: dark or light round spots, in a trail or scattered."""
    count, size = int(rng.integers(1, 14)), min(canvas.size_hw)
    factor = rng.uniform(0.3, 0.85) if rng.random() < 0.75 else rng.uniform(1.15, 1.7)
    for _ in range(count):
        outline = blob(
            rng, somewhere(rng, canvas), size * float(rng.lognormal(-4.3, 0.6)), rng.uniform(0, 0.25)
        )
        window, cover = polygon_cover(canvas.size_hw, outline)
        if cover.size:
            soft = noise.blur(cover, 2.0) if rng.random() < 0.5 and min(cover.shape) > 4 else cover
            canvas.rgb[window] *= 1 + soft[..., None] * np.float32(factor - 1)


def puddle(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A large wet or oily area with a sharp wavy border, sometimes with a darker or lighter rim."""
    radius = rng.uniform(0.12, 0.5) * min(canvas.size_hw)
    outline = blob(rng, somewhere(rng, canvas), radius, rng.uniform(0.1, 0.35))
    window, cover = polygon_cover(canvas.size_hw, outline)
    if not cover.size:
        return
    factor = rng.uniform(0.45, 0.9) * rng.uniform(0.93, 1.05, 3)
    canvas.rgb[window] *= 1 + cover[..., None] * (factor - 1).astype(np.float32)
    if rng.random() < 0.6:
        closed = np.concatenate([outline, outline[:1]])
        band = band_of(canvas, closed, float(rng.uniform(1, 4)), 3.0)
        rim = band.coverage(2.0) * np.clip(0.6 + pixel_noise(rng, band.rows, band.cols, 20.0), 0, 1)
        darken(canvas, band, 1 + rng.uniform(-0.4, 0.35) * rim)
