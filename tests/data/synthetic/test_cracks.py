"""The mask is exact, connected and reproducible; the truth keeps its limits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Material
from flawscope.data.synthetic.cracks import CrackOptions, draw_cracks
from flawscope.data.synthetic.paths import PATHS
from flawscope.data.synthetic.strokes import Stroke, rasterised, stroke_band


def ground(size: int = 96, material: Material = "concrete") -> Canvas:
    return Canvas(np.full((size, size, 3), 0.3, np.float32), np.zeros((size, size), np.float32), material)


def brute_force_signed(cracks: tuple[CrackTruth, ...], shape: tuple[int, int]) -> np.ndarray:
    """Distance of every pixel centre to the edge of the nearest crack, segment by segment."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    best = np.full(shape, np.inf)
    for crack in cracks:
        points, width = crack.points_xy_px, crack.width_px
        for (ax, ay), (bx, by), wa, wb in zip(points[:-1], points[1:], width[:-1], width[1:], strict=True):
            lx, ly = bx - ax, by - ay
            t = np.clip(((x - ax) * lx + (y - ay) * ly) / max(lx * lx + ly * ly, 1e-12), 0, 1)
            distance = np.hypot(x - ax - t * lx, y - ay - t * ly)
            best = np.minimum(best, distance - (wa + t * (wb - wa)) / 2)
    return best


@pytest.mark.parametrize("style", [name for name in sorted(PATHS) if name != "stair"])
def test_mask_equals_the_distance_rule(style: str) -> None:
    canvas = ground()
    mask = np.zeros(canvas.size_hw, np.uint8)
    cracks = draw_cracks(
        np.random.default_rng(4), canvas, mask, CrackOptions(count=1, path=style, gaps=False)
    )
    signed = brute_force_signed(cracks, canvas.size_hw)
    chain = np.zeros(canvas.size_hw, bool)
    for crack in cracks:
        chain[rasterised(crack.points_xy_px, canvas.size_hw)] = True
    sure = np.abs(signed) > 1e-3
    np.testing.assert_array_equal((mask > 0)[sure], ((signed <= 0) | chain)[sure])


@pytest.mark.parametrize("seed", range(5))
def test_every_crack_is_connected_in_the_mask(seed: int) -> None:
    canvas = ground()
    mask = np.zeros(canvas.size_hw, np.uint8)
    options = CrackOptions(count=1, path="short", width_px=(0.7, 1.0))
    for crack in draw_cracks(np.random.default_rng(seed), canvas, mask, options):
        alone = np.zeros(canvas.size_hw, bool)
        alone[rasterised(crack.points_xy_px, canvas.size_hw)] = True
        assert mask[alone].all()
        inside = np.all((crack.points_xy_px >= 0) & (crack.points_xy_px < 95.5), axis=1)
        if inside.all():
            assert ndimage.label(alone, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("material", ["asphalt", "concrete", "brick", "plaster", "painted-steel"])
def test_widths_lie_in_the_limits_and_seeds_repeat(material: Material) -> None:
    results = []
    for _ in range(2):
        canvas = ground(128, material)
        mask = np.zeros(canvas.size_hw, np.uint8)
        cracks = draw_cracks(
            np.random.default_rng(9), canvas, mask, CrackOptions(count=2, width_px=(0.9, 7.0))
        )
        assert all(crack.width_px.min() >= 0.9 and crack.width_px.max() <= 7.0 for crack in cracks)
        assert set(np.unique(mask)) <= {0, 1}
        assert np.isfinite(canvas.rgb).all()
        assert canvas.rgb.min() >= 0
        results.append((canvas.rgb.tobytes(), canvas.height.tobytes(), mask.tobytes()))
    assert results[0] == results[1]


def test_the_margin_widens_the_mask_and_not_the_truth() -> None:
    masks, truths = [], []
    for margin in (0.0, 1.0):
        canvas = ground()
        mask = np.zeros(canvas.size_hw, np.uint8)
        options = CrackOptions(count=1, path="long", label_margin_px=margin)
        truths.append(draw_cracks(np.random.default_rng(2), canvas, mask, options))
        masks.append(mask)
    assert masks[1].sum() > masks[0].sum()
    assert (masks[1] >= masks[0]).all()
    assert all(np.array_equal(a.width_px, b.width_px) for a, b in zip(*truths, strict=True))


def test_coverage_of_a_bar_integrates_to_its_width() -> None:
    for width in (0.7, 1.0, 3.3, 10.0):
        bar = Stroke(np.array([[-5.0, 20.3], [60.0, 20.3]]), np.full(2, width))
        band = stroke_band([bar], (40, 50), 3.0)
        picture = np.zeros((40, 50))
        picture[band.rows, band.cols] = band.coverage(1.0)
        assert picture[:, 25].sum() == pytest.approx(width, abs=1e-3)


def test_an_empty_band_is_fine() -> None:
    band = stroke_band([Stroke(np.array([[-90.0, -90.0], [-80.0, -90.0]]), np.ones(2))], (10, 10), 1.0)
    assert len(band.rows) == 0
    assert len(stroke_band([], (10, 10), 1.0).rows) == 0


def test_drawing_is_quick() -> None:
    rng, spent = np.random.default_rng(0), []
    for _ in range(10):
        canvas = ground(512, "asphalt")
        mask = np.zeros(canvas.size_hw, np.uint8)
        start = time.perf_counter()
        draw_cracks(rng, canvas, mask)
        spent.append(time.perf_counter() - start)
    # Loose: a tenth of this on an idle machine.
    assert float(np.median(spent)) < 0.6
