"""Surfaces: every painter gives a sane canvas, of many looks, with joints where it has joints."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.textures import TEXTURES
from flawscope.data.synthetic.textures.patchwork import blank, join

SIZE_HW = (96, 130)


def paint(name: str, seed: int, size_hw: tuple[int, int] = SIZE_HW) -> Canvas:
    return TEXTURES[name](np.random.default_rng(seed), size_hw)


@pytest.mark.parametrize("name", sorted(TEXTURES))
@pytest.mark.parametrize("seed", range(8))
def test_canvas_is_sane(name: str, seed: int) -> None:
    canvas = paint(name, seed)
    assert canvas.rgb.shape == (*SIZE_HW, 3)
    assert canvas.height.shape == SIZE_HW == canvas.size_hw
    assert canvas.rgb.dtype == canvas.height.dtype == np.float32
    assert np.isfinite(canvas.rgb).all()
    assert np.isfinite(canvas.height).all()
    assert 0.005 < canvas.rgb.mean() < 1.0
    assert canvas.grain_px > 0


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_seed_decides_everything(name: str) -> None:
    first, again, other = paint(name, 3), paint(name, 3), paint(name, 4)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.height, again.height)
    assert first.notes == again.notes
    assert not np.array_equal(first.rgb, other.rgb)


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_smallest_size_can_be_painted(name: str) -> None:
    for seed in range(6):
        assert paint(name, seed, (32, 32)).size_hw == (32, 32)


@pytest.mark.parametrize("name", ["asphalt", "brick", "concrete"])
def test_looks_differ_between_seeds(name: str) -> None:
    means = [paint(name, seed).rgb.mean() for seed in range(25)]
    assert max(means) > 1.5 * min(means)


def test_bed_joints_follow_the_mortar() -> None:
    """On walls with light, plain mortar the bed lines lie on pixels that are brighter than the bricks."""
    agree = []
    for seed in range(40):
        canvas = paint("brick", seed, (160, 200))
        assert canvas.joint_width_px > 0
        beds = canvas.joints[: canvas.notes["beds"]]
        if not beds or canvas.joint_width_px < 3:
            continue
        value = canvas.rgb.sum(axis=2)
        on = np.concatenate([samples(value, line) for line in beds])
        half_course = np.array([0.0, canvas.notes["course_px"] / 2])
        off = np.concatenate([samples(value, line + half_course) for line in beds])
        if len(on) > 50 and len(off) > 50 and abs(on.mean() - off.mean()) > 0.1 * value.mean():
            agree.append(abs(np.median(on) - np.median(off)) > 0.5 * min(on.std(), off.std()))
    assert len(agree) >= 8
    assert np.mean(agree) > 0.7


def samples(value: np.ndarray, line: np.ndarray) -> np.ndarray:
    position = np.linspace(0, len(line) - 1, 60)
    index = np.arange(len(line))
    cols = np.rint(np.interp(position, index, line[:, 0])).astype(int)
    rows = np.rint(np.interp(position, index, line[:, 1])).astype(int)
    inside = (rows >= 0) & (rows < value.shape[0]) & (cols >= 0) & (cols < value.shape[1])
    return value[rows[inside], cols[inside]]


def test_joints_touch_the_picture() -> None:
    for name in ("brick", "rubble"):
        for line in paint(name, 1).joints:
            assert line.ndim == 2
            assert line.shape[1] == 2
            low, high = line.min(axis=0), line.max(axis=0)
            assert (high >= 0).all()
            assert low[0] < SIZE_HW[1]
            assert low[1] < SIZE_HW[0]


def test_join_covers_a_part_with_the_other_surface() -> None:
    shares = []
    for seed in range(12):
        ground, other = paint("concrete", seed), paint("asphalt", seed)
        ground.rgb[:], other.rgb[:] = 0.0, 0.5
        join(np.random.default_rng(seed), ground, other)
        shares.append((ground.rgb > 0.25).mean())
        assert np.isfinite(ground.rgb).all()
    assert 0.05 < np.mean(shares) < 0.8


def test_blank_leaves_a_flat_tone() -> None:
    for seed in range(6):
        ground = paint("asphalt", seed)
        assert blank(np.random.default_rng(seed), ground) in ("dark", "light")
        assert np.isfinite(ground.rgb).all()
