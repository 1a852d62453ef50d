"""Noise fields: reproducible windows of the right shape, spread and direction."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from flawscope.data.synthetic import noise


@pytest.mark.parametrize("kind", ["white", "soft", "blob", "pink", "cloud", "streak", "fibre"])
@pytest.mark.parametrize("size_hw", [(40, 70), (257, 128)])
def test_field_has_shape_and_unit_spread(kind: noise.NoiseKind, size_hw: tuple[int, int]) -> None:
    out = noise.field(kind, np.random.default_rng(1), size_hw)
    assert out.shape == size_hw
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert noise._atlas(kind).std() == pytest.approx(1, abs=0.01)


def test_same_generator_state_gives_same_field_whatever_came_before() -> None:
    first = noise.field("pink", np.random.default_rng(5), (64, 64), 1.7)
    noise.field("cloud", np.random.default_rng(6), (64, 64))
    assert np.array_equal(first, noise.field("pink", np.random.default_rng(5), (64, 64), 1.7))
    assert not np.array_equal(first, noise.field("pink", np.random.default_rng(7), (64, 64), 1.7))


def test_another_process_draws_the_same_field() -> None:
    code = (
        "import numpy as np; from flawscope.data.synthetic import noise;"
        "print(noise.field('blob', np.random.default_rng(5), (16, 16), 2.0).sum(dtype=np.float64).hex())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = noise.field("blob", np.random.default_rng(5), (16, 16), 2.0).sum(dtype=np.float64).hex()
    assert other.stdout.strip() == here


def test_a_field_larger_than_the_atlas_repeats_it() -> None:
    out = noise.field("white", np.random.default_rng(0), (noise.ATLAS_PX + 8, 16))
    assert np.array_equal(out[:8], out[noise.ATLAS_PX :])


def test_fibres_run_along_the_rows() -> None:
    out = noise.field("fibre", np.random.default_rng(3), (256, 256))
    assert np.abs(np.diff(out, axis=1)).mean() < 0.2 * np.abs(np.diff(out, axis=0)).mean()


def test_cells_grow_with_their_diameter_and_stay_in_range() -> None:
    borders = []
    for diameter_px in (4.0, 16.0):
        stones = noise.cells(np.random.default_rng(2), (200, 220), diameter_px)
        for plane in (stones.tone, stones.kind, stones.edge, stones.dome):
            assert plane.shape == (200, 220)
            assert 0 <= plane.min() <= plane.max() <= 1
        borders.append(np.abs(np.diff(stones.tone, axis=1)).mean())
    assert borders[1] < 0.5 * borders[0]


def test_stretch_lengthens_cells_down_the_columns() -> None:
    stones = noise.cells(np.random.default_rng(2), (256, 256), 8.0, stretch=3.0)
    assert np.abs(np.diff(stones.tone, axis=0)).mean() < 0.6 * np.abs(np.diff(stones.tone, axis=1)).mean()


def test_smoothstep_is_monotone_between_its_ends() -> None:
    x = np.linspace(-1, 2, 50, dtype=np.float32)
    y = noise.smoothstep(x, 0.0, 1.0)
    assert (np.diff(y) >= 0).all()
    assert y[0] == 0
    assert y[-1] == 1


def test_blur_keeps_the_mean_and_flattens() -> None:
    values = np.random.default_rng(0).random((64, 96)).astype(np.float32)
    out = noise.blur(values, 8)
    assert out.shape == values.shape
    assert out.mean() == pytest.approx(values.mean(), abs=0.01)
    assert out.std() < 0.4 * values.std()


def test_log_uniform_stays_inside() -> None:
    rng = np.random.default_rng(0)
    drawn = [noise.log_uniform(rng, 2, 50) for _ in range(200)]
    assert 2 <= min(drawn) < 4
    assert 25 < max(drawn) <= 50
