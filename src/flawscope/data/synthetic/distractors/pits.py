"""Pits, bugholes, pop-outs and lost stones: dark or light round dents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import blob, polygon_cover, somewhere


def _dents(
    rng: np.random.Generator, canvas: Canvas, count: int, radius_px: tuple[float, float], tone: float
) -> None:
    cluster, spread = somewhere(rng, canvas), rng.choice([0.1, 0.3, 2.0]) * max(canvas.size_hw)
    for _ in range(count):
        centre = cluster + rng.uniform(-spread, spread, 2)
        radius = float(np.clip(rng.lognormal(np.log(radius_px[0]), 0.6), 0.6, radius_px[1]))
        window, cover = polygon_cover(canvas.size_hw, blob(rng, centre, radius, rng.uniform(0.0, 0.25)))
        if cover.size:
            canvas.rgb[window] *= 1 + cover[..., None] * np.float32(tone * rng.uniform(0.7, 1.1) - 1)
            canvas.height[window] -= cover * np.float32(min(radius, 3.0) * rng.uniform(0.1, 0.7))


def bugholes(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Air holes of cast concrete: many, small, round, dark."""
    _dents(rng, canvas, int(rng.integers(4, 60)), (rng.uniform(1.0, 3.0), 9.0), rng.uniform(0.15, 0.75))


def popouts(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Lost stones and chips: few, larger, ragged, paler or darker than the ground."""
    _dents(rng, canvas, int(rng.integers(1, 10)), (rng.uniform(3.0, 8.0), 22.0), rng.uniform(0.3, 1.3))
