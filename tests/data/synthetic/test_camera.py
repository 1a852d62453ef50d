"""The camera: light follows the relief, photometry moves nothing, every step gives 8-bit pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from flawscope.data.synthetic import camera
from flawscope.data.synthetic.canvas import Canvas


def flat(size_hw: tuple[int, int] = (64, 80), level: float = 0.2) -> Canvas:
    rgb = np.full((*size_hw, 3), level, np.float32)
    return Canvas(rgb, np.zeros(size_hw, np.float32), "concrete")


@pytest.mark.parametrize("seed", range(30))
def test_photograph_is_an_8_bit_picture_of_the_same_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = camera.light(rng, flat())
    assert scene.shape == (64, 80, 3)
    assert (scene >= 0).all()
    image, steps = camera.photograph(rng, scene)
    assert image.shape == (64, 80, 3)
    assert image.dtype == np.uint8
    assert "exposure" in steps


def test_same_seed_same_picture() -> None:
    pictures = []
    for _ in range(2):
        rng = np.random.default_rng(9)
        pictures.append(camera.photograph(rng, camera.light(rng, flat()))[0])
    assert np.array_equal(*pictures)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_moves(seed: int) -> None:
    """A black bar in the scene is found at the same place in every photograph."""
    canvas = flat((60, 60), 0.4)
    canvas.rgb[:, 28:33] = 0.01
    rng = np.random.default_rng(seed)
    image, _ = camera.photograph(rng, canvas.rgb)
    profile = image.astype(float).sum(axis=(0, 2))
    dark = profile.max() - profile
    dark[dark < 0.4 * dark.max()] = 0
    centre = (dark * np.arange(60)).sum() / dark.sum()
    assert centre == pytest.approx(30, abs=0.8)


def test_slopes_are_shaded_and_flat_ground_is_not() -> None:
    canvas = flat()
    canvas.height[:, 40:] = 4.0
    shading = camera._relief(np.random.default_rng(2), canvas.height)
    assert np.abs(shading[:, :20] - 1).max() < 0.05
    assert np.abs(shading[:, 38:42] - 1).max() > 0.05
    assert shading.min() > 0


def test_deep_dents_are_darker() -> None:
    canvas = flat()
    canvas.height[:, 38:43] = -6.0
    shading = np.mean(
        [camera._relief(np.random.default_rng(s), canvas.height)[:, 40].mean() for s in range(12)]
    )
    assert shading < 0.95


def test_shadows_only_darken() -> None:
    for seed in range(20):
        scene = flat().rgb
        before = scene.copy()
        camera._cast_shadow(np.random.default_rng(seed), scene)
        assert (scene <= before + 1e-6).all()
        assert (scene > 0).all()


def test_pictures_are_neither_black_nor_white() -> None:
    means = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        means.append(
            camera.photograph(rng, camera.light(rng, flat(level=float(rng.uniform(0.05, 0.7)))))[0].mean()
        )
    assert np.min(means) > 25
    assert np.max(means) < 250
    assert np.std(means) > 10


def test_compress_keeps_the_size() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (33, 47, 3), dtype=np.uint8))
    assert camera.compress(picture, 40).size == (47, 33)
