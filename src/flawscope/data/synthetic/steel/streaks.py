"""Painters of scratches and streaks: bundles of lines, dark streaks, abrasion, torn shine, rough skin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform, smoothstep
from flawscope.data.synthetic.steel.regions import (
    BoolArray,
    Place,
    band,
    body,
    envelope,
    outline,
    sheared,
    smooth_curve,
    stamp,
)
from flawscope.data.synthetic.steel.strip import Strip, apply_tone, upright

Style = Callable[[np.random.Generator, tuple[int, int], float], Float32Array]
"""(rng, (h, w), unit in px) -> relative change of brightness, h x w."""

_MOST_STREAKS = 120


def streaks_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    """An upright box, through the whole strip when it is large; sometimes a patch that lies across."""
    h = strip.size_hw[0]
    if area_px > 0.25 * h * h or chance(rng, 0.35):
        # Through the whole strip: as wide as its area asks for.
        length = h * rng.uniform(0.75, 1.1)
        return band(rng, length, max(area_px / length, 6 * strip.unit_px))
    aspect = log_uniform(rng, 2.0, 12.0) if chance(rng, 0.75) else log_uniform(rng, 0.2, 1.2)
    return outline(rng, area_px, aspect, int(rng.integers(5, 12)), 0.12)


def paint_streaks(rng: np.random.Generator, strip: Strip, at: Place) -> BoolArray:
    """One of five looks."""
    h, w = at.shape.shape
    tall = h > 0.6 * strip.size_hw[0]
    odds = _TALL if tall else _SHORT
    unfit = "bundle" if w > 40 * strip.unit_px else "torn-shine" if w < 30 * strip.unit_px else ""
    odds = {name: odd for name, odd in odds.items() if name != unfit}
    names = list(odds)
    shares = np.array([odds[name] for name in names])
    name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    # Streaks of one strip have one cause, and mostly one look.
    name = strip.notes["streaks"] if strip.notes.get("streaks") in odds and chance(rng, 0.8) else name
    strip.notes.setdefault("streaks", name)
    tone = STYLES[name](rng, (h, w), max(strip.unit_px, 0.4)) * envelope(rng, (h, w), 0.35)
    if name not in ("torn-shine", "rough-skin"):
        tone *= _ends(rng, (h, w), at.y > 0, at.y + h < strip.size_hw[0])
    return apply_tone(strip, at, tone * body(rng, at.shape, 0.25 if tall else 0.6))


def _ends(rng: np.random.Generator, size_hw: tuple[int, int], upper: bool, lower: bool) -> Float32Array:
    """1 inside, falling to 0 at the ends asked for: each line ends at a row of its own (h x w)."""
    h, w = size_hw
    rows = np.arange(h, dtype=np.float32)[:, None]
    out = np.ones(size_hw, np.float32)
    for wanted, distance in ((upper, rows), (lower, h - 1 - rows)):
        if wanted:
            reach = np.repeat(rng.beta(1, 2.5, w // 3 + 1), 3)[:w] * 0.3 * h
            fade = np.repeat(rng.uniform(0.02, 0.15, w // 3 + 1), 3)[:w] * h + 2
            out *= np.clip((distance - reach[None, :]) / fade[None, :], 0, 1).astype(np.float32)
    return out


def _bundle(rng: np.random.Generator, size_hw: tuple[int, int], unit: float) -> Float32Array:
    """Some parallel lines from end to end, bright as polished ones are, the strongest in the middle."""
    h, w = size_hw
    columns = np.arange(w, dtype=np.float32)
    tone = np.zeros(size_hw, np.float32)
    sign = 1.0 if chance(rng, 0.7) else -0.45
    strength = log_uniform(rng, 0.3, 1.3) * sign
    spread = max(w / 5, 1.5)
    for _ in range(int(rng.integers(3, 9))):
        x = float(np.clip(w / 2 + rng.normal(0, spread), 0, w - 1))
        profile = np.exp(-(((columns - np.float32(x)) / np.float32(rng.uniform(0.6, 1.8) * unit)) ** 2))
        alive = np.clip(0.6 + 0.35 * smooth_curve(rng, h, max(4, h // 25)), 0, 1.2)
        tone += profile[None, :] * (alive * np.float32(strength * rng.uniform(0.3, 1)))[:, None]
    glow = np.exp(-(((columns - w / 2) / np.float32(w / 4)) ** 2)).astype(np.float32)
    streaked: Float32Array = tone + glow[None, :] * np.float32(0.12 * strength)
    return streaked


def _dark_streaks(rng: np.random.Generator, size_hw: tuple[int, int], unit: float) -> Float32Array:
    """Spindles of scale drawn out along the strip, with frayed ends."""
    h, w = size_hw
    tone = np.zeros(size_hw, np.float32)
    count = int(np.clip(h * w / (rng.uniform(250, 900) * unit**2), 2, _MOST_STREAKS))
    knots = rng.uniform(0.1, 0.9, 4) * w
    depth = rng.uniform(0.2, 0.5)
    longest = max(min(0.45 * h, 110 * unit), 6)
    for _ in range(count):
        x = float(np.clip(rng.choice(knots) + rng.normal(0, 0.12) * w, 0, w - 1))
        length = log_uniform(rng, 4, longest)
        width = log_uniform(rng, 0.7, 2.6) * unit
        stamp(tone, (rng.uniform(0, h), x), (length, width), -depth * rng.uniform(0.4, 1))
    frayed = smoothstep(upright(rng, "streak", size_hw, 0.8) + 0.5, -0.6, 0.8)
    return np.maximum(tone, -0.75) * frayed


def _abrasion(rng: np.random.Generator, size_hw: tuple[int, int], unit: float) -> Float32Array:
    """Fine lines side by side, bright or dark, in tufts."""
    fine = upright(rng, "fibre", size_hw, log_uniform(rng, 0.6, 1.6) * unit)
    broken = upright(rng, "streak", size_hw, rng.uniform(0.7, 1.6) * unit)
    pattern = fine * np.float32(0.8) + broken * np.float32(rng.uniform(0.4, 1.2))
    tufts = smooth_curve(rng, size_hw[1], max(4, size_hw[1] // 30))[None, :]
    tufts = tufts + noise.field("cloud", rng, size_hw, 0.8) * np.float32(0.4)
    # Levels follow the window itself: a narrow one may lie between the streaks of the noise.
    pattern = (pattern - pattern.mean()) / max(float(pattern.std()), 0.2) + tufts * np.float32(0.6)
    start = rng.uniform(-0.2, 0.9)
    lines = smoothstep(pattern, start, start + rng.uniform(0.7, 1.5))
    strength = log_uniform(rng, 0.35, 1.0) if chance(rng, 0.5) else -rng.uniform(0.3, 0.55)
    return lines * np.float32(strength)


def _torn_shine(rng: np.random.Generator, size_hw: tuple[int, int], unit: float) -> Float32Array:
    """Torn metal that throws back the lamp: white hatching with dark gaps."""
    slope = rng.normal(0, 0.35)
    hatch = sheared(rng, "streak", size_hw, rng.uniform(0.9, 2.2) * unit, slope)
    clumps = noise.field("blob", rng, size_hw, 3 * unit)
    pattern = hatch + clumps * np.float32(0.6)
    start = rng.uniform(0.2, 0.8)
    white = smoothstep(pattern, start, start + 0.35) * np.float32(rng.uniform(1.2, 4))
    return white - smoothstep(-pattern, 0.3, 1.5) * np.float32(0.35)


def _rough_skin(rng: np.random.Generator, size_hw: tuple[int, int], unit: float) -> Float32Array:
    """Small bumps, each with a bright and a dark side, in clusters."""
    bumps = noise.field("blob", rng, size_hw, rng.uniform(0.5, 1.3) * unit)
    clusters = smoothstep(noise.field("cloud", rng, size_hw, 0.7) + 0.3, -0.6, 0.9)
    stretch = upright(rng, "streak", size_hw, unit)
    lit = np.zeros(size_hw, np.float32)
    lit[1:] = bumps[1:] - bumps[:-1]
    tone = lit * np.float32(rng.uniform(0.25, 0.6)) + stretch * np.float32(rng.uniform(0, 0.12))
    return (tone - np.float32(rng.uniform(-0.1, 0.2))) * clusters


STYLES: dict[str, Style] = {
    "bundle": _bundle,
    "dark-streaks": _dark_streaks,
    "abrasion": _abrasion,
    "torn-shine": _torn_shine,
    "rough-skin": _rough_skin,
}
_TALL = {"bundle": 0.4, "dark-streaks": 0.3, "abrasion": 0.35, "rough-skin": 0.08}
_SHORT = {"dark-streaks": 0.35, "abrasion": 0.25, "torn-shine": 0.12, "rough-skin": 0.2}
