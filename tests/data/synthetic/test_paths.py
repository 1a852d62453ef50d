"""Centrelines: finite, ordered, dense enough, and stairs that keep to the joints."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.paths import PATHS, Roughness, crossing_guide, resample, rough_line
from flawscope.data.synthetic.widths import arc_length, labelled_points, strength_profile, width_profile


def wall(size: int = 256) -> Canvas:
    """A brick wall with joints 8 px wide, courses 40 px high, bricks 100 px long."""
    joints = []
    for course, y in enumerate(range(0, size + 40, 40)):
        joints.append(np.array([[-5.0, y], [size + 5.0, y]]))
        for x in range(-50 + 50 * (course % 2), size + 100, 100):
            joints.append(np.array([[x, y], [x, y + 40]], float))
    shape = (size, size)
    return Canvas(np.full((*shape, 3), 0.2, np.float32), np.zeros(shape, np.float32), "brick", joints, 8.0)


@pytest.mark.parametrize("style", sorted(PATHS))
@pytest.mark.parametrize("seed", range(4))
def test_every_style_gives_dense_finite_lines(style: str, seed: int) -> None:
    branches = PATHS[style](np.random.default_rng(seed), wall(), Roughness(0.15, 0.8, 4.0), 1.0)
    assert branches
    for branch in branches:
        points = branch.points_xy_px
        assert points.ndim == 2
        assert points.shape[1] == 2
        assert np.isfinite(points).all()
        assert np.hypot(*np.diff(points, axis=0).T).max() < 1.5 + 1e-9


@pytest.mark.parametrize("style", sorted(PATHS))
def test_same_seed_same_lines(style: str) -> None:
    one, two = (PATHS[style](np.random.default_rng(3), wall(), Roughness(), 1.0) for _ in range(2))
    assert all(np.array_equal(a.points_xy_px, b.points_xy_px) for a, b in zip(one, two, strict=True))


def test_stairs_keep_near_the_joints_most_of_their_way() -> None:
    canvas = wall()
    joints = np.concatenate([resample(joint, 1.0) for joint in canvas.joints])
    shares = []
    for seed in range(8):
        line = PATHS["stair"](np.random.default_rng(seed), canvas, Roughness(), 1.0)[0].points_xy_px
        gaps = np.array([np.hypot(*(joints - point).T).min() for point in line[::5]])
        shares.append(float((gaps < canvas.joint_width_px).mean()))
    # Single ones may break many bricks.
    assert np.mean(shares) > 0.5
    assert min(shares) > 0.2


def test_walls_part_upright_more_than_level() -> None:
    rise, run = 0.0, 0.0
    for seed in range(40):
        points = PATHS["long"](np.random.default_rng(seed), wall(), Roughness(), 2.0)[0].points_xy_px
        run, rise = run + np.ptp(points[:, 0]), rise + np.ptp(points[:, 1])
    assert rise > 1.3 * run


def test_stair_without_joints_falls_back_to_a_line() -> None:
    canvas = wall()
    canvas.joints = []
    assert PATHS["stair"](np.random.default_rng(0), canvas, Roughness(), 1.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_guide_crosses_the_whole_picture(seed: int) -> None:
    guide = crossing_guide(np.random.default_rng(seed), (100, 200))
    outside = (guide < 0) | (guide > (200, 100))
    assert outside.any(axis=1).all()


def test_rough_line_keeps_its_ends_and_short_lines() -> None:
    rng = np.random.default_rng(0)
    guide = np.array([[5.0, 5.0], [100.0, 60.0]])
    line = rough_line(rng, guide, Roughness(0.3, 0.6, 5.0), 1.0)
    np.testing.assert_allclose(line[[0, -1]], guide, atol=1e-9)
    short = np.array([[0.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(rough_line(rng, short, Roughness(), 1.0), [[0, 0], [1, 0], [2, 0]])


def test_widths_stay_in_their_limits_and_taper() -> None:
    arc = np.arange(300.0)
    for seed in range(10):
        width = width_profile(np.random.default_rng(seed), arc, 6.0, 0.5, (True, True), (0.7, 12.0))
        assert width.min() >= 0.7
        assert width.max() <= 12.0
        assert width[0] < width[100:200].mean()


def test_annotators_bridge_short_gaps_only() -> None:
    arc = np.arange(200.0)
    strength = np.ones(200)
    strength[20:30] = strength[80:150] = strength[190:] = 0
    drawn = labelled_points(strength, arc, 15.0)
    assert drawn[20:30].all()
    assert not drawn[80:150].any()
    assert not drawn[190:].any()
    assert labelled_points(strength, arc, 15.0, tips=(True, False))[190:].all()


def test_the_eye_follows_faint_lines_from_plain_ones_only() -> None:
    arc = np.arange(100.0)
    faint = np.full(100, 0.5)
    assert not labelled_points(faint, arc, 15.0).any()
    faint[:30] = 1.2
    assert labelled_points(faint, arc, 15.0).all()


def test_strength_is_a_share() -> None:
    arc = arc_length(np.column_stack([np.arange(400.0), np.zeros(400)]))
    strength = strength_profile(np.random.default_rng(1), arc, 0.8, (True, False), gaps=True)
    assert strength.min() >= 0
    assert strength.max() <= 1
