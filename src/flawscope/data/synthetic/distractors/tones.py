"""Borders of tone: a coating that ends, a dark or light frame of the picture, a ledge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, darken, tint
from flawscope.data.synthetic.local_noise import line_noise


def two_tones(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """One side of a straight or wavy line has another colour, as where paint or plaster ends."""
    height, width = canvas.size_hw
    a, b = across(rng, canvas)
    normal = np.array([a[1] - b[1], b[0] - a[0]]) / np.hypot(*(b - a))
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    signed = (
        np.float32(normal[0]) * (x - np.float32(a[0]))[None, :]
        + np.float32(normal[1]) * (y - np.float32(a[1]))[:, None]
    )
    if rng.random() < 0.5:
        wave = np.float32(rng.uniform(1, 6)) * line_noise(rng, np.arange(width, dtype=np.float64), 15.0)
        signed = signed + wave.astype(np.float32)[None, :]
    share = np.clip(signed / np.float32(rng.uniform(1, 6)) + 0.5, 0, 1)
    factor = (rng.uniform(0.55, 1.3) * rng.uniform(0.92, 1.08, 3)).astype(np.float32)
    for channel in range(3):
        canvas.rgb[..., channel] *= 1 + share * (factor[channel] - 1)
    canvas.height += share * np.float32(rng.choice([0.0, 0.0, 1.5]) * rng.uniform(-1, 1))


def dark_border(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A dark (seldom light) straight strip along one or two edges of the picture: a frame, a gap."""
    height, width = canvas.size_hw
    for _ in range(int(rng.integers(1, 3))):
        depth = int(rng.lognormal(1.4, 0.9)) + 1
        tone = tint(rng, 0.005, 0.08) if rng.random() < 0.75 else tint(rng, 0.3, 0.8)
        side = int(rng.integers(0, 4))
        window = (
            (slice(0, depth), slice(None)),
            (slice(max(0, height - depth), None), slice(None)),
            (slice(None), slice(0, depth)),
            (slice(None), slice(max(0, width - depth), None)),
        )[side]
        ground = canvas.rgb[window]
        ground += np.float32(rng.uniform(0.7, 1.0)) * (tone - ground)


def ledge(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A straight step or edge of a part: a light line beside a dark one, even in width."""
    line = across(rng, canvas, rng.normal(rng.integers(0, 2) * np.pi / 2, 0.1))
    width = float(rng.uniform(1.5, 8))
    band = band_of(canvas, line, width, width + 3)
    dark = band.coverage(1.5)
    darken(canvas, band, 1 - rng.uniform(0.3, 0.85) * dark)
    bright = np.exp(-np.maximum(band.signed_px, 0) / 2) * (band.side > 0) * (1 - dark)
    darken(canvas, band, 1 + rng.uniform(0, 0.5) * bright)
