"""The sound strip: rolled metal under uneven light, its edges, and what lies beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.steel.regions import BoolArray, Place, smooth_curve

BORDER_SHARE = 0.2
"""Strips that end inside the picture."""
ZONE_SHARE = 0.14
"""Strips of which a part is of another brightness, beyond an upright border."""

FAINTEST = 0.3
"""Least relative change of brightness in the strongest 3 % of a defect."""
_SEEN = 0.08
"""Relative change of brightness that shows in the grain."""
_JOINED_PX = 20, 18
"""Gaps up to twice this, down and across, stay inside of an outline (strip 256 px high)."""
_REACH_PX = 8, 6
"""How far an outline reaches beyond what is seen, down and across."""


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


def apply_tone(strip: Strip, at: Place, tone: Float32Array) -> BoolArray:
    """Change the brightness by the relative ``tone`` (h x w); returns where, a part of the place's shape.

    That part is what lies near something that can be seen: an outline is not left around sound metal. A
    tone too faint to be seen in the grain is made stronger: a defect that is labelled can be found.
    """
    peak = float(np.quantile(np.abs(tone[at.shape]), 0.97))
    if 0 < peak < FAINTEST:
        tone = tone * np.float32(min(FAINTEST / peak, 5))
    seen = (np.abs(tone) > _SEEN) & at.shape
    where = _outlined(seen, strip.unit_px) & at.shape
    strip.grey[at.slices] *= np.where(where, np.maximum(1 + tone, np.float32(0.08)), 1).astype(np.float32)
    return where


def _outlined(seen: BoolArray, unit_px: float) -> BoolArray:
    """Boxes around what is seen, joined where they lie near each other (h x w)."""
    for axis, (joined_px, reach_px) in enumerate(zip(_JOINED_PX, _REACH_PX, strict=True)):
        wide = 2 * max(1, round(joined_px * unit_px)) + 1
        back = 2 * max(0, round((joined_px - reach_px) * unit_px)) + 1
        seen = ndimage.maximum_filter1d(seen, wide, axis=axis, mode="constant")
        # What lies beyond the window counts as outlined: pieces are cut there.
        seen = ndimage.minimum_filter1d(seen, back, axis=axis, mode="constant", cval=1)
    return seen


def sound_strip(rng: np.random.Generator, size_hw: tuple[int, int]) -> Strip:
    """Metal without any mark, H x W: grain, rolling lines, bands and shades."""
    base = log_uniform(rng, 0.22, 0.5)
    grey = _light(rng, size_hw)
    grain = _grain(rng, size_hw) * np.float32(log_uniform(rng, 0.045, 0.13))
    grain += upright(rng, "fibre", size_hw, 1.0) * np.float32(log_uniform(rng, 0.004, 0.03))
    if chance(rng, 0.5):
        # Chatter: fine level lines from the rolls, stronger here and there.
        strength = np.clip(0.5 + 0.7 * smooth_curve(rng, size_hw[1], 7), 0, 2) * log_uniform(rng, 0.008, 0.05)
        grain += noise.field("streak", rng, size_hw, 1.0) * strength.astype(np.float32)[None, :]
    grey *= 1 + grain
    if chance(rng, 0.7):
        # Half as many points each way: these patterns are coarse.
        coarse_hw = max(4, size_hw[0] // 2), max(4, size_hw[1] // 2)
        coarse = noise.field("cloud", rng, coarse_hw, rng.uniform(0.4, 1.2), rng.uniform(1, 3))
        grey *= 1 + _enlarged(coarse, size_hw) * np.float32(rng.uniform(0.02, 0.1))
    strip = Strip(np.maximum(grey, np.float32(0.1)) * np.float32(base), np.ones(size_hw, np.bool_), {})
    strip.notes["base"] = round(base, 3)
    if chance(rng, ZONE_SHARE):
        _zone(rng, strip)
    return strip


def _grain(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Grain of deviation about 1, wider than high, with more bright points than dark ones.

    Its correlation to the next pixel is .6 along the rows and .4 along the columns, as on real strips.
    """
    white = noise.field("white", rng, size_hw)
    white[:, 1:] += white[:, :-1] * np.float32(0.6)
    grain = noise.field("soft", rng, size_hw) * np.float32(0.62) + white * np.float32(0.57)
    sparkle = np.float32(rng.uniform(0.0, 0.35))
    out: Float32Array = grain + np.maximum(grain - 1, 0) ** 2 * sparkle
    return out


