"""The four kinds of defect of the steel papers, painted with their exact outlines.

Each painter fills a region that was fixed before, so that the mask is true to the pixel: it is where the
surface differs, with the sound metal between the pits or streaks of one group, as annotators outline them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Float32Array, MaskArray
from flawscope.data.synthetic.noise import chance, log_uniform, smoothstep
from flawscope.data.synthetic.steel.regions import BoolArray, Place, band, blob, place, smooth_curve
from flawscope.data.synthetic.steel.strip import Strip, upright

_TRIES = 40
_SOFT_PX = 2.0


@dataclass(frozen=True, slots=True)
class DefectKind:
    """How large a kind is, into how many pieces it falls, and how a piece looks."""

    name: str
    area_log: tuple[float, float]
    """Mean and deviation of the natural logarithm of the area an image, in percent of the picture; as the
    published areas of the competition's images with this class alone."""
    area_most: float
    """Largest area in percent."""
    pieces_mean: float
    outline: Callable[[np.random.Generator, Strip, float], BoolArray]
    """(rng, strip, area_px) -> window of one piece."""
    paint: Callable[[np.random.Generator, Strip, Place, Float32Array], None]
    """(rng, strip, place, weight): ``weight`` is h x w, 1 inside, falling to 0 within 2 px of the outline."""


def _pits_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    return blob(rng, area_px, log_uniform(rng, 0.6, 3.0), 0.45)


def _paint_pits(rng: np.random.Generator, strip: Strip, at: Place, weight: Float32Array) -> None:
    """Small pits: a dark side and a bright one, on a slightly rough ground."""
    size_hw = weight.shape[0], weight.shape[1]
    scale = rng.uniform(0.8, 1.6) * max(strip.unit_px, 0.5)
    pattern = noise.field("blob", rng, size_hw, scale) + noise.field("cloud", rng, size_hw) * np.float32(0.4)
    start = rng.uniform(0.5, 1.3)
    pits = smoothstep(pattern, start, start + 0.9) * weight
    lit = np.roll(pits, (int(rng.integers(-1, 2)), 1 + round(scale)), axis=(0, 1)) * weight
    depth, shine = rng.uniform(0.4, 0.85), rng.uniform(0.3, 1.6)
    if chance(rng, 0.2):
        depth, shine = -shine, -depth * 0.5
    strip.grey[at.slices] *= np.maximum(1 - np.float32(depth) * pits + np.float32(shine) * lit, 0.05)
    rough = noise.field("soft", rng, size_hw) * np.float32(rng.uniform(0.03, 0.12))
    strip.grey[at.slices] *= np.maximum(1 + rough * weight, 0.05)


def _trace_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    width = rng.uniform(7, 22) * strip.unit_px
    length = min(area_px / width, 1.2 * strip.size_hw[0])
    return band(rng, max(length, 3 * width), width, 0.02)


def _paint_trace(rng: np.random.Generator, strip: Strip, at: Place, weight: Float32Array) -> None:
    """One or two thin lines along the band, broken here and there."""
    h, w = weight.shape
    rows = np.arange(h)
    counts = np.maximum(at.shape.sum(axis=1), 1)
    middle = (at.shape * np.arange(w)[None, :]).sum(axis=1) / counts
    middle = np.interp(rows, rows[at.shape.any(axis=1)], middle[at.shape.any(axis=1)])
    alive = np.clip(0.75 + 0.3 * smooth_curve(rng, h, 9), 0.15, 1)
    # Seen as a dark score, or as a bright one that throws back the light.
    tone = -rng.uniform(0.45, 0.8) if chance(rng, 0.6) else rng.uniform(0.6, 1.6)
    for offset in [0.0] if chance(rng, 0.7) else [-2.5 * strip.unit_px, 2.5 * strip.unit_px]:
        wobble = smooth_curve(rng, h, 12) * 0.6 * strip.unit_px
        distance = np.arange(w)[None, :] - (middle + offset + wobble)[:, None]
        line = np.exp(-((distance / (rng.uniform(1.0, 2.4) * max(strip.unit_px, 0.5))) ** 2)).astype(
            np.float32
        )
        strip.grey[at.slices] *= np.maximum(1 + np.float32(tone) * line * alive[:, None] * weight, 0.05)
    fringe = upright(rng, "fibre", (h, w), 0.6) * np.float32(rng.uniform(0.02, 0.12))
    strip.grey[at.slices] *= 1 + fringe * weight


def _streaks_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    h = strip.size_hw[0]
    if area_px > 0.25 * h * h or chance(rng, 0.4):
        # Through the whole strip: as wide as its area asks for.
        length = h * rng.uniform(0.8, 1.1)
        return band(rng, length, max(area_px / length, 5 * strip.unit_px), 0.03)
    aspect = log_uniform(rng, 2.0, 14.0) if chance(rng, 0.85) else log_uniform(rng, 0.15, 0.8)
    return blob(rng, area_px, aspect, 0.3)


