"""Distractors paint the canvas and nothing else, alike for alike seeds."""

from __future__ import annotations

import time
from typing import get_args

import numpy as np
import pytest
from scipy import ndimage

from flawscope.data.synthetic import distractors
from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Material
from flawscope.data.synthetic.distractors import DISTRACTORS, draw_distractors, stage_of
from flawscope.data.synthetic.distractors.painting import clear_spot, polygon_cover

SHAPE = (120, 160)


def wall(material: Material = "brick", shape: tuple[int, int] = SHAPE) -> Canvas:
    joints = [np.array([[-5.0, y], [shape[1] + 5.0, y]]) for y in range(20, shape[0], 40)]
    rgb = np.full((*shape, 3), 0.25, np.float32)
    return Canvas(rgb, np.zeros(shape, np.float32), material, joints, 8.0)


def crack() -> CrackTruth:
    return CrackTruth(
        np.column_stack([np.linspace(5, 150, 120), np.linspace(20, 90, 120)]), np.full(120, 3.0)
    )


@pytest.mark.parametrize("name", sorted(DISTRACTORS))
def test_each_changes_the_picture_and_repeats(name: str) -> None:
    changed = False
    for seed in range(6):
        results = []
        for _ in range(2):
            canvas, truth = wall(), crack()
            DISTRACTORS[name](np.random.default_rng(seed), canvas, (truth,))
            assert canvas.rgb.dtype == np.float32
            assert canvas.height.dtype == np.float32
            assert canvas.rgb.shape == (*SHAPE, 3)
            assert np.isfinite(canvas.rgb).all()
            assert np.isfinite(canvas.height).all()
            assert canvas.rgb.min() >= -1e-6
            assert np.array_equal(truth.points_xy_px, crack().points_xy_px)
            results.append(canvas.rgb.tobytes() + canvas.height.tobytes())
        assert results[0] == results[1]
        changed |= results[0] != wall().rgb.tobytes() + wall().height.tobytes()
    assert changed


@pytest.mark.parametrize("name", sorted(DISTRACTORS))
def test_each_works_without_cracks_and_on_a_small_picture(name: str) -> None:
    for seed in range(3):
        canvas = wall(shape=(33, 40))
        DISTRACTORS[name](np.random.default_rng(seed), canvas, ())
        assert np.isfinite(canvas.rgb).all()


@pytest.mark.parametrize("material", get_args(Material))
def test_a_stage_draws_its_own_and_names_them(material: Material) -> None:
    seen = set()
    for seed in range(40):
        for stage in ("before", "after"):
            canvas = wall(material, (64, 64))
            before = canvas.rgb.copy()
            names = draw_distractors(np.random.default_rng(seed), canvas, (), stage)
            assert all(stage_of(name) == stage for name in names)
            if not names:
                assert np.array_equal(canvas.rgb, before)
            seen.update(names)
    assert len(seen) > 10


def test_crazed_paint_is_a_bright_net_of_closed_cells() -> None:
    """The gaps of the mosaic are dark, join one another, and part the paint into many flakes."""
    flakes = []
    for seed in range(8):
        canvas = wall("asphalt", (240, 320))
        DISTRACTORS["crazed-paint"](np.random.default_rng(seed), canvas, ())
        painted = canvas.rgb.mean(axis=2) > 0.3
        assert canvas.rgb.max() <= 1.1
        pieces, count = ndimage.label(painted)
        flakes.append(int((np.bincount(pieces.ravel())[1:] > 30).sum()) if count else 0)
    assert np.median(flakes) > 8


def test_what_is_only_drawn_by_name_changes_no_other_picture() -> None:
    assert set(DISTRACTORS) - distractors._BY_CHANCE == {"crazed-paint"}
    assert all(
        "crazed-paint" not in draw_distractors(np.random.default_rng(seed), wall(), (), "before")
        for seed in range(30)
    )
    asked = draw_distractors(np.random.default_rng(0), wall(), (), "before", ("crazed-paint",), others=False)
    assert asked == ["crazed-paint"]


def test_leaves_find_a_clear_spot_or_none() -> None:
    truth = crack()
    for seed in range(10):
        spot = clear_spot(np.random.default_rng(seed), wall(), (truth,), 15.0)
        if spot is not None:
            assert np.hypot(*(truth.points_xy_px - spot).T).min() > 14.0
    assert clear_spot(np.random.default_rng(0), wall(), (truth,), 1e4) is None


@pytest.mark.parametrize("name", ["louvres", "opening"])
def test_opaque_covers_keep_clear_of_cracks(name: str) -> None:
    truth, drawn = crack(), 0
    cols, rows = np.rint(truth.points_xy_px).astype(int).T
    for seed in range(30):
        canvas = wall()
        DISTRACTORS[name](np.random.default_rng(seed), canvas, (truth,))
        assert (canvas.rgb[rows, cols] == np.float32(0.25)).all()
        drawn += bool((canvas.rgb != np.float32(0.25)).any())
    assert drawn > 0


def test_polygon_cover_has_the_polygons_area_and_may_lie_outside() -> None:
    square = np.array([[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]])
    assert polygon_cover(SHAPE, square)[1].sum() == pytest.approx(400, rel=0.06)
    assert polygon_cover(SHAPE, square + 500)[1].size == 0


def test_drawing_is_quick() -> None:
    rng, spent = np.random.default_rng(0), []
    for _ in range(20):
        canvas = wall("asphalt", (512, 512))
        start = time.perf_counter()
        draw_distractors(rng, canvas, (crack(),), "before")
        draw_distractors(rng, canvas, (crack(),), "after")
        spent.append(time.perf_counter() - start)
    # Loose: a tenth of this on an idle machine.
    assert float(np.median(spent)) < 0.5
