"""Spider webs and hairs: very thin bright or dark lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import curve, mix, somewhere
from flawscope.data.synthetic.strokes import Stroke, stroke_band


def web(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Threads from one corner, with a few turns of the spiral between them."""
    centre, size = somewhere(rng, canvas), rng.uniform(0.08, 0.35) * min(canvas.size_hw)
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 11))))
    spokes = np.column_stack([np.cos(angles), np.sin(angles)]) * size
    lines = [np.array([centre, centre + spoke]) for spoke in spokes]
    for radius in np.arange(0.2, 1.0, rng.uniform(0.12, 0.3)):
        ring = centre + spokes * radius * rng.uniform(0.95, 1.05, (len(spokes), 1))
        lines.append(ring)
    width = rng.uniform(0.4, 1.0)
    band = stroke_band([Stroke(line, np.full(len(line), width)) for line in lines], canvas.size_hw, 1.5)
    mix(canvas, band, band.coverage(1.1) * rng.uniform(0.15, 0.6), np.full(3, rng.choice([0.02, 0.6, 0.75])))


def hairs(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A few curled fibres of even width."""
    strokes = []
    for _ in range(int(rng.integers(1, 6))):
        length = rng.uniform(0.05, 0.3) * min(canvas.size_hw)
        line = curve(rng, somewhere(rng, canvas), rng.uniform(0, 6.3), length, rng.uniform(0.5, 4.0))
        strokes.append(Stroke(line, np.full(len(line), rng.uniform(0.6, 1.5))))
    band = stroke_band(strokes, canvas.size_hw, 1.5)
    mix(canvas, band, band.coverage(1.2) * rng.uniform(0.3, 0.9), np.full(3, rng.choice([0.01, 0.03, 0.6])))
