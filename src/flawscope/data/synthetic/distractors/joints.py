"""Slab joints, expansion joints and saw cuts: straight and even, as cracks never are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, darken, mix, tint
from flawscope.data.synthetic.local_noise import pixel_noise


def slab_joints(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """One to three saw cuts or joints, parallel or square to each other, open, sealed or tooled."""
    angle = rng.normal(rng.integers(0, 2) * np.pi / 2, 0.12) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    width = float(rng.lognormal(1.1, 0.6))
    kind = rng.choice(["open", "sealed", "groove", "filled"])
    colour = {
        "open": tint(rng, 0.01, 0.04),
        "sealed": tint(rng, 0.015, 0.06),
        "groove": None,
        "filled": None,
    }[kind]
    if colour is None:
        colour = canvas.rgb[::16, ::16].mean(axis=(0, 1)) * rng.uniform(
            0.35, 0.9 if kind == "groove" else 1.5
        )
    for i in range(int(rng.integers(1, 4))):
        line = across(rng, canvas, angle + (np.pi / 2 if i == 1 else 0.0))
        band = band_of(canvas, line, width, 6.0)
        alpha = band.coverage(rng.uniform(0.8, 1.8)) * rng.uniform(0.6, 1.0)
        grit = 1 + 0.25 * pixel_noise(rng, band.rows, band.cols, 2.5)
        mix(canvas, band, alpha, np.asarray(colour)[None, :] * grit[:, None])
        depth = rng.uniform(0, 1.5) if kind in ("open", "groove") else -rng.uniform(0, 0.4)
        canvas.height[band.rows, band.cols] -= alpha * np.float32(depth)
        if rng.random() < 0.5:
            # A tooled or dirty margin along both edges.
            edge = np.clip(1 - np.maximum(band.signed_px, 0) / rng.uniform(2, 6), 0, 1) * (1 - alpha)
            darken(canvas, band, 1 + rng.uniform(-0.3, 0.25) * edge)