def _paint_streaks(rng: np.random.Generator, strip: Strip, at: Place, weight: Float32Array) -> None:
    """Scratches and streaks along the rolling direction, bright or dark, from sparse to dense."""
    size_hw = weight.shape[0], weight.shape[1]
    fine = upright(rng, "fibre", size_hw, log_uniform(rng, 0.7, 2.2) * max(strip.unit_px, 0.5))
    broken = upright(rng, "streak", size_hw, rng.uniform(0.8, 2.0))
    pattern = fine + broken * np.float32(rng.uniform(0.2, 1.2))
    # Levels follow the window itself: a narrow one may lie between the streaks of the noise.
    middle, spread = float(pattern.mean()), max(float(pattern.std()), 0.2)
    start = middle + spread * rng.uniform(-0.4, 0.9)
    lines = smoothstep(pattern, start, start + spread * rng.uniform(0.6, 1.4)) * weight
    if chance(rng, 0.55):
        strip.grey[at.slices] *= 1 + lines * np.float32(log_uniform(rng, 0.35, 1.5))
    else:
        strip.grey[at.slices] *= 1 - lines * np.float32(rng.uniform(0.3, 0.7))
    if chance(rng, 0.5):
        rough = noise.field("blob", rng, size_hw) * np.float32(rng.uniform(0.05, 0.2))
        strip.grey[at.slices] *= np.maximum(1 + rough * weight, 0.05)
    if chance(rng, 0.3):
        strip.grey[at.slices] *= 1 + weight * np.float32(rng.uniform(-0.2, 0.25))


def _scab_outline(rng: np.random.Generator, strip: Strip, area_px: float) -> BoolArray:
    return blob(rng, area_px, log_uniform(rng, 0.5, 1.8), rng.uniform(0.3, 0.7))


def _paint_scab(rng: np.random.Generator, strip: Strip, at: Place, weight: Float32Array) -> None:
    """A raised, folded patch: strong relief lit from the side, dark folds, a rough skin."""
    size_hw = weight.shape[0], weight.shape[1]
    coarse = log_uniform(rng, 1.2, 4.0) * max(strip.unit_px, 0.4)
    bumps = noise.field("cloud", rng, size_hw, coarse, rng.uniform(0.5, 1.0))
    bumps = (bumps - bumps.mean()) / max(float(bumps.std()), 0.2)
    folds = -np.abs(bumps) if chance(rng, 0.7) else bumps
    relief = folds * np.float32(rng.uniform(7, 16) * max(strip.unit_px, 0.4))
    relief += noise.field("pink", rng, size_hw) * np.float32(rng.uniform(0.1, 0.6))
    relief *= weight
    slope = np.zeros(size_hw, np.float32)
    slope[:, 1:] = relief[:, 1:] - relief[:, :-1]
    slope[1:] += (relief[1:] - relief[:-1]) * np.float32(rng.uniform(-0.8, 0.8))
    shade = np.clip(slope * np.float32(rng.uniform(0.35, 0.8)), -0.8, 1.8)
    crease = smoothstep(folds, -0.25, 0.0) * np.float32(rng.uniform(0.1, 0.5))
    skin = noise.field("soft", rng, size_hw) * np.float32(rng.uniform(0.05, 0.15))
    tone = np.float32(rng.uniform(-0.35, 0.15))
    strip.grey[at.slices] *= np.maximum(1 + (shade - crease + skin + tone) * weight, 0.05)


DEFECTS: dict[int, DefectKind] = {
    1: DefectKind("pitted", (-0.24, 0.81), 8, 3.5, _pits_outline, _paint_pits),
    2: DefectKind("trace", (-0.35, 0.59), 4, 1.6, _trace_outline, _paint_trace),
    3: DefectKind("scratches", (1.13, 1.22), 70, 3.0, _streaks_outline, _paint_streaks),
    4: DefectKind("patch", (1.77, 0.93), 48, 2.5, _scab_outline, _paint_scab),
}
"""Class id -> kind."""


def draw_defect(rng: np.random.Generator, strip: Strip, mask: MaskArray, class_id: int) -> None:
    """Paint one class into the strip and into ``mask`` (H x W uint8), clear of what is there already.

    At least one piece is painted wherever there is free metal.
    """
    kind = DEFECTS[class_id]
    percent = min(math.exp(rng.normal(*kind.area_log)), kind.area_most)
    wanted_px = percent / 100 * mask.size
    pieces = 1 + int(rng.poisson(kind.pieces_mean - 1))
    shares = rng.dirichlet(np.full(pieces, 2.0))
    for share in shares:
        _draw_piece(rng, strip, mask, class_id, max(share * wanted_px, 60 * strip.unit_px**2))
    if not (mask == class_id).any():
        _draw_piece(rng, strip, mask, class_id, 60 * strip.unit_px**2)


def _draw_piece(
    rng: np.random.Generator, strip: Strip, mask: MaskArray, class_id: int, area_px: float
) -> None:
    kind = DEFECTS[class_id]
    h = strip.size_hw[0]
    free = strip.metal & (mask == 0)
    columns = np.flatnonzero(free.any(axis=0))
    if not columns.size:
        return
    for _ in range(_TRIES):
        shape = kind.outline(rng, strip, area_px)
        centre = rng.uniform(0, h), float(rng.choice(columns))
        if shape.shape[0] > h:
            centre = h / 2, centre[1]
        at = place(shape, centre, free)
        # A piece that lies mostly outside would be a sliver at the border.
        if at is not None and at.shape.sum() > 0.5 * min(area_px, shape.sum()):
            kind.paint(rng, strip, at, _weight(at.shape))
            mask[at.slices][at.shape] = class_id
            return


def _weight(shape: BoolArray) -> Float32Array:
    """1 inside, falling to .3 at the outline within ``_SOFT_PX``: no cut edges in the picture."""
    if min(shape.shape) <= 8:
        return shape.astype(np.float32)
    soft = noise.blur(shape.astype(np.float32), _SOFT_PX)
    return np.where(shape, np.clip(soft * 2 - 1, 0.3, 1), 0).astype(np.float32)
