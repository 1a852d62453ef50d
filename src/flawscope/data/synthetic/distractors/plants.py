"""Grass blades, leaves, twigs and roots. Leaves hide what lies below, so they stay clear of cracks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array
from flawscope.data.synthetic.distractors.painting import (
    clear_spot,
    curve,
    mix,
    polygon,
    polygon_shade,
    somewhere,
)
from flawscope.data.synthetic.paths import Roughness, rough_line
from flawscope.data.synthetic.strokes import Stroke, stroke_band

_GREEN, _STRAW, _BROWN = (
    np.array([0.08, 0.14, 0.03]),
    np.array([0.42, 0.32, 0.14]),
    np.array([0.13, 0.07, 0.03]),
)


def _hue(rng: np.random.Generator) -> Float32Array:
    base = (_GREEN, _STRAW, _BROWN)[int(rng.integers(0, 3))]
    return np.asarray(base * rng.uniform(0.5, 1.8) * rng.uniform(0.85, 1.15, 3), dtype=np.float32)


def grass(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A tuft of tapering blades from a point or from the picture's edge; thin, so labels below stay."""
    root = somewhere(rng, canvas)
    if rng.random() < 0.5:
        root[1] = canvas.size_hw[0] + 5
    spread, size = rng.uniform(3, 90), min(canvas.size_hw)
    heading = -np.pi / 2 + rng.normal(0, 0.3)
    for _ in range(int(rng.integers(1, 4))):
        strokes = []
        for _ in range(int(rng.integers(2, 12))):
            start = root + np.array([rng.normal(0, spread), rng.normal(0, 3)])
            blade = curve(rng, start, heading + rng.normal(0, 0.5), size * rng.uniform(0.03, 0.25), 0.8)
            strokes.append(Stroke(blade, rng.uniform(1.0, 4.0) * np.linspace(1, 0.15, len(blade))))
        band = stroke_band(strokes, canvas.size_hw, 2.0)
        tone = 1 + 0.25 * band.side * rng.choice([-1, 1])
        mix(canvas, band, band.coverage(1.3), _hue(rng)[None, :] * tone[:, None])


def leaves(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Fallen leaves with a midrib and a shadow, away from any crack."""
    for _ in range(int(rng.integers(1, 6))):
        length = rng.uniform(0.02, 0.1) * min(canvas.size_hw)
        spot = clear_spot(rng, canvas, cracks, 1.2 * length + 4)
        if spot is None:
            continue
        angle, belly = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
        t = np.linspace(0, np.pi, 14)
        half = np.column_stack([-np.cos(t), belly * np.sin(t) ** 1.3])
        outline = np.concatenate([half, half[::-1] * (1, -1)])
        outline += rng.normal(0, 0.02, outline.shape)
        frame = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        placed = outline * length @ frame + spot
        polygon_shade(canvas, placed + rng.uniform(-3, 3, 2), np.full(3, rng.uniform(0.4, 0.8)))
        colour = _hue(rng)
        polygon(canvas, placed, colour)
        rib = np.array([[-1.3, 0.0], [1.0, 0.0]]) * length @ frame + spot
        band = stroke_band([Stroke(rib, np.full(2, max(0.8, 0.04 * length)))], canvas.size_hw, 1.5)
        mix(canvas, band, band.coverage(1.2), colour * np.float32(rng.uniform(0.5, 1.8)))


def twigs(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Sticks and roots: brown lines with a lit and a dark side and a thin shadow."""
    for _ in range(int(rng.integers(1, 4))):
        length, width = rng.uniform(0.05, 0.35) * min(canvas.size_hw), float(rng.uniform(2.2, 6.0))
        guide = curve(rng, somewhere(rng, canvas), rng.uniform(0, 6.3), length, 0.5)
        line = rough_line(rng, guide, Roughness(0.04, 0.9, 0.0), 2.0)
        profile = width * np.linspace(1, rng.uniform(0.3, 1), len(line))
        shade = stroke_band([Stroke(line + rng.uniform(0.5, 2.5, 2), profile)], canvas.size_hw, 2.0)
        canvas.rgb[shade.rows, shade.cols] *= (1 - 0.5 * shade.coverage(2.5))[:, None]
        band = stroke_band([Stroke(line, profile)], canvas.size_hw, 1.5)
        lit = 1 - 0.5 * band.side * np.clip(2 * band.distance_px / np.maximum(band.width_px, 1), 0, 1)
        mix(canvas, band, band.coverage(1.2), _hue(rng)[None, :] * lit[:, None])
