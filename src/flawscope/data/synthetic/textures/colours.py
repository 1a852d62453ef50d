"""Colours of surfaces, written as they look on a screen (sRGB) and used as reflectance (linear light)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flawscope.data.synthetic.canvas import Float32Array

Colour = npt.NDArray[np.float32]
"""Three float32 in 0..1, linear light."""


def linear(srgb: Sequence[float] | npt.NDArray[np.floating]) -> Colour:
    """Screen values 0..1 to linear light by the 2.2 power law (near enough to sRGB here)."""
    return (np.clip(np.asarray(srgb, np.float64), 0, 1) ** 2.2).astype(np.float32)


def grey(
    rng: np.random.Generator, low: float, high: float, cast: float = 0.03, warmth: float = 0.0
) -> Colour:
    """A grey between two screen values with a random cast; ``warmth`` moves it from blue to yellow."""
    level = rng.uniform(low, high)
    tint = rng.normal(0, cast, 3) + np.array([0.5, 0.1, -0.6]) * warmth
    return linear(level * (1 + tint - tint.mean()))


def pick(rng: np.random.Generator, palette: Sequence[Sequence[float]], spread: float = 0.05) -> Colour:
    """One of a palette of screen colours, moved a little."""
    chosen = np.asarray(palette[int(rng.integers(len(palette)))], np.float64)
    moved = chosen * (1 + rng.normal(0, spread)) + rng.normal(0, spread * 0.4, 3)
    return linear(np.clip(moved, 0.02, 0.98))


def paint(rgb: Float32Array, colour: Colour, cover: Float32Array) -> None:
    """Lays ``colour`` over ``rgb`` (H x W x 3) where ``cover`` (H x W, 0..1) says so, in place."""
    for channel in range(3):
        plane = rgb[..., channel]
        plane += cover * (colour[channel] - plane)


def tinted(value: Float32Array, colour: Colour) -> Float32Array:
    """H x W x 3: one brightness field times a colour."""
    return value[..., None] * colour
