"""Edges of bricks: chipped arrises, and the thin shadow that a brick casts into its joint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import beside, blob, darken, polygon_cover
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.strokes import Stroke, stroke_band


def chipped_arris(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Small pieces broken off along the joints: darker, paler or mortar-coloured."""
    if not canvas.joints:
        return
    for _ in range(int(rng.integers(2, 14))):
        joint = canvas.joints[int(rng.integers(0, len(canvas.joints)))]
        t = rng.random()
        centre = joint[0] + t * (joint[-1] - joint[0])
        centre = centre + rng.choice([-0.5, 0.5]) * canvas.joint_width_px * rng.uniform(0.6, 1.2, 2)
        window, cover = polygon_cover(canvas.size_hw, blob(rng, centre, float(rng.lognormal(1.3, 0.5)), 0.35))
        if cover.size:
            canvas.rgb[window] *= 1 + cover[..., None] * np.float32(rng.uniform(0.3, 1.4) - 1)
            canvas.height[window] -= cover * np.float32(rng.uniform(0.2, 1.5))


def joint_shadow(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A dark line along one edge of every joint of one direction: raked mortar under a high sun. No crack."""
    if not canvas.joints or canvas.joint_width_px <= 0:
        return
    width, depth = float(rng.uniform(0.08, 0.6) * canvas.joint_width_px), rng.uniform(0.15, 0.92)
    both = rng.random() < 0.35
    side = rng.choice([-1, 1])
    strokes = []
    for joint in canvas.joints:
        chord = np.abs(joint[-1] - joint[0])
        if both or chord[0] > chord[1]:
            line = beside(joint, side * (0.5 * canvas.joint_width_px - 0.3 * width), 30.0)
            strokes.append(Stroke(line, np.full(len(line), max(0.8, width))))
    band = stroke_band(strokes, canvas.size_hw, 2.0)
    # The shadow of a rough arris has a rough border.
    ragged = rng.uniform(0, 0.35) * width * pixel_noise(rng, band.rows, band.cols, rng.uniform(4, 12))
    distance = np.maximum(band.distance_px + ragged, 0).astype(np.float32)
    uneven = np.clip(0.85 + 0.4 * pixel_noise(rng, band.rows, band.cols, 30.0), 0, 1)
    darken(canvas, band, 1 - depth * band.coverage(rng.uniform(1.0, 2.5), distance) * uneven)


def open_joint(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Mortar washed out in places: the middle of a joint is dark over a stretch, soft-ended."""
    if not canvas.joints or canvas.joint_width_px <= 0:
        return
    for _ in range(int(rng.integers(1, 5))):
        joint = canvas.joints[int(rng.integers(0, len(canvas.joints)))]
        line = beside(joint, 0.0, 20.0)
        band = stroke_band(
            [Stroke(line, np.full(len(line), 0.6 * canvas.joint_width_px))], canvas.size_hw, 2.0
        )
        hollow = np.clip(pixel_noise(rng, band.rows, band.cols, 45.0) - 0.1, 0, 0.5) * 2 * band.coverage(3.0)
        darken(canvas, band, 1 - rng.uniform(0.2, 0.55) * hollow)
