"""The sound strip: rolled metal under uneven light, its edges, and what lies beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.steel.regions import BoolArray, smooth_curve

BORDER_SHARE = 0.2
"""Strips that end inside the picture."""
ZONE_SHARE = 0.14
"""Strips of which a part is of another brightness, beyond an upright border."""


@dataclass(slots=True, eq=False)
class Strip:
    """A strip while it is painted."""

    grey: Float32Array
    """H x W brightness, 0..1."""
    metal: BoolArray
    """H x W: where there is metal."""
    notes: dict[str, Any]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.grey.shape[0], self.grey.shape[1]

    @property
    def unit_px(self) -> float:
        """Lengths in painters are meant for strips 256 px high; this is their unit."""
        return float(self.grey.shape[0] / 256)


def upright(
    rng: np.random.Generator, kind: noise.NoiseKind, size_hw: tuple[int, int], scale: float
) -> Float32Array:
    """Noise that runs along the columns, the direction of rolling."""
    return np.ascontiguousarray(noise.field(kind, rng, (size_hw[1], size_hw[0]), scale).T)


def sound_strip(rng: np.random.Generator, size_hw: tuple[int, int]) -> Strip:
    """Metal without any mark, H x W: grain, rolling lines, bands and shades."""
    h, w = size_hw
    base = log_uniform(rng, 0.24, 0.52)
    grey = _light(rng, size_hw)
    grey += noise.field("soft", rng, size_hw) * np.float32(rng.uniform(0.03, 0.1))
    if chance(rng, 0.5):
        grey += noise.field("white", rng, size_hw) * np.float32(rng.uniform(0.01, 0.05))
    grey += upright(rng, "fibre", size_hw, 1.0) * np.float32(rng.uniform(0.015, 0.07))
    if chance(rng, 0.5):
        grey += upright(rng, "streak", size_hw, rng.uniform(0.8, 1.5)) * np.float32(rng.uniform(0.02, 0.06))
    if chance(rng, 0.4):
        # Chatter: fine level lines from the rolls.
        grey += noise.field("streak", rng, size_hw) * np.float32(rng.uniform(0.01, 0.05))
    if chance(rng, 0.7):
        # Half as many points each way: these patterns are coarse.
        coarse = noise.field("cloud", rng, (max(4, h // 2), max(4, w // 2)), rng.uniform(0.4, 1.2))
        grey += _enlarged(coarse, size_hw) * np.float32(rng.uniform(0.03, 0.14))
    strip = Strip(np.maximum(grey, np.float32(0.1)) * np.float32(base), np.ones(size_hw, np.bool_), {})
    strip.notes["base"] = round(base, 3)
    if chance(rng, ZONE_SHARE):
        _zone(rng, strip)
    return strip


def _light(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Relative brightness around 1: broad upright bands, and a fall from one long side to the other."""
    h, w = size_hw
    across = smooth_curve(rng, w, int(rng.integers(3, 9))) * np.float32(rng.uniform(0.06, 0.28))
    bands = smooth_curve(rng, w, int(rng.integers(15, 60))) * np.float32(rng.uniform(0.0, 0.1))
    down = np.linspace(-1, 1, h, dtype=np.float32) * np.float32(rng.uniform(-0.1, 0.3))
    out: Float32Array = np.maximum(1 + across + bands, np.float32(0.3))[None, :] * (1 + down)[:, None]
    return out


def _enlarged(values: Float32Array, size_hw: tuple[int, int]) -> Float32Array:
    picture = Image.fromarray(values).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32)


def _wavy_column(rng: np.random.Generator, strip: Strip, x_px: float) -> Float32Array:
    """Column of an upright border in each row (H float32)."""
    h = strip.size_hw[0]
    wave = smooth_curve(rng, h, 6) * rng.uniform(0.3, 4.0) * strip.unit_px
    lean = np.linspace(-1, 1, h) * rng.normal(0, 3 * strip.unit_px)
    return (x_px + wave + lean).astype(np.float32)


def _zone(rng: np.random.Generator, strip: Strip) -> None:
    """Beyond an upright border the metal is brighter or darker: another finish, or a film of water or oil."""
    w = strip.size_hw[1]
    border = _wavy_column(rng, strip, rng.uniform(0.1, 0.9) * w)
    beyond = np.arange(w)[None, :] > border[:, None]
    if chance(rng, 0.5):
        beyond = ~beyond
    factor = log_uniform(rng, 1.15, 2.2) ** float(rng.choice([-1.0, 1.0]))
    strip.grey[beyond] *= np.float32(factor)
    strip.notes["zone"] = round(factor, 2)


def cut_edge(rng: np.random.Generator, strip: Strip, share: float = BORDER_SHARE) -> None:
    """With this probability the strip ends: black beyond, a pale or dirty rim before it.

    Call it before defects are painted, so that none lies on nothing.
    """
    if not chance(rng, share):
        return
    w = strip.size_hw[1]
    black = float(np.clip(rng.beta(0.8, 2.0), 0.005, 0.75)) * w
    left = chance(rng, 0.5)
    edge = _wavy_column(rng, strip, black)
    distance = np.arange(w, dtype=np.float32)[None, :] - edge[:, None]
    if not left:
        distance = distance[:, ::-1]
    rim = np.exp(-np.maximum(distance, 0) / np.float32(rng.uniform(3, 40) * strip.unit_px))
    strip.grey *= 1 + rim * np.float32(rng.uniform(-0.3, 1.2))
    strip.metal[...] = distance > 0
    background = np.float32(rng.uniform(0.0, 0.02))
    strip.grey[~strip.metal] = background
    strip.notes["border_px"] = round(black)
    strip.notes["border_side"] = "left" if left else "right"
