"""What a strip carries without being defective: specks, scale, oil, water, dull and bright bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.noise import chance, log_uniform, smoothstep
from flawscope.data.synthetic.steel.regions import (
    BoolArray,
    Place,
    band,
    body,
    envelope,
    outline,
    place,
    smooth_curve,
)
from flawscope.data.synthetic.steel.strip import Strip, upright

Painter = Callable[[np.random.Generator, Strip], None]


def specks(rng: np.random.Generator, strip: Strip) -> None:
    """Dust: single bright or dark points."""
    h, w = strip.size_hw
    count = int(rng.integers(10, 160))
    y, x = rng.integers(0, h, count), rng.integers(0, w, count)
    size = rng.random(count) < 0.3
    tone = np.where(rng.random(count) < 0.6, rng.uniform(1.3, 2.5, count), rng.uniform(0.3, 0.8, count))
    for dy, dx, some in ((0, 0, np.ones(count, np.bool_)), (1, 0, size), (0, 1, size), (1, 1, size)):
        rows, columns = np.minimum(y + dy, h - 1)[some], np.minimum(x + dx, w - 1)[some]
        strip.grey[rows, columns] *= tone[some].astype(np.float32)


def patina(rng: np.random.Generator, strip: Strip) -> None:
    """Flakes of thin scale in two tones, drawn out by rolling, dense in some belts and absent elsewhere."""
    h, w = strip.size_hw
    unit = max(strip.unit_px, 0.5)
    pattern = upright(rng, "streak", (h, w), rng.uniform(0.9, 2.4) * unit)
    pattern += noise.field("soft", rng, (h, w)) * np.float32(rng.uniform(0.15, 0.4))
    belts = smooth_curve(rng, w, int(rng.integers(5, 14))) * np.float32(0.8)
    pattern += belts[None, :] + smooth_curve(rng, h, 4)[:, None] * np.float32(0.3)
    start = rng.uniform(0.9, 2.0)
    flakes = smoothstep(pattern, start, start + rng.uniform(0.4, 1.4))
    # Some flakes are thicker than others.
    flakes *= np.clip(1 + noise.field("cloud", rng, (h, w), 0.6) * np.float32(0.45), 0.1, 1.8)
    tone = rng.uniform(0.05, 0.18) if chance(rng, 0.5) else -rng.uniform(0.06, 0.2)
    strip.grey *= 1 + flakes * np.float32(tone)


def faint_lines(rng: np.random.Generator, strip: Strip) -> None:
    """Upright lines from one end to the other, too faint to be traces."""
    h, w = strip.size_hw
    count = int(rng.integers(2, 14))
    centre = rng.uniform(0, w)
    for x in np.clip(rng.normal(centre, rng.uniform(20, 500) * strip.unit_px, count), 2, w - 3):
        part = slice(int(x) - 2, int(x) + 3)
        profile = np.exp(-(((np.arange(part.start, part.stop) - x) / rng.uniform(0.5, 1.2)) ** 2))
        alive = np.clip(smooth_curve(rng, h, 6), 0, 1.5) * rng.uniform(-0.14, 0.14)
        strip.grey[:, part] *= 1 + (alive[:, None] * profile[None, :]).astype(np.float32)


def stains(rng: np.random.Generator, strip: Strip) -> None:
    """Oil and dirt: soft dark stains, ragged along the strip."""
    for _ in range(int(rng.integers(1, 5))):
        area_px = log_uniform(rng, 150, 6000) * strip.unit_px**2
        shape = outline(rng, area_px, log_uniform(rng, 0.6, 4), 9, 0.25)
        at = _anywhere(rng, strip, shape)
        if at is None:
            continue
        drawn_out = upright(rng, "streak", (at.shape.shape[0], at.shape.shape[1]), 1.2)
        stain = body(rng, at.shape, 1.0) * smoothstep(drawn_out, -1.6, 0.3)
        stain *= envelope(rng, (at.shape.shape[0], at.shape.shape[1]), 0.1)
        strip.grey[at.slices] *= 1 - stain * np.float32(rng.uniform(0.08, 0.32))


def _anywhere(rng: np.random.Generator, strip: Strip, shape: BoolArray) -> Place | None:
    h, w = strip.size_hw
    return place(shape, (rng.uniform(0, h), rng.uniform(0, w)), strip.metal)


def drops(rng: np.random.Generator, strip: Strip) -> None:
    """Dried drops of water: pale discs with a sharp rim."""
    h, w = strip.size_hw
    for _ in range(int(rng.integers(1, 7))):
        radius = rng.uniform(4, 26) * strip.unit_px
        side = int(radius * 1.3) + 2
        y, x = np.mgrid[-side : side + 1, -side : side + 1].astype(np.float32)
        distance = np.hypot(y * np.float32(rng.uniform(0.7, 1.0)), x)
        inside = 1 - smoothstep(distance, radius - 1.5, radius + 0.5)
        rim = np.exp(-(((distance - radius) / 1.3) ** 2))
        found = place(np.ones(distance.shape, np.bool_), (rng.uniform(0, h), rng.uniform(0, w)), strip.metal)
        if found is None or found.shape.shape != distance.shape:
            continue
        tone = inside * np.float32(rng.uniform(-0.1, 0.25)) + rim * np.float32(rng.uniform(-0.25, 0.25))
        strip.grey[found.slices] *= (1 + tone).astype(np.float32)


def pale_band(rng: np.random.Generator, strip: Strip) -> None:
    """A broad upright band, duller or brighter than the rest: light, not a trace."""
    h, w = strip.size_hw
    found = place(band(rng, h, rng.uniform(8, 60) * strip.unit_px), (h / 2, rng.uniform(0, w)), strip.metal)
    if found is not None:
        soft = noise.blur(found.shape.astype(np.float32), 3)
        strip.grey[found.slices] *= 1 + soft * np.float32(rng.uniform(-0.08, 0.1))


def rub_marks(rng: np.random.Generator, strip: Strip) -> None:
    """Short level strokes from handling: shallow, a few px long, all with about one tilt."""
    h, w = strip.size_hw
    tilt, centre, spread = rng.normal(0, 0.1), rng.uniform(0, w), rng.uniform(20, 300) * strip.unit_px
    for _ in range(int(rng.integers(2, 25))):
        length, y = int(log_uniform(rng, 5, 45) * strip.unit_px) + 2, int(rng.integers(h))
        x = int(np.clip(rng.normal(centre, spread), 0, w - 1))
        columns = np.arange(x, min(w, x + length))
        rows = np.clip(y + np.round((columns - x) * (tilt + rng.normal(0, 0.03))), 0, h - 1).astype(np.int64)
        strip.grey[rows, columns] *= np.float32(rng.uniform(1.03, 1.35))


MARKS: dict[str, tuple[float, Painter]] = {
    "patina": (0.35, patina),
    "stains": (0.3, stains),
    "pale-band": (0.3, pale_band),
    "faint-lines": (0.4, faint_lines),
    "drops": (0.08, drops),
    "rub-marks": (0.25, rub_marks),
    "specks": (0.7, specks),
}
"""Name -> probability in a strip, and its painter."""


def draw_marks(rng: np.random.Generator, strip: Strip) -> list[str]:
    """Paint harmless marks; returns the names of what was painted."""
    drawn = []
    for name, (probability, painter) in MARKS.items():
        if chance(rng, probability):
            painter(rng, strip)
            drawn.append(name)
    return drawn
