"""Painters of the two small kinds of defect: pits and thin traces."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.steel.regions import BoolArray, Place, band, body, outline, smooth_curve, stamp
from flawscope.data.synthetic.steel.strip import Strip, apply_tone, upright

_MOST_PITS = 60


def pits_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    """A small box around some pits, mostly upright."""
    return outline(rng, area_px, log_uniform(rng, 0.7, 3.5), int(rng.integers(4, 9)), 0.12)


def paint_pits(rng: np.random.Generator, strip: Strip, at: Place) -> BoolArray:
    """Small pits and prints, often side by side: a dark hollow and the bright flank that faces the light."""
    inside = body(rng, at.shape, 0.3)
    tone = np.zeros(inside.shape, np.float32)
    unit = max(strip.unit_px, 0.4)
    rows, columns = np.nonzero(inside > 0.4)
    area_px = np.count_nonzero(at.shape)
    count = int(np.clip(area_px / (log_uniform(rng, 150, 900) * unit**2), 1, _MOST_PITS))
    depth, shine = rng.uniform(0.35, 0.75), log_uniform(rng, 0.5, 2.5)
    flank = float(rng.choice([-1.0, 1.0]))
    for index in rng.integers(0, max(len(rows), 1), count if len(rows) else 0):
        y, x = float(rows[index]), float(columns[index])
        ry, rx = log_uniform(rng, 0.9, 5.0) * unit, log_uniform(rng, 0.8, 2.8) * unit
        for twin in range(int(rng.choice([1, 1, 1, 2, 2, 3]))):
            left = x + twin * 3.4 * rx
            stamp(tone, (y, left), (ry, rx), -depth * rng.uniform(0.5, 1.1))
            lit = y + rng.normal(0, 0.4) * ry, left + flank * 1.3 * rx
            stamp(tone, lit, (ry * 0.8, max(0.8, rx * 0.6)), shine * rng.uniform(0.2, 1.2))
        if chance(rng, 0.5):
            # The roll draws dirt out of a pit.
            tail = rng.uniform(5, 22) * unit
            stamp(tone, (y + tail * 0.8, x), (tail, rx), -rng.uniform(0.05, 0.2))
    size_hw = inside.shape[0], inside.shape[1]
    tone += noise.field("blob", rng, size_hw, 0.6) * np.float32(rng.uniform(0.03, 0.1))
    tone -= np.float32(rng.uniform(-0.02, 0.12))
    return apply_tone(strip, at, tone * inside)


def trace_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    """A narrow box around the line."""
    width = rng.uniform(9, 22) * strip.unit_px
    length = min(area_px / width, 1.1 * strip.size_hw[0])
    return band(rng, max(length, 3 * width), width)


def paint_trace(rng: np.random.Generator, strip: Strip, at: Place) -> BoolArray:
    """One or two thin upright lines, faint and broken here and there."""
    h, w = at.shape.shape
    rows = np.arange(h)
    used = at.shape.any(axis=1)
    middle = (at.shape * np.arange(w)[None, :]).sum(axis=1) / np.maximum(at.shape.sum(axis=1), 1)
    middle = np.interp(rows, rows[used], middle[used])
    unit = max(strip.unit_px, 0.4)
    # A dark score, or a bright one that throws back the light.
    value = -rng.uniform(0.3, 0.65) if chance(rng, 0.65) else rng.uniform(0.4, 1.2)
    tone = np.zeros((h, w), np.float32)
    for offset in [0.0] if chance(rng, 0.65) else [-2.2 * unit, 2.2 * unit]:
        course = middle + offset + smooth_curve(rng, h, 8) * 0.5 * unit
        distance = np.arange(w)[None, :] - course[:, None]
        line = np.exp(-((distance / (rng.uniform(0.8, 1.8) * unit)) ** 2))
        alive = np.clip(0.65 + 0.35 * smooth_curve(rng, h, max(4, h // 12)), 0.1, 1.2)
        tone += (line * alive[:, None] * value).astype(np.float32)
    beside = np.exp(-(((np.arange(w)[None, :] - middle[:, None]) / (4 * unit)) ** 2)).astype(np.float32)
    tone += upright(rng, "streak", (h, w), 0.7) * beside * np.float32(rng.uniform(0.05, 0.15))
    tone -= beside * np.float32(rng.uniform(0.0, 0.1))
    return apply_tone(strip, at, tone * body(rng, at.shape, 0.0))
