"""What else hangs on a wall: grooved bricks, louvres and cladding, windows, doors and vents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import (
    band_of,
    beside,
    clear_spot,
    darken,
    mix,
    polygon,
    tint,
)
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.strokes import Stroke, stroke_band


def grooves(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Bricks with a profile: the same soft dark line, often with a light one beside it, in every course."""
    beds = [line for line in canvas.joints if np.ptp(line[:, 0]) > np.ptp(line[:, 1])]
    course = float(canvas.notes.get("course_px", 6 * canvas.joint_width_px))
    if not beds or course <= 0:
        return
    width = float(max(1.0, course * rng.uniform(0.02, 0.14)))
    for share in rng.uniform(0.2, 0.8, int(rng.integers(1, 3))):
        strokes = []
        for bed in beds:
            line = beside(bed, share * course, 30.0)
            strokes.append(Stroke(line, np.full(len(line), width)))
        band = stroke_band(strokes, canvas.size_hw, width + 2)
        wobble = rng.uniform(0, 0.4) * width * pixel_noise(rng, band.rows, band.cols, 10.0)
        distance = np.maximum(band.distance_px + wobble, 0).astype(np.float32)
        dark = band.coverage(rng.uniform(1.0, 1 + 0.6 * width), distance)
        lit = np.exp(-np.maximum(band.signed_px, 0) / (0.5 * width)) * (band.side > 0) * (1 - dark)
        darken(canvas, band, (1 - rng.uniform(0.2, 0.85) * dark) * (1 + rng.uniform(0, 0.4) * lit))


def louvres(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Shutters, cladding, a roller blind at one side: even slats with a dark line below each."""
    height, width = canvas.size_hw
    upright = rng.random() < 0.7
    extent, across = (height, width) if upright else (width, height)
    pitch = float(rng.uniform(0.03, 0.16) * max(height, width))
    low = float(rng.choice([0.0, rng.uniform(0.45, 0.85)]))
    high = float(rng.uniform(0.15, 0.5)) if low == 0 else 1.1
    yy, xx = np.mgrid[0:extent, 0:across].astype(np.float32)
    place = yy + np.float32(rng.normal(0, 0.03)) * xx + np.float32(rng.uniform(0, pitch))
    place /= np.float32(pitch)
    phase = place - np.floor(place)
    gap = np.float32(rng.uniform(0.05, 0.25))
    tone = 1 - np.float32(rng.uniform(0.0, 0.35)) * phase
    tone *= 1 - np.float32(rng.uniform(0.4, 0.92)) * np.clip((gap - phase) * np.float32(pitch), 0, 1)
    cover = np.clip((yy - np.float32(low * extent)) + 0.5, 0, 1) * np.clip(
        np.float32(high * extent) - yy + np.float32(0.5), 0, 1
    )
    if not upright:
        tone, cover = tone.T, cover.T
    if any(_covered(crack, cover) for crack in cracks):
        return
    slats = tint(rng, 0.08, 0.75)[None, None, :] * tone[..., None]
    canvas.rgb += cover[..., None] * (slats - canvas.rgb)
    canvas.height *= 1 - cover


def opening(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A window, door or vent: a dark or pale upright rectangle, framed, with a shadow along one side."""
    height, width = canvas.size_hw
    half = rng.uniform(0.06, 0.35, 2) * (width, height)
    centre = clear_spot(rng, canvas, cracks, float(np.hypot(*half)) + 4)
    if centre is None:
        return
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * half
    turn = rng.normal(0, 0.02)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + centre
    polygon(canvas, corners[:-1], tint(rng, 0.005, 0.12) if rng.random() < 0.7 else tint(rng, 0.2, 0.7))
    frame = band_of(canvas, corners, float(rng.uniform(1, 0.04 * max(height, width) + 1)), 2.0)
    mix(canvas, frame, frame.coverage(1.3), tint(rng, 0.02, 0.8))
    edge = int(rng.integers(0, 4))
    shadow = band_of(canvas, corners[edge : edge + 2], float(rng.uniform(1, 6)), 2.0)
    darken(canvas, shadow, 1 - rng.uniform(0.2, 0.85) * shadow.coverage(1.5))


def _covered(crack: CrackTruth, cover: np.ndarray) -> bool:
    """Whether any point of the crack lies where ``cover`` (H x W) is more than a trace."""
    height, width = cover.shape
    cols, rows = np.rint(crack.points_xy_px).astype(np.intp).T
    inside = (rows >= 0) & (cols >= 0) & (rows < height) & (cols < width)
    return bool((cover[rows[inside], cols[inside]] > 0.05).any())
