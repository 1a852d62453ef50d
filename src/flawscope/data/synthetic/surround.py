"""What a crack does to the ground beside it: wet, dirty or grimy margins, broken edges, crumbs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.strokes import Band, Stroke, stroke_band


def _wide_band(canvas: Canvas, strokes: list[Stroke], reach_px: float) -> Band:
    """A band with far reach; the lines are thinned out first, for nobody sees their detail from there."""
    keep = max(1, int(reach_px / 4))
    thin = [
        Stroke(np.concatenate([s.points_xy_px[:-1:keep], s.points_xy_px[-1:]]),
               np.concatenate([s.width_px[:-1:keep], s.width_px[-1:]]))
        for s in strokes
    ]  # fmt: skip
    return stroke_band(thin, canvas.size_hw, reach_px)


def wet(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    """A darker margin with an uneven soft border: moisture, or dirt that traffic pressed in."""
    reach = rng.uniform(4, 14)
    band = _wide_band(canvas, strokes, reach)
    border = reach * (0.65 + 0.35 * pixel_noise(rng, band.rows, band.cols, 12.0))
    inside = np.clip((border - band.signed_px) / rng.uniform(1.5, 6.0), 0, 1)
    inside *= np.clip(0.7 + pixel_noise(rng, band.rows, band.cols, 60.0), 0, 1)
    tint = 1 - rng.uniform(0.1, 0.4) * inside[:, None] * np.array([0.9, 1.0, 1.1])
    canvas.rgb[band.rows, band.cols] *= tint.astype(np.float32)


def spalled(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    """Broken edges: flakes gone on one side of the line, fresh and lighter (or dirtier) below."""
    reach = rng.uniform(3, 9)
    band = _wide_band(canvas, strokes, reach)
    ragged = pixel_noise(rng, band.rows, band.cols, rng.uniform(5, 14)) + 0.4 * pixel_noise(
        rng, band.rows, band.cols, 3.0
    )
    flake = (ragged - rng.uniform(0.1, 0.5) - np.maximum(band.signed_px, 0) / reach) * 4
    alpha = np.clip(flake, 0, 1) * np.where(band.side * rng.choice([-1, 1]) > 0, 1.0, 0.35)
    factor = 1 + alpha * (rng.uniform(-0.45, 0.45) + 0.15 * rng.standard_normal(len(band.rows)))
    canvas.rgb[band.rows, band.cols] *= np.clip(factor, 0.2, 2)[:, None].astype(np.float32)
    canvas.height[band.rows, band.cols] -= (alpha * rng.uniform(0.3, 1.5)).astype(np.float32)


def crumbs(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    """Specks along the line: crumbs and small holes, dark and light."""
    band = _wide_band(canvas, strokes, rng.uniform(2, 6))
    speck = pixel_noise(rng, band.rows, band.cols, max(1.3, 0.6 * canvas.grain_px))
    threshold = rng.uniform(0.45, 0.7)
    dark = np.clip((speck - threshold) * 6, 0, 1) * rng.uniform(0.2, 0.6)
    light = np.clip((-speck - threshold) * 6, 0, 1) * rng.uniform(0.0, 0.6)
    canvas.rgb[band.rows, band.cols] *= (1 - dark + light)[:, None].astype(np.float32)


def settled(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    """One side lies lower: a soft step in the relief that the light picks out."""
    band = _wide_band(canvas, strokes, rng.uniform(4, 10))
    fade = np.exp(-np.maximum(band.signed_px, 0) / 3.0)
    canvas.height[band.rows, band.cols] += (rng.uniform(-0.6, 0.6) * band.side * fade).astype(np.float32)


def grime(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    """A narrow soft dark margin on both sides, dirt in the pores: darker than the ground, but no opening."""
    reach = rng.uniform(1.0, 3.0)
    band = _wide_band(canvas, strokes, 3.0)
    fade = np.exp(-np.maximum(band.signed_px, 0) / reach * 1.5)
    fade *= np.clip(0.75 + 0.6 * pixel_noise(rng, band.rows, band.cols, max(2.0, canvas.grain_px)), 0, 1)
    loss = rng.uniform(0.15, 0.5) * fade[:, None]
    canvas.rgb[band.rows, band.cols] *= (1 - loss).astype(np.float32)


SURROUNDS: dict[str, Callable[[np.random.Generator, Canvas, list[Stroke]], None]] = {
    "wet": wet,
    "spalled": spalled,
    "crumbs": crumbs,
    "settled": settled,
    "grime": grime,
}
"""Effects beside a crack, by name."""
