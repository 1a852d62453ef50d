"""Concrete: cast against boards or steel, trowelled, washed out, weathered, or fine and grey all over."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.textures import colours


def concrete(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """One of the five finishes, at a random scale."""
    finishes = {
        "formwork": (_formwork, 0.22),
        "trowelled": (_trowelled, 0.26),
        "weathered": (_weathered, 0.26),
        "washed": (_washed, 0.14),
        "fine-grey": (_fine_grey, 0.12),
    }
    names = list(finishes)
    name = names[int(rng.choice(len(names), p=[share for _, share in finishes.values()]))]
    canvas = finishes[name][0](rng, size_hw)
    canvas.notes["finish"] = name
    return canvas


def _skin(
    rng: np.random.Generator, size_hw: tuple[int, int], rough: float
) -> tuple[Float32Array, Float32Array]:
    """Brightness (mean 1) and height of plain cement skin."""
    scale = log_uniform(rng, 0.7, 2.5)
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 0.8, 4.0))
    mid = noise.field("pink", rng, size_hw, scale)
    fine = noise.field("soft", rng, size_hw, scale if scale > 1 else 1.0)
    value = 1 + np.clip(rng.uniform(0.02, 0.12) * broad, -0.4, 0.4)
    value += rng.uniform(0.01, 0.09) * mid + rough * rng.uniform(0.02, 0.13) * fine
    height = rough * (0.25 * mid * scale + 0.25 * fine)
    return value, height.astype(np.float32)


def _base_colour(rng: np.random.Generator) -> colours.Colour:
    if chance(rng, 0.1):
        palette = [
            (0.72, 0.62, 0.5),
            (0.62, 0.5, 0.42),
            (0.55, 0.6, 0.52),
            (0.8, 0.78, 0.7),
            (0.5, 0.47, 0.5),
        ]
        return colours.pick(rng, palette)
    return colours.grey(rng, 0.38, 0.86, 0.015, float(rng.uniform(-0.08, 0.16)))


def _canvas(rng: np.random.Generator, value: Float32Array, height: Float32Array, grain_px: float) -> Canvas:
    rgb = colours.tinted(np.maximum(value, 0.1), _base_colour(rng))
    _hue_drift(rng, rgb)
    return Canvas(rgb, height, "concrete", grain_px=grain_px)


def _hue_drift(rng: np.random.Generator, rgb: Float32Array) -> None:
    drift = noise.field("cloud", rng, (rgb.shape[0], rgb.shape[1]), log_uniform(rng, 0.6, 3.0))
    drift = np.clip(drift * float(rng.uniform(0, 0.05)), -0.15, 0.15)
    rgb[..., 0] *= 1 + drift
    rgb[..., 2] *= 1 - drift


def _formwork(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Prints of boards: each with a tone of its own and the grain of its wood."""
    h, w = size_hw
    upright = chance(rng, 0.5)
    run, across = (h, w) if upright else (w, h)
    value, height = _skin(rng, (across, run), float(rng.uniform(0.2, 0.8)))
    board_px = log_uniform(rng, 28, 260)
    position = (np.arange(across) / board_px + rng.uniform(0, 1)).astype(np.float64)
    tones = rng.normal(0, rng.uniform(0.02, 0.13), int(position[-1]) + 2)
    value += tones[position.astype(int)][:, None].astype(np.float32)
    grain = noise.field("fibre", rng, (across, run), log_uniform(rng, 0.7, 1.8))
    value += np.float32(rng.uniform(0.01, 0.09)) * grain
    height += np.float32(rng.uniform(0.05, 0.5)) * grain
    part = position % 1
    lip_px = rng.uniform(0.6, 2.2)
    lip = np.exp(-((np.minimum(part, 1 - part) * board_px / lip_px) ** 2))[:, None].astype(np.float32)
    broken = np.clip(0.6 + 0.5 * noise.field("cloud", rng, (across, run), 1.5), 0, 1)
    sign = 1 if chance(rng, 0.5) else -1
    height += sign * float(rng.uniform(0.3, 2.5)) * lip * broken
    value *= 1 - float(rng.uniform(0, 0.35)) * lip * broken
    if upright:
        value, height = np.ascontiguousarray(value.T), np.ascontiguousarray(height.T)
    canvas = _canvas(rng, value, height, 1.5)
    _pits(rng, canvas, float(rng.uniform(0, 0.6)))
    return canvas


