"""Asphalt: stones of many sizes in dark bitumen, worn, cast in any hue, with oil and dust."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.textures import colours

_CASTS = (
    (1.00, 1.00, 1.00),
    (1.02, 1.00, 0.98),
    (1.03, 1.00, 0.95),
    (1.05, 1.00, 0.93),
    (1.08, 1.00, 0.85),
    (1.03, 1.00, 1.03),
    (0.96, 1.00, 1.04),
    (0.92, 0.99, 1.07),
    (0.96, 1.01, 0.99),
)


def asphalt(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Asphalt from fine (2 px stones) to coarse (10 px), flat or harsh."""
    grain_px = log_uniform(rng, 1.6, 4.0) if chance(rng, 0.6) else log_uniform(rng, 3.0, 9.0)
    stretch = float(rng.uniform(1.0, 1.5)) if chance(rng, 0.4) else 1.0
    contrast = float(rng.beta(2.3, 1.7))
    stones = noise.cells(rng, size_hw, grain_px, stretch)
    chips = noise.cells(rng, size_hw, max(1.8, grain_px * rng.uniform(0.4, 0.65)), stretch)
    fine = noise.field("soft", rng, size_hw, 1.0)
    ground = noise.field("pink", rng, size_hw, 1.0)

    # Stones that lie bare: a share of the cells, shrunk by a random gap of bitumen.
    gap = float(rng.uniform(0.02, 0.25))
    cover = noise.smoothstep(stones.edge + 0.05 * fine, gap, gap + 0.18)
    bright_share = float(rng.uniform(0.05, 0.5))
    bright = np.clip((stones.kind - (1 - bright_share)) / max(bright_share, 1e-3), 0, 1) * cover
    dark = np.clip((0.25 - stones.kind) * 4, 0, 1) * cover
    # Few bright chips among many dull ones.
    skew = float(rng.uniform(1.0, 4.0))
    chip = (chips.tone**skew - 1 / (1 + skew)) * noise.smoothstep(chips.edge, 0.03, 0.25)

    value = 1 + contrast * (
        rng.uniform(0.2, 0.6) * (cover * stones.tone - 0.45)
        + rng.uniform(0.8, 3.0) * bright
        - rng.uniform(0.3, 0.85) * dark
        + rng.uniform(0.8, 2.4) * chip
    )
    if chance(rng, 0.45):
        value = _bare_stones(rng, value, fine)
    value += (0.05 + 0.25 * contrast) * rng.uniform(0.4, 1.2) * fine
    value += rng.uniform(0.04, 0.16) * ground
    # Glints: small bright chips skew the brightness upwards, as sharpened phone pictures show.
    glint = np.maximum(
        noise.field("soft" if chance(rng, 0.6) else "white", rng, size_hw)
        - np.float32(rng.uniform(0.8, 1.6)),
        0,
    )
    value += (0.1 + contrast) * rng.uniform(0.1, 1.1) * glint
    value = np.maximum(value, 0.1)

    base = (
        rng.uniform(0.28, 0.66)
        * np.array([1.02, 1.0, 0.99])
        * np.asarray(_CASTS[int(rng.integers(len(_CASTS)))])
    )
    colour = colours.linear(base * (1 + rng.normal(0, 0.015, 3)))
    rgb = colours.tinted(value, colour)
    _stone_hues(rng, rgb, stones, cover)
    _wear(rng, rgb, size_hw)
    relief = grain_px * rng.uniform(0.08, 0.45)
    height = relief * (cover * (0.4 + 0.6 * stones.dome) + 0.4 * chip + 0.12 * fine)
    notes = {"grain_px": round(grain_px, 2), "contrast": round(contrast, 2)}
    return Canvas(rgb, height.astype(np.float32), "asphalt", grain_px=grain_px, notes=notes)


def _bare_stones(rng: np.random.Generator, value: Float32Array, fine: Float32Array) -> Float32Array:
    """Worn asphalt: a duller matrix from which scattered pale (some dark) stones of many sizes look out."""
    size_hw = (value.shape[0], value.shape[1])
    value = np.float32(1) + (value - np.float32(1)) * np.float32(rng.uniform(0.35, 0.9))
    for _ in range(int(rng.integers(1, 3))):
        stones = noise.cells(rng, size_hw, log_uniform(rng, 3.0, 9.0))
        size = float(rng.uniform(0.45, 0.75))
        bare = noise.smoothstep(stones.dome + np.float32(0.07) * fine, size, size + 0.15)
        bare *= stones.kind < log_uniform(rng, 0.08, 0.6)
        value += bare * (np.float32(rng.uniform(0.5, 2.6)) * (stones.tone - np.float32(0.2)))
    return value


def _stone_hues(rng: np.random.Generator, rgb: np.ndarray, stones: noise.Cells, cover: np.ndarray) -> None:
    strength = float(rng.uniform(0, 0.35))
    swing = (stones.tone - 0.5) * cover * strength
    rgb[..., 0] *= 1 + swing
    rgb[..., 2] *= 1 - swing * float(rng.uniform(0.3, 1.2))


def _wear(rng: np.random.Generator, rgb: np.ndarray, size_hw: tuple[int, int]) -> None:
    """Large-scale changes: worn lanes, damp or oily spots, dust."""
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 0.7, 3.0))
    rgb *= (1 + np.clip(rng.uniform(0, 0.16) * broad, -0.5, 0.6))[..., None]
    if chance(rng, 0.25):
        spots = noise.field("cloud", rng, size_hw, log_uniform(rng, 0.5, 1.2))
        oil = noise.smoothstep(spots, float(rng.uniform(-0.2, 0.8)), float(rng.uniform(1.2, 2.6)))
        colours.paint(rgb, colours.linear((0.13, 0.12, 0.12)), oil * float(rng.uniform(0.3, 0.8)))
    if chance(rng, 0.25):
        dust = noise.smoothstep(noise.field("cloud", rng, size_hw, log_uniform(rng, 0.5, 2.0)), 0.0, 1.8)
        dust *= float(rng.uniform(0.15, 0.6)) * (0.7 + 0.3 * noise.field("soft", rng, size_hw))
        colours.paint(rgb, colours.pick(rng, [(0.66, 0.58, 0.46), (0.6, 0.55, 0.5)]), np.clip(dust, 0, 1))
    if chance(rng, 0.2):
        h, w = size_hw
        across = np.linspace(0, 1, w, dtype=np.float32) if chance(rng, 0.6) else None
        axis = across[None, :] if across is not None else np.linspace(0, 1, h, dtype=np.float32)[:, None]
        lane = np.exp(-(((axis - rng.uniform(-0.1, 1.1)) / rng.uniform(0.08, 0.35)) ** 2))
        rgb *= (1 - float(rng.uniform(-0.3, 0.45)) * lane)[..., None]
