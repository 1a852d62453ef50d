"""Writing on the surface: numbers, arrows and scrawls in chalk, marker or spray."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array, PointsXY
from flawscope.data.synthetic.distractors.painting import curve, mix, somewhere, worn
from flawscope.data.synthetic.strokes import Stroke, stroke_band

_INKS = np.array(
    [
        [0.75, 0.75, 0.72],
        [0.02, 0.02, 0.02],
        [0.5, 0.05, 0.03],
        [0.04, 0.08, 0.35],
        [0.7, 0.5, 0.08],
        [0.7, 0.12, 0.4],
    ],
    np.float32,
)
_GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "1": [[(0.2, 0.3), (0.5, 0.0), (0.5, 1.0)]],
    "2": [[(0.1, 0.25), (0.3, 0.0), (0.65, 0.05), (0.7, 0.35), (0.1, 1.0), (0.75, 1.0)]],
    "3": [[(0.1, 0.1), (0.5, 0.0), (0.65, 0.25), (0.35, 0.45), (0.7, 0.7), (0.5, 1.0), (0.1, 0.9)]],
    "4": [[(0.55, 1.0), (0.55, 0.0), (0.05, 0.65), (0.75, 0.65)]],
    "5": [[(0.7, 0.0), (0.2, 0.0), (0.15, 0.45), (0.6, 0.45), (0.65, 0.85), (0.1, 1.0)]],
    "7": [[(0.1, 0.0), (0.7, 0.0), (0.3, 1.0)]],
    "8": [
        [(0.4, 0.45), (0.15, 0.2), (0.4, 0.0), (0.65, 0.2), (0.1, 0.8), (0.4, 1.0), (0.7, 0.8), (0.4, 0.45)]
    ],
    "0": [[(0.4, 0.0), (0.1, 0.4), (0.3, 1.0), (0.6, 0.9), (0.7, 0.3), (0.4, 0.0)]],
    "+": [[(0.4, 0.2), (0.4, 0.8)], [(0.1, 0.5), (0.7, 0.5)]],
    "-": [[(0.1, 0.5), (0.7, 0.5)]],
    "x": [[(0.1, 0.2), (0.7, 0.9)], [(0.7, 0.2), (0.1, 0.9)]],
    "^": [[(0.4, 1.0), (0.4, 0.0)], [(0.15, 0.3), (0.4, 0.0), (0.65, 0.3)]],
    "O": [[(0.4, 0.0), (0.05, 0.3), (0.1, 0.8), (0.5, 1.0), (0.8, 0.6), (0.65, 0.1), (0.35, 0.02)]],
}


def handwriting(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A few glyphs by a shaky hand, turned at random."""
    size = rng.uniform(0.05, 0.3) * min(canvas.size_hw)
    turn, slant = rng.uniform(-0.5, 0.5) + rng.choice([0.0, 0.0, np.pi / 2]), rng.normal(0, 0.2)
    frame = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pen = somewhere(rng, canvas)
    strokes = []
    width = float(np.clip(rng.uniform(0.03, 0.12) * size, 1.0, 9.0))
    for i in range(int(rng.integers(1, 5))):
        for piece in _GLYPHS[list(_GLYPHS)[int(rng.integers(0, len(_GLYPHS)))]]:
            points = _rounded(np.array(piece) + rng.normal(0, 0.05, (len(piece), 2)))
            points = (points @ np.array([[1, 0], [slant, 1]]) + np.array([0.9 * i, 0])) * size
            strokes.append(Stroke(points @ frame + pen, np.full(len(points), width)))
    _ink(rng, canvas, strokes)


def scrawl(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Loops and wavy lines: graffiti, a marked area, a circle round a find."""
    length = rng.uniform(0.4, 2.0) * min(canvas.size_hw)
    line = curve(rng, somewhere(rng, canvas), rng.uniform(0, 2 * np.pi), length, rng.choice([0.8, 3.0, 6.0]))
    width = float(rng.lognormal(1.0, 0.5))
    _ink(rng, canvas, [Stroke(line, np.full(len(line), width))])


def print_text(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """Stencilled letters in a plain typeface."""
    size = int(rng.uniform(0.06, 0.25) * min(canvas.size_hw)) + 8
    text = "".join(rng.choice(list("ABEHKLMNPRSTX0123456789-."), int(rng.integers(2, 7))))
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(picture).text((4 - left, 4 - top), text, fill=255, font=font)
    picture = picture.rotate(float(rng.uniform(-20, 20)), Image.Resampling.BILINEAR, expand=True)
    _stamp(rng, canvas, np.asarray(picture, np.float32) / np.float32(255))


def _rounded(points: PointsXY) -> PointsXY:
    """Corners cut twice (Chaikin), ends kept."""
    for _ in range(2):
        inner = np.concatenate(
            [0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], axis=1
        )
        points = np.concatenate([points[:1], inner.reshape(-1, 2), points[-1:]])
    return points


def _ink(rng: np.random.Generator, canvas: Canvas, strokes: list[Stroke]) -> None:
    band = stroke_band(strokes, canvas.size_hw, 3.0)
    ink = _INKS[rng.integers(0, len(_INKS))] * np.float32(rng.uniform(0.7, 1.0))
    wear = rng.choice([0.1, 0.45, 0.6])
    cover = band.coverage(rng.uniform(1.2, 3.5))
    mix(canvas, band, cover * worn(rng, band, wear) * rng.uniform(0.5, 1.0), ink)


def _stamp(rng: np.random.Generator, canvas: Canvas, cover: Float32Array) -> None:
    height, width = canvas.size_hw
    high, wide = min(cover.shape[0], height), min(cover.shape[1], width)
    top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    ground = canvas.rgb[top : top + high, left : left + wide]
    ink = _INKS[rng.integers(0, len(_INKS))]
    ground += (cover[:high, :wide] * np.float32(rng.uniform(0.3, 0.95)))[..., None] * (ink - ground)