def _light(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Relative brightness around 1: the lamp stands below, broad upright bands lie side by side."""
    h, w = size_hw
    across = smooth_curve(rng, w, int(rng.integers(3, 9))) * np.float32(rng.uniform(0.04, 0.2))
    bands = smooth_curve(rng, w, int(rng.integers(15, 60))) * np.float32(rng.uniform(0.0, 0.05))
    fall = np.linspace(-1, 1, h, dtype=np.float32)
    down = fall * np.float32(rng.uniform(0.1, 0.42)) - (fall**2 - 0.33) * np.float32(rng.uniform(-0.1, 0.15))
    out: Float32Array = np.maximum(1 + across + bands, np.float32(0.3))[None, :] * (1 + down)[:, None]
    return out


def _enlarged(values: Float32Array, size_hw: tuple[int, int]) -> Float32Array:
    picture = Image.fromarray(values).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32)


def _wavy_column(rng: np.random.Generator, strip: Strip, x_px: float, wave_px: float) -> Float32Array:
    """Column of an upright border in each row (H float32); it wanders by about ``wave_px``."""
    h = strip.size_hw[0]
    wave = smooth_curve(rng, h, 6) * wave_px * strip.unit_px
    fine = smooth_curve(rng, h, max(8, h // 10)) * 0.15 * wave_px * strip.unit_px
    lean = np.linspace(-1, 1, h) * rng.normal(0, wave_px) * strip.unit_px
    return (x_px + wave + fine + lean).astype(np.float32)


def _zone(rng: np.random.Generator, strip: Strip) -> None:
    """Beyond an upright border the metal is brighter or darker: another finish, or a film of water or oil."""
    w = strip.size_hw[1]
    columns = np.arange(w)[None, :]
    start = rng.uniform(0.05, 0.9) * w
    end = start + log_uniform(rng, 0.05, 0.8) * w
    wave = rng.uniform(0.8, 4)
    inside = columns > _wavy_column(rng, strip, start, wave)[:, None]
    inside &= columns < _wavy_column(rng, strip, end, wave)[:, None]
    factor = log_uniform(rng, 1.12, 1.9) ** float(rng.choice([-1.0, 1.0]))
    strip.grey[inside] *= np.float32(factor)
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
    edge = _wavy_column(rng, strip, black, rng.uniform(0.1, 0.8))
    distance = np.arange(w, dtype=np.float32)[None, :] - edge[:, None]
    near = np.maximum(distance, 0) / np.float32(strip.unit_px)
    # Bands along the edge, as the strip is trimmed and rubbed there; the first pixels lie in shade.
    rim = np.exp(-near / np.float32(log_uniform(rng, 4, 60))) * np.float32(rng.uniform(-0.35, 0.9))
    middle, width = rng.uniform(10, 110), rng.uniform(4, 18)
    rim += np.exp(-(((near - np.float32(middle)) / np.float32(width)) ** 2)) * np.float32(
        rng.uniform(-0.35, 0.2)
    )
    tone = (1 + rim) * np.clip(near / 2 + 0.3, 0, 1)
    metal = distance > 0
    if not left:
        tone, metal = tone[:, ::-1], metal[:, ::-1]
    strip.grey *= tone
    strip.metal[...] = metal
    strip.grey[~metal] = np.float32(rng.uniform(0.0, 0.015))
    strip.notes["border_px"] = round(black)
    strip.notes["border_side"] = "left" if left else "right"
