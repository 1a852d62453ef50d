"""Fillings: the right side of the ground's brightness, nothing outside the band."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.cracks import CrackOptions, draw_cracks
from flawscope.data.synthetic.fill import FILLS, FillStyle, paint_crack, prepare
from flawscope.data.synthetic.strokes import Stroke, stroke_band
from flawscope.data.synthetic.surround import SURROUNDS


def painted(
    fill: str, width: float = 6.0, contrast: float = 1.0, seed: int = 0, ground: float = 0.2
) -> tuple[Canvas, np.ndarray]:
    canvas = Canvas(np.full((64, 64, 3), ground, np.float32), np.zeros((64, 64), np.float32), "asphalt")
    band = stroke_band([Stroke(np.array([[-9.0, 32.0], [80.0, 32.0]]), np.full(2, width))], (64, 64), 4.0)
    style = FillStyle(name=fill, contrast=contrast, relief=0.0)
    rng = np.random.default_rng(seed)
    paint_crack(rng, prepare(rng, canvas, band, np.ones(len(band.rows), np.float32), style))
    near = np.zeros((64, 64), bool)
    near[band.rows, band.cols] = True
    return canvas, near


@pytest.mark.parametrize("fill", sorted(FILLS))
def test_nothing_changes_outside_the_band(fill: str) -> None:
    canvas, near = painted(fill)
    assert (canvas.rgb[~near] == np.float32(0.2)).all()
    assert not np.allclose(canvas.rgb[near], 0.2)
    assert np.isfinite(canvas.rgb).all()
    assert canvas.rgb.min() >= 0


def test_void_is_dark_and_sand_is_bright() -> None:
    assert painted("void")[0].rgb[32].mean() < 0.06
    assert np.mean([painted("sand", seed=s)[0].rgb[32].mean() for s in range(12)]) > 0.18


def test_dust_is_brighter_than_dark_ground_and_darker_than_pale_ground() -> None:
    for ground, sign in ((0.12, 1), (0.6, -1)):
        steps = []
        for seed in range(12):
            canvas = painted("dust", seed=seed, ground=ground)[0]
            steps.append(sign * float(canvas.rgb[32].mean() - ground))
        assert np.median(steps) > 0.02


def test_contrast_orders_the_darkness() -> None:
    centre = [painted("void", contrast=c)[0].rgb[32].mean() for c in (0.2, 0.6, 1.0)]
    assert centre[0] > centre[1] > centre[2]


def test_hairlines_pale_with_their_width() -> None:
    centre = [painted("hairline", width=w)[0].rgb[32].mean() for w in (0.5, 1.0, 3.0)]
    assert centre[0] > centre[1] > centre[2] - 0.01


@pytest.mark.parametrize("name", sorted(SURROUNDS))
def test_surrounds_change_the_neighbourhood_only(name: str) -> None:
    canvas = Canvas(np.full((96, 96, 3), 0.2, np.float32), np.zeros((96, 96), np.float32), "concrete")
    stroke = Stroke(np.array([[-9.0, 48.0], [40.0, 47.0], [110.0, 48.0]]), np.full(3, 3.0))
    SURROUNDS[name](np.random.default_rng(1), canvas, [stroke])
    assert (canvas.rgb[:20] == np.float32(0.2)).all()
    assert (canvas.rgb[76:] == np.float32(0.2)).all()
    assert np.isfinite(canvas.rgb).all()


@pytest.mark.parametrize("fill", sorted(FILLS))
def test_fill_can_be_chosen(fill: str) -> None:
    labelled = 0
    for seed in range(4):
        canvas = Canvas(np.full((96, 96, 3), 0.2, np.float32), np.zeros((96, 96), np.float32), "concrete")
        mask = np.zeros((96, 96), np.uint8)
        draw_cracks(np.random.default_rng(seed), canvas, mask, CrackOptions(count=1, path="long", fill=fill))
        labelled += int(mask.any())
    assert labelled >= 3
