"""Painters of large rough patches: folded skins and plates of scale with torn borders."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform, smoothstep
from flawscope.data.synthetic.steel.regions import BoolArray, Place, body, envelope, outline, sheared
from flawscope.data.synthetic.steel.strip import Strip, apply_tone


def patch_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    """A wide or tall patch of many corners."""
    return outline(rng, area_px, log_uniform(rng, 0.35, 1.6), int(rng.integers(9, 20)), 0.2)


def paint_patch(rng: np.random.Generator, strip: Strip, at: Place) -> BoolArray:
    """Folds of metal under raking light, or a dull plate whose border is torn."""
    inside = body(rng, at.shape, 0.8)
    paint = _folds if chance(rng, 0.65) else _plate
    tone = paint(rng, inside, max(strip.unit_px, 0.4))
    least = 0.35 if paint is _folds else 0.0
    return apply_tone(strip, at, tone * envelope(rng, (tone.shape[0], tone.shape[1]), least))


def _folds(rng: np.random.Generator, inside: Float32Array, unit: float) -> Float32Array:
    """Rounded bulges between sharp creases, in two sizes, lit from below or from the side."""
    size_hw = inside.shape[0], inside.shape[1]
    slope = rng.normal(0, 0.5)
    scale = float(np.clip(min(size_hw) / 26, 1.2, 5.0)) * rng.uniform(0.7, 1.4)
    large = np.abs(sheared(rng, "streak", size_hw, scale * 1.6, slope))
    medium = np.abs(noise.field("blob", rng, size_hw, scale * rng.uniform(0.7, 1.1)))
    small = np.abs(noise.field("blob", rng, size_hw, max(0.7, scale * 0.35)))
    relief = large * np.float32(scale * 2.2) + medium * np.float32(scale * 1.5)
    relief += small * np.float32(scale * 0.5)
    relief *= np.float32(0.6) + np.float32(0.4) * inside
    across, down = np.zeros(size_hw, np.float32), np.zeros(size_hw, np.float32)
    across[:, 1:] = relief[:, 1:] - relief[:, :-1]
    down[1:] = relief[1:] - relief[:-1]
    light = rng.uniform(0, 2 * np.pi)
    slopes = down * np.float32(np.sin(light)) + across * np.float32(np.cos(light))
    shade = np.clip(slopes * np.float32(rng.uniform(0.3, 0.6)), -0.6, 1.6)
    crease = smoothstep(-np.minimum(large, medium), -0.22, 0.0) * np.float32(rng.uniform(0.15, 0.4))
    skin = noise.field("soft", rng, size_hw) * np.float32(rng.uniform(0.03, 0.09))
    folded: Float32Array = (shade - crease + skin + np.float32(rng.uniform(-0.25, 0.1))) * inside
    return folded


def _plate(rng: np.random.Generator, inside: Float32Array, unit: float) -> Float32Array:
    """Scale rolled in: dark and dull, crumbs on it, a torn rim that shines on one side."""
    size_hw = inside.shape[0], inside.shape[1]
    shades = noise.field("cloud", rng, size_hw, 1.0) * np.float32(rng.uniform(0.03, 0.1))
    grain = noise.field("soft", rng, size_hw) * np.float32(rng.uniform(0.03, 0.1))
    dark = np.float32(rng.uniform(0.2, 0.5))
    rim = np.zeros(size_hw, np.float32)
    rim[2:] = inside[2:] - inside[:-2]
    rim[:, 2:] += (inside[:, 2:] - inside[:, :-2]) * np.float32(rng.uniform(-0.8, 0.8))
    torn = smoothstep(noise.field("blob", rng, size_hw, 2.5 * unit), -0.7, 1.2)
    shine = np.clip(rim * torn * np.float32(rng.uniform(0.8, 2.5)), -0.5, 1.5)
    crumbs = noise.field("blob", rng, size_hw, rng.uniform(0.6, 1.1) * unit)
    where = smoothstep(noise.field("cloud", rng, size_hw, 0.8), 0.2, 1.2)
    crumbs[1:] -= crumbs[:-1].copy()
    crumbs *= where * np.float32(rng.uniform(0.2, 0.5))
    plate: Float32Array = (shades + grain - dark + crumbs) * inside + shine * (inside > 0)
    return plate
