"""Thin cast shadows: of cables, branches, railings. (Broad ones are the camera's.)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, curve, somewhere
from flawscope.data.synthetic.paths import resample
from flawscope.data.synthetic.strokes import Band, Stroke, stroke_band

_SKY = np.array([1.0, 0.97, 0.9], np.float32)


def _shadow(
    canvas: Canvas, band: Band, cover: np.ndarray[tuple[int, ...], np.dtype[np.float32]], depth: float
) -> None:
    canvas.rgb[band.rows, band.cols] *= 1 - (np.float32(depth) * cover)[:, None] * _SKY


def cable_shadow(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """One to three nearly straight dark lines of even width, soft to crisp: wires, rails, poles."""
    angle, depth = rng.uniform(0, np.pi), rng.uniform(0.2, 0.75)
    width, soft = float(rng.lognormal(1.3, 0.7)), float(rng.uniform(1.0, 7.0))
    for _ in range(int(rng.integers(1, 4))):
        ends = across(rng, canvas, angle + rng.normal(0, 0.03))
        line = resample(ends, 24.0)
        sag = np.linspace(-1, 1, len(line)) ** 2 * rng.normal(0, 20)
        line = line + sag[:, None] * np.array([-np.sin(angle), np.cos(angle)])
        band = band_of(canvas, line, width, soft / 2 + 1)
        _shadow(canvas, band, band.coverage(soft), depth)


def branch_shadow(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A forking twig's shadow: tapering, curved, smooth-edged, alike in shape to a crack."""
    start = somewhere(rng, canvas)
    heading, size = rng.uniform(0, 2 * np.pi), max(canvas.size_hw)
    width = float(rng.uniform(3, 14))
    trunk = curve(
        rng, start - size * 0.4 * np.array([np.cos(heading), np.sin(heading)]), heading, size * 0.9, 0.6
    )
    strokes = [Stroke(trunk, np.linspace(width, 0.3 * width, len(trunk)))]
    for _ in range(int(rng.integers(2, 9))):
        at = int(rng.integers(0, len(trunk)))
        twig = curve(
            rng,
            trunk[at],
            heading + rng.choice([-1, 1]) * rng.uniform(0.3, 1.1),
            rng.uniform(0.1, 0.45) * size,
            0.7,
        )
        strokes.append(Stroke(twig, np.linspace(0.5 * width, 0.8, len(twig))))
    soft = float(rng.uniform(1.5, 8.0))
    band = stroke_band(strokes, canvas.size_hw, soft / 2 + 1)
    _shadow(canvas, band, band.coverage(soft), rng.uniform(0.2, 0.7))
