"""Coated surfaces: painted steel with rust, plaster, thick paint over anything."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.textures import colours

STEEL_PAINTS = (
    (0.55, 0.58, 0.6),
    (0.35, 0.45, 0.38),
    (0.25, 0.38, 0.55),
    (0.85, 0.85, 0.82),
    (0.6, 0.2, 0.16),
    (0.85, 0.7, 0.2),
    (0.3, 0.31, 0.33),
    (0.5, 0.28, 0.22),
    (0.62, 0.7, 0.66),
    (0.42, 0.4, 0.36),
)
WALL_PAINTS = (
    (0.9, 0.89, 0.85),
    (0.82, 0.76, 0.62),
    (0.62, 0.61, 0.6),
    (0.72, 0.4, 0.34),
    (0.56, 0.56, 0.58),
    (0.8, 0.62, 0.52),
    (0.67, 0.3, 0.24),
    (0.66, 0.72, 0.72),
    (0.75, 0.7, 0.66),
    (0.45, 0.43, 0.42),
    (0.8, 0.72, 0.74),
)


def painted_steel(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Flat paint with orange peel, grime, chips and rust."""
    peel = noise.field("blob", rng, size_hw, log_uniform(rng, 0.8, 3.0))
    fine = noise.field("soft", rng, size_hw)
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 1.0, 5.0))
    value = 1 + np.clip(rng.uniform(0.01, 0.1) * broad, -0.35, 0.35) + rng.uniform(0.003, 0.04) * fine
    value += rng.uniform(0, 0.03) * peel
    rgb = colours.tinted(value.astype(np.float32), colours.pick(rng, STEEL_PAINTS, 0.1))
    height = (np.float32(rng.uniform(0.02, 0.35)) * peel + 0.04 * fine).astype(np.float32)
    canvas = Canvas(rgb, height, "painted-steel", grain_px=1.0)
    if chance(rng, 0.5):
        _rust(rng, canvas)
    if chance(rng, 0.4):
        grime = noise.smoothstep(noise.field("pink", rng, size_hw, log_uniform(rng, 1.0, 3.0)), 0.3, 2.4)
        colours.paint(rgb, colours.linear((0.2, 0.18, 0.16)), grime * float(rng.uniform(0.1, 0.5)))
    return canvas


def _rust(rng: np.random.Generator, canvas: Canvas) -> None:
    size_hw = canvas.size_hw
    pattern = noise.field("cloud", rng, size_hw, log_uniform(rng, 0.3, 2.0))
    pattern += 0.25 * noise.field("pink", rng, size_hw)
    low = float(rng.uniform(0.2, 2.0))
    cover = noise.smoothstep(pattern, low, low + float(rng.uniform(0.1, 0.8)))
    mottle = noise.field("pink", rng, size_hw, 0.8)
    dark = colours.pick(rng, [(0.3, 0.17, 0.1), (0.36, 0.2, 0.12), (0.25, 0.16, 0.12)])
    light = colours.pick(rng, [(0.56, 0.36, 0.23), (0.6, 0.4, 0.26), (0.5, 0.33, 0.24)])
    mix = np.clip(0.5 + 0.35 * mottle, 0, 1)[..., None]
    canvas.rgb += cover[..., None] * (dark + (light - dark) * mix - canvas.rgb)
    canvas.height += cover * (0.35 * mottle + np.float32(rng.uniform(-0.6, 0.6)))
    if chance(rng, 0.4):
        halo = noise.smoothstep(pattern, low - 0.8, low)
        colours.paint(canvas.rgb, light, halo * (1 - cover) * float(rng.uniform(0.1, 0.4)))


def plaster(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Render, stucco or thick wall paint: one colour, told by its relief."""
    scale = log_uniform(rng, 0.7, 5.0)
    bumps = noise.field("blob", rng, size_hw, scale)
    mid = noise.field("pink", rng, size_hw, scale)
    fine = noise.field("soft", rng, size_hw)
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 1.0, 5.0))
    value = 1 + np.clip(rng.uniform(0.01, 0.12) * broad, -0.4, 0.4)
    value += rng.uniform(0.005, 0.06) * fine + rng.uniform(0, 0.06) * mid
    rgb = colours.tinted(np.maximum(value, 0.1).astype(np.float32), colours.pick(rng, WALL_PAINTS, 0.06))
    kind = str(rng.choice(["bumpy", "smooth", "spatter", "brushed"], p=[0.35, 0.3, 0.15, 0.2]))
    if kind == "bumpy":
        height = scale * (rng.uniform(0.2, 1.0) * bumps + rng.uniform(0.1, 0.6) * mid)
    elif kind == "smooth":
        height = rng.uniform(0.05, 0.3) * mid * scale + 0.08 * fine
    elif kind == "spatter":
        drops = noise.cells(rng, size_hw, log_uniform(rng, 4, 16))
        on = noise.smoothstep(drops.edge, 0.1, 0.5) * (drops.kind < rng.uniform(0.2, 0.9))
        height = rng.uniform(0.5, 2.0) * on + 0.2 * mid
        if chance(rng, 0.5):
            colours.paint(rgb, colours.pick(rng, WALL_PAINTS), on * float(rng.uniform(0.3, 1.0)))
    else:
        strokes = noise.field("fibre", rng, size_hw, log_uniform(rng, 0.7, 2.0))
        height = rng.uniform(0.1, 0.7) * strokes + 0.1 * fine
        rgb *= (1 + rng.uniform(0, 0.05) * strokes)[..., None]
    canvas = Canvas(rgb.astype(np.float32), np.asarray(height, np.float32), "plaster", grain_px=1.5)
    canvas.notes["finish"] = kind
    return canvas