def _trowelled(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Smooth, with faint sweeping arcs."""
    value, height = _skin(rng, size_hw, float(rng.uniform(0.1, 0.6)))
    h, w = size_hw
    yy, xx = np.ogrid[0:h, 0:w]
    centre_y, centre_x = rng.uniform(-1.5, 2.5, 2) * (h, w)
    radius = np.sqrt((yy - centre_y) ** 2 + (xx - centre_x) ** 2).astype(np.float32)
    pitch_px = log_uniform(rng, 8, 60)
    wander = noise.field("cloud", rng, size_hw, 2.0)
    arcs = np.sin(radius * np.float32(2 * np.pi / pitch_px) + 2.2 * wander)
    value += np.float32(rng.uniform(0, 0.04)) * arcs
    height += np.float32(rng.uniform(0, 0.6)) * arcs
    canvas = _canvas(rng, value, height, 1.2)
    if chance(rng, 0.35):
        _pits(rng, canvas, float(rng.uniform(0, 0.8)))
    return canvas


def _weathered(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Old and blotched: sand laid bare, dark growth, runs of water."""
    value, height = _skin(rng, size_hw, float(rng.uniform(0.6, 1.6)))
    grain_px = log_uniform(rng, 1.8, 5.0)
    sand = noise.cells(rng, size_hw, grain_px)
    grain = (sand.tone - 0.5) * noise.smoothstep(sand.edge, 0.02, 0.25)
    value += np.float32(rng.uniform(0.1, 0.7)) * grain
    height += np.float32(rng.uniform(0.1, 0.4) * grain_px) * sand.dome * noise.smoothstep(sand.edge, 0.0, 0.3)
    canvas = _canvas(rng, value, height.astype(np.float32), grain_px)
    growth = noise.field("pink", rng, size_hw, log_uniform(rng, 0.8, 3.0))
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 1.0, 4.0))
    low = float(rng.uniform(0.0, 1.4))
    cover = noise.smoothstep(0.5 * growth + broad, low, low + float(rng.uniform(0.4, 1.5)))
    tone = colours.pick(rng, [(0.2, 0.2, 0.19), (0.27, 0.29, 0.2), (0.35, 0.3, 0.24), (0.78, 0.77, 0.72)])
    colours.paint(canvas.rgb, tone, cover * float(rng.uniform(0.15, 0.75)))
    if chance(rng, 0.35):
        runs = noise.field("fibre", rng, size_hw[::-1], log_uniform(rng, 1.0, 4.0)).T
        runs = noise.smoothstep(runs, 0.2, 2.0) * float(rng.uniform(0.1, 0.5))
        colours.paint(canvas.rgb, colours.linear((0.2, 0.18, 0.16)), runs)
    _pits(rng, canvas, float(rng.uniform(0, 1)))
    return canvas


def _washed(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Exposed aggregate: pebbles of many colours in a mortar bed."""
    pebble_px = log_uniform(rng, 6, 34)
    value, height = _skin(rng, size_hw, 1.0)
    canvas = _canvas(rng, value, height, pebble_px)
    stones = noise.cells(rng, size_hw, pebble_px)
    ragged = noise.field("soft", rng, size_hw, max(1.0, pebble_px / 10))
    gap = float(rng.uniform(0.04, 0.3))
    cover = noise.smoothstep(stones.edge + 0.03 * ragged, gap, gap + max(0.06, 1.2 / pebble_px))
    cover *= stones.kind < float(rng.uniform(0.35, 1.0))
    dark, light = colours.grey(rng, 0.25, 0.5, 0.05, 0.1), colours.grey(rng, 0.55, 0.92, 0.04, 0.1)
    hue = colours.pick(rng, [(0.6, 0.4, 0.3), (0.7, 0.6, 0.4), (0.45, 0.5, 0.55), (0.6, 0.55, 0.5)])
    mix = stones.tone[..., None]
    stone = np.where(stones.kind[..., None] % 0.31 < 0.1, hue * (0.6 + mix), dark + (light - dark) * mix)
    strength = (cover * float(rng.uniform(0.4, 1.0)))[..., None]
    canvas.rgb += strength * (stone.astype(np.float32) - canvas.rgb)
    canvas.height += np.float32(pebble_px * rng.uniform(0.05, 0.3)) * cover * stones.dome
    return canvas


def _fine_grey(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Fine material under a line camera: bright grey with soft dark grains drawn out along the rows."""
    scale = log_uniform(rng, 0.8, 3.5)
    short = noise.field("streak", rng, size_hw, scale)
    spots = noise.field("blob", rng, size_hw, scale)
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 1.0, 4.0))
    value = 1 + rng.uniform(0.08, 0.3) * short + np.clip(rng.uniform(0.03, 0.14) * broad, -0.4, 0.4)
    value -= rng.uniform(0, 0.3) * np.maximum(spots - 0.8, 0) - rng.uniform(0, 0.15) * np.maximum(
        short - 1.5, 0
    )
    level = colours.grey(rng, 0.5, 0.85, 0.0)
    rgb = colours.tinted(np.maximum(value, 0.08).astype(np.float32), level)
    height = (0.15 * short).astype(np.float32)
    return Canvas(rgb, height, "concrete", grain_px=2.0 * scale)


def _pits(rng: np.random.Generator, canvas: Canvas, amount: float) -> None:
    """Blow holes and small pits: dark, round or ragged, never long."""
    spots = noise.cells(rng, canvas.size_hw, log_uniform(rng, 5, 30))
    size = float(rng.uniform(0.45, 0.8))
    hole = noise.smoothstep(spots.dome, size, min(0.99, size + 0.12)) * (spots.kind < 0.12 * amount)
    canvas.rgb *= (1 - float(rng.uniform(0.2, 0.75)) * hole)[..., None]
    canvas.height -= float(rng.uniform(0.5, 3)) * hole
