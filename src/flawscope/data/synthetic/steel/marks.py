"""What a strip carries without being defective: specks, scale, oil, water, dull and bright bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.noise import chance, smoothstep
from flawscope.data.synthetic.steel.regions import band, blob, place
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


def scale_flecks(rng: np.random.Generator, strip: Strip) -> None:
    """Dark flecks of scale in an upright belt, drawn out by rolling."""
    h, w = strip.size_hw
    x0, width = int(rng.integers(0, w)), int(rng.uniform(30, 260) * strip.unit_px)
    belt = slice(max(0, x0 - width // 2), min(w, x0 + width // 2 + 4))
    columns = belt.stop - belt.start
    if columns < 4:
        return
    pattern = upright(rng, "streak", (h, columns), rng.uniform(1.0, 2.2) * max(strip.unit_px, 0.5))
    pattern += noise.field("cloud", rng, (h, columns)) * np.float32(0.5)
    fade = np.hanning(columns + 2)[1:-1].astype(np.float32)[None, :]
    flecks = smoothstep(pattern + fade, rng.uniform(1.6, 2.4), 2.9)
    strip.grey[:, belt] *= 1 - flecks * np.float32(rng.uniform(0.15, 0.45))


def oil(rng: np.random.Generator, strip: Strip) -> None:
    """Soft dark stains."""
    h, w = strip.size_hw
    for _ in range(int(rng.integers(1, 4))):
        shape = blob(rng, rng.uniform(200, 4000) * strip.unit_px**2, rng.uniform(0.6, 2.5), 0.25)
        soft = noise.blur(shape.astype(np.float32), 6 * strip.unit_px)
        found = place(np.ones_like(shape), (rng.uniform(0, h), rng.uniform(0, w)), strip.metal)
        if found is None or found.shape.shape != shape.shape:
            continue
        strip.grey[found.slices] *= 1 - np.clip(soft, 0, 1) * np.float32(rng.uniform(0.08, 0.3))


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
    shape = band(rng, h, rng.uniform(8, 60) * strip.unit_px, 0.01)
    found = place(shape, (h / 2, rng.uniform(0, w)), strip.metal)
    if found is not None:
        strip.grey[found.slices] *= 1 + found.shape * np.float32(rng.uniform(-0.1, 0.12))


def rub_marks(rng: np.random.Generator, strip: Strip) -> None:
    """Short level strokes from handling: shallow, a few px long."""
    h, w = strip.size_hw
    for _ in range(int(rng.integers(2, 14))):
        length, y, x = int(rng.uniform(6, 40) * strip.unit_px) + 2, int(rng.integers(h)), int(rng.integers(w))
        columns = np.arange(x, min(w, x + length))
        rows = np.clip(y + np.round((columns - x) * rng.normal(0, 0.15)), 0, h - 1).astype(np.int64)
        strip.grey[rows, columns] *= np.float32(rng.uniform(1.05, 1.5))


MARKS: dict[str, tuple[float, Painter]] = {
    "specks": (0.7, specks),
    "scale-flecks": (0.35, scale_flecks),
    "oil": (0.15, oil),
    "drops": (0.08, drops),
    "pale-band": (0.3, pale_band),
    "rub-marks": (0.2, rub_marks),
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
