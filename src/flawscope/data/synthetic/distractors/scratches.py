"""Scratches and tyre marks: long shallow lines without depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import band_of, curve, darken, somewhere
from flawscope.data.synthetic.local_noise import pixel_noise


def scratches(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Bright (seldom dark) fine lines, straight or gently bent, mostly side by side."""
    heading, length = rng.uniform(0, 6.3), rng.uniform(0.1, 0.9) * max(canvas.size_hw)
    tone = rng.uniform(0.15, 0.7) if rng.random() < 0.75 else -rng.uniform(0.1, 0.35)
    centre = somewhere(rng, canvas)
    for _ in range(int(rng.integers(1, 8))):
        start = centre + rng.normal(0, 25, 2) - 0.5 * length * np.array([np.cos(heading), np.sin(heading)])
        line = curve(rng, start, heading + rng.normal(0, 0.06), length * rng.uniform(0.3, 1), 0.12)
        band = band_of(canvas, line, float(rng.uniform(0.6, 1.8)))
        fade = np.clip(0.6 + pixel_noise(rng, band.rows, band.cols, 20.0), 0, 1)
        darken(canvas, band, 1 + tone * band.coverage(1.2) * fade)


def tyre_marks(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """One or two broad dark bands, streaked along, with soft ragged borders."""
    heading = rng.uniform(0, 6.3)
    width = float(rng.uniform(0.04, 0.16) * max(canvas.size_hw))
    reach = 1.2 * max(canvas.size_hw)
    start = somewhere(rng, canvas) - 0.5 * reach * np.array([np.cos(heading), np.sin(heading)])
    line = curve(rng, start, heading, reach, 0.3)
    depth = rng.uniform(0.1, 0.4)
    for shift in (0.0, 2.2 * width)[: int(rng.integers(1, 3))]:
        moved = line + shift * np.array([-np.sin(heading), np.cos(heading)])
        band = band_of(canvas, moved[::4], width, 4.0)
        groove = rng.uniform(0.5, 1.0, 24).astype(np.float32)
        rib = groove[np.clip((band.distance_px * band.side / width + 0.5) * 23, 0, 23).astype(np.intp)]
        fade = np.clip(0.7 + 0.6 * pixel_noise(rng, band.rows, band.cols, 50.0), 0, 1)
        darken(canvas, band, 1 - depth * band.coverage(5.0) * rib * fade)
