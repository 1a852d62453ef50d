"""The pool of nineteen: what each step may touch, and how they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from flawscope.training.augment import build_augment
from flawscope.training.augment_config import RANDOM_STEPS, AugmentConfig, RandomAugmentConfig
from flawscope.training.random_augment import STEPS, build_random

from .test_augment import OFF, chain, picture

GEOMETRY = ("flip", "rotate", "shift_scale_rotate", "shear", "scale", "translate")
TOUCH_THE_MASK = (*GEOMETRY, "mask_dropout")


def one(name: str, magnitude: float = 0.5):
    return chain(random={"n": 1, "magnitude": magnitude, "pool": (name,)})


def test_there_are_the_papers_nineteen() -> None:
    assert len(RANDOM_STEPS) == 19
    assert tuple(STEPS) == RANDOM_STEPS


@pytest.mark.parametrize("name", RANDOM_STEPS)
@pytest.mark.parametrize("size_hw", [(96, 96), (64, 112), (1, 1), (3, 2)])
def test_every_step_keeps_size_and_type(name: str, size_hw: tuple[int, int]) -> None:
    image, mask = picture(*size_hw)
    for seed, magnitude in enumerate((0.0, 0.5, 1.0)):
        varied, turned = one(name, magnitude)(image, mask, np.random.default_rng(seed))
        assert varied.shape == image.shape and turned.shape == mask.shape
        assert varied.dtype == turned.dtype == np.uint8
        assert set(np.unique(turned)) <= {0, 1, 255}


@pytest.mark.parametrize("name", RANDOM_STEPS)
def test_every_step_changes_the_image_and_few_the_mask(name: str) -> None:
    image, mask = picture()
    # Smooth pictures hide what blurring does.
    image = np.clip(image + np.random.default_rng(0).integers(-9, 9, image.shape), 0, 255).astype(np.uint8)
    before = image.copy(), mask.copy()
    varied, turned = one(name)(image, mask, np.random.default_rng(3))
    assert not np.array_equal(varied, image)
    assert np.array_equal(turned, mask) == (name not in TOUCH_THE_MASK)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("seed", range(4))
def test_the_mask_goes_where_the_image_goes(name: str, seed: int) -> None:
    image, mask = picture()
    varied, turned = one(name, 0.6)(image, mask, np.random.default_rng(seed))
    red, known = varied[..., 0] > 150, turned != 255
    assert (turned == 1).any()
    overlap = (red & (turned == 1))[known].sum() / (red | (turned == 1))[known].sum()
    assert overlap > 0.85


@pytest.mark.parametrize("name", TOUCH_THE_MASK)
def test_planes_of_overlapping_classes_move_with_the_flat_mask(name: str) -> None:
    image, mask = picture()
    stack = np.stack([mask == 1, np.zeros_like(mask, dtype=bool), mask == 1], axis=-1)
    flat_image, flat = one(name)(image, mask, np.random.default_rng(3))
    stack_image, planes = one(name)(image, stack, np.random.default_rng(3))
    np.testing.assert_array_equal(flat_image, stack_image)
    np.testing.assert_array_equal(planes[..., 0], flat)
    np.testing.assert_array_equal(planes[..., 2], flat)


def test_mask_dropout_takes_one_defect_out_of_both() -> None:
    rng = np.random.default_rng(0)
    image = np.full((80, 80, 3), 180, np.uint8) + rng.integers(-5, 5, (80, 80, 3)).astype(np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    mask[20:22, 5:70], mask[60:62, 5:70], mask[0] = 1, 1, 255
    image[mask == 1] = 20
    varied, turned = one("mask_dropout")(image, mask, rng)
    assert (turned == 1).sum() == 2 * 65
    assert (turned[0] == 255).all()
    gone = (mask == 1) & (turned == 0)
    assert abs(float(varied[gone].mean()) - 180) < 12
    assert (varied[turned == 1] == 20).all()
    clean = np.zeros((80, 80), np.uint8)
    np.testing.assert_array_equal(one("mask_dropout")(image, clean, rng)[0], image)


def test_a_larger_magnitude_changes_more() -> None:
    image, mask = picture()
    for name in ("brightness_contrast", "gamma", "multiplicative_noise", "gaussian_blur", "downscale"):
        change = [
            np.mean(
                [
                    np.abs(one(name, m)(image, mask, np.random.default_rng(s))[0].astype(int) - image).mean()
                    for s in range(12)
                ]
            )
            for m in (0.2, 1.0)
        ]
        assert change[0] < change[1], name


def test_n_steps_are_drawn_evenly_and_without_repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[str]] = []
    for name in RANDOM_STEPS:
        monkeypatch.setitem(STEPS, name, lambda pair, _rng, _m, name=name: (done[-1].append(name), pair)[1])
    draw = build_random(RandomAugmentConfig(n=2))
    assert draw is not None
    rng = np.random.default_rng(0)
    for _ in range(1900):
        done.append([])
        draw((None, None), rng)  # type: ignore[arg-type]
    assert all(len(names) == 2 and names[0] != names[1] for names in done)
    counts = [sum(name in names for names in done) for name in RANDOM_STEPS]
    assert min(counts) > 140 and max(counts) < 270
    twice = build_random(RandomAugmentConfig(n=5, pool=("flip", "gamma"), replace=True))
    assert twice is not None
    done.append([])
    twice((None, None), rng)  # type: ignore[arg-type]
    assert len(done[-1]) == 5


def test_the_generator_decides_everything() -> None:
    image, mask = picture()
    augment = chain(random={"n": 2})
    first, second = (augment(image, mask, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_off_by_default_and_wrong_pools_are_refused() -> None:
    assert build_augment(AugmentConfig.model_validate(OFF)) is None
    for wrong in ({"pool": ("flip", "flip")}, {"n": 3, "pool": ("flip",)}, {"pool": ("flop",)}, {"pool": ()}):
        with pytest.raises(ValidationError):
            RandomAugmentConfig.model_validate(wrong)
