from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from flawscope.training.augment import Augment, build_augment
from flawscope.training.augment_config import AugmentConfig

OFF = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0}
STRONG: dict[str, dict[str, Any]] = {
    "flip_horizontal": {"flip_horizontal": 1.0},
    "flip_vertical": {"flip_vertical": 1.0},
    "rotate90": {"rotate90": 1.0},
    "affine-reflect": {"affine": {"p": 1.0}},
    "affine-constant": {"affine": {"p": 1.0, "fill": "constant", "shift": 0.2}},
    "downscale": {"downscale": {"p": 1.0}},
    "blur": {"blur": {"p": 1.0}},
    "brightness": {"brightness": {"p": 1.0}},
    "contrast": {"contrast": {"p": 1.0}},
    "gamma": {"gamma": {"p": 1.0}},
    "saturation": {"saturation": {"p": 1.0}},
    "hue": {"hue": {"p": 1.0, "degrees": 90.0}},
    "grey": {"grey": 1.0},
    "noise": {"noise": {"p": 1.0}},
    "jpeg": {"jpeg": {"p": 1.0, "quality": (30, 50)}},
}
GEOMETRY = ("flip_horizontal", "flip_vertical", "rotate90", "affine-reflect", "affine-constant")
TYPICAL: dict[str, Any] = {
    "affine": {"p": 0.5}, "blur": {"p": 0.2}, "brightness": {"p": 0.5}, "contrast": {"p": 0.5},
    "gamma": {"p": 0.3}, "hue": {"p": 0.3}, "saturation": {"p": 0.3}, "noise": {"p": 0.3}, "jpeg": {"p": 0.3},
    "downscale": {"p": 0.2},
}  # fmt: skip

Rgb = npt.NDArray[np.uint8]


def chain(**keys: Any) -> Augment:
    built = build_augment(AugmentConfig.model_validate({**OFF, **keys}))
    assert built is not None
    return built


def picture(height: int = 96, width: int = 96) -> tuple[Rgb, Rgb]:
    """A smooth coloured image with a bright red blob, and the blob as its mask."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows * 0.5, columns * 0.5, 60 + 0 * rows], axis=-1).astype(np.uint8)
    mask = ((rows - height * 0.35) ** 2 + (columns - width * 0.6) ** 2 < 12**2).astype(np.uint8)
    image[mask == 1] = (250, 20, 30)
    return image, mask


@pytest.mark.parametrize("name", STRONG)
@pytest.mark.parametrize("size_hw", [(96, 96), (64, 112), (1, 1), (3, 2)])
def test_every_step_keeps_size_and_type(name: str, size_hw: tuple[int, int]) -> None:
    image, mask = picture(*size_hw)
    for seed in range(4):
        varied, turned = chain(**STRONG[name])(image, mask, np.random.default_rng(seed))
        assert varied.shape == image.shape
        assert turned.shape == mask.shape
        assert varied.dtype == turned.dtype == np.uint8
        assert varied.flags.c_contiguous
        assert set(np.unique(turned)) <= {0, 1, 255}


@pytest.mark.parametrize("name", STRONG)
def test_every_step_changes_the_image_and_only_geometry_the_mask(name: str) -> None:
    image, mask = picture()
    before = image.copy(), mask.copy()
    varied, turned = chain(**STRONG[name])(image, mask, np.random.default_rng(1))
    assert not np.array_equal(varied, image)
    assert np.array_equal(turned, mask) == (name not in GEOMETRY)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("seed", range(5))
def test_the_mask_goes_where_the_image_goes(name: str, seed: int) -> None:
    image, mask = picture()
    varied, turned = chain(**STRONG[name])(image, mask, np.random.default_rng(seed))
    red = varied[..., 0] > 150
    known = turned != 255
    overlap = (red & (turned == 1))[known].sum() / (red | (turned == 1))[known].sum()
    assert overlap > 0.85


def test_planes_of_overlapping_classes_move_together() -> None:
    image, mask = picture()
    stack = np.stack([mask == 1, np.zeros_like(mask, dtype=bool), mask == 1], axis=-1)
    flat_image, flat = chain(affine={"p": 1.0})(image, mask, np.random.default_rng(3))
    stack_image, planes = chain(affine={"p": 1.0})(image, stack, np.random.default_rng(3))
    np.testing.assert_array_equal(flat_image, stack_image)
    np.testing.assert_array_equal(planes[..., 0], flat)
    np.testing.assert_array_equal(planes[..., 2], flat)
    np.testing.assert_array_equal(planes[..., 1] == 255, flat == 255)


def test_ignored_pixels_stay_ignored() -> None:
    image, mask = picture()
    mask[:40] = 255
    _, turned = chain(flip_vertical=1.0)(image, mask, np.random.default_rng(0))
    assert (turned[-40:] == 255).all()


def test_reflection_leaves_no_black_corner() -> None:
    image = np.full((80, 80, 3), 200, np.uint8)
    keys = {"p": 1.0, "rotate_deg": 45.0, "scale": (0.7, 0.7), "shear_deg": 10.0}
    for seed in range(20):
        varied, _ = chain(affine=keys)(image, np.zeros((80, 80), np.uint8), np.random.default_rng(seed))
        assert varied.min() >= 199


def test_the_generator_decides_everything() -> None:
    image, mask = picture()
    augment = chain(**TYPICAL)
    torch.manual_seed(0)
    first = augment(image, mask, np.random.default_rng(7))
    torch.manual_seed(99)
    np.random.default_rng()
    second = augment(image, mask, np.random.default_rng(7))
    other = augment(image, mask, np.random.default_rng(8))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_probabilities_are_kept() -> None:
    image, mask = picture()
    augment = chain(grey=0.3)
    rng = np.random.default_rng(0)
    greys = sum(int(np.ptp(augment(image, mask, rng)[0], axis=-1).max() == 0) for _ in range(300))
    assert 60 <= greys <= 120


def test_hue_keeps_grey_grey() -> None:
    grey = np.full((8, 8, 3), 90, np.uint8)
    varied, _ = chain(hue={"p": 1.0, "degrees": 180.0})(grey, grey[..., 0] * 0, np.random.default_rng(0))
    np.testing.assert_array_equal(varied, grey)


def test_nothing_asked_nothing_built() -> None:
    assert build_augment(AugmentConfig.model_validate(OFF)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate90": 1.5},
        {"affine": {"scale": (1.2, 0.8)}},
        {"affine": {"scale": (0.0, 1.0)}},
        {"jpeg": {"quality": (50, 101)}},
        {"downscale": {"factor": (0.5, 1.5)}},
        {"gamma": {"gamma": (-1.0, 1.0)}},
        {"flip": 0.5},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AugmentConfig.model_validate(wrong)


def test_sixty_crops_a_second_on_one_core() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        image, mask = picture(256, 256)
        augment = chain(**TYPICAL, flip_horizontal=0.5, flip_vertical=0.5, rotate90=0.5)
        rng = np.random.default_rng(0)
        augment(image, mask, rng)
        # Processor time: other programs on the machine do not count.
        start = time.process_time()
        for _ in range(60):
            augment(image, mask, rng)
        assert time.process_time() - start < 1.0
    finally:
        torch.set_num_threads(threads)
