"""Traces of formwork on concrete: panel seams, board prints, tie holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import (
    across,
    band_of,
    blob,
    darken,
    polygon,
    polygon_shade,
)
from flawscope.data.synthetic.distractors.painting import somewhere as _somewhere
from flawscope.data.synthetic.local_noise import pixel_noise


def formwork_seams(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Seams between panels: a thin ridge or groove, with a step of tone between the panels."""
    angle = rng.normal(rng.integers(0, 2) * np.pi / 2, 0.08)
    for i in range(int(rng.integers(1, 4))):
        line = across(rng, canvas, angle + (np.pi / 2 if i == 2 else 0.0))
        band = band_of(canvas, line, float(rng.uniform(1.0, 4.0)), 5.0)
        cover = band.coverage(1.5) * np.clip(0.8 + pixel_noise(rng, band.rows, band.cols, 25.0), 0, 1)
        darken(canvas, band, 1 + rng.uniform(-0.55, 0.3) * cover)
        canvas.height[band.rows, band.cols] += cover * np.float32(rng.uniform(-1.2, 1.2))
        if rng.random() < 0.4:
            # Grout that bled out of the seam.
            bleed = np.clip(1 - np.maximum(band.signed_px, 0) / 4, 0, 1)
            bleed *= np.clip(pixel_noise(rng, band.rows, band.cols, 15.0), 0, 1)
            darken(canvas, band, 1 - rng.uniform(0.1, 0.35) * bleed)


def board_prints(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Parallel boards: each with its own tone, a fine line between neighbours."""
    height, width = canvas.size_hw
    vertical = bool(rng.random() < 0.5)
    size = width if vertical else height
    pitch = rng.uniform(0.06, 0.3) * size
    at = np.arange(size, dtype=np.float32)
    slope = np.float32(rng.normal(0, 0.03))
    other = np.arange(height if vertical else width, dtype=np.float32) * slope
    place = (at[None, :] + other[:, None]) if vertical else (at[:, None] + other[None, :])
    place = place / np.float32(pitch) + np.float32(rng.random() + 40)
    board = place.astype(np.intp)
    tones = (1 + rng.uniform(0.01, 0.08) * rng.standard_normal(int(board.max()) + 1)).astype(np.float32)
    gap = np.abs(place - np.rint(place)) * np.float32(pitch)
    seam = np.clip(np.float32(rng.uniform(0.8, 1.8)) - gap, 0, 1)
    factor = tones[board] * (1 - np.float32(rng.uniform(0.05, 0.45)) * seam)
    canvas.rgb *= factor[..., None]
    canvas.height += np.float32(rng.uniform(-0.8, 0.8)) * seam


def tie_holes(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Holes of the formwork ties, open or plugged, in a row or alone."""
    radius = rng.uniform(0.008, 0.03) * min(canvas.size_hw)
    spot = _somewhere(rng, canvas)
    step = rng.uniform(0.2, 0.5) * max(canvas.size_hw) * np.eye(2)[rng.integers(0, 2)]
    dark = rng.uniform(0.1, 0.8)
    for i in range(int(rng.integers(1, 5))):
        centre = spot + (i - 1) * step + rng.normal(0, 1, 2)
        polygon_shade(canvas, blob(rng, centre, radius * 1.15, 0.02), np.full(3, rng.uniform(0.8, 1.1)))
        hole = blob(rng, centre, radius, 0.02)
        polygon_shade(canvas, hole, np.full(3, dark))
        polygon(
            canvas, blob(rng, centre + 0.3 * radius, 0.5 * radius, 0.1), np.full(3, 0.02), 0.6 * (1 - dark)
        )
