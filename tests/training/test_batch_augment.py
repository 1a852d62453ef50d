"""Whole batches varied at once: every step does what its key says, and nothing when it is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from flawscope.training.augment_config import AugmentConfig
from flawscope.training.batch_augment import BatchAugment
from flawscope.training.classify_config import ClassifyConfig

OFF = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0}


def batch(count: int = 6, size_hw: tuple[int, int] = (12, 12), channels: int = 1) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, channels, *size_hw), dtype=np.uint8)
    return torch.from_numpy(pixels)


def vary(images: torch.Tensor, seed: int = 0, classify: dict[str, Any] | None = None, **augment: Any) -> Any:
    step = BatchAugment(
        AugmentConfig.model_validate({**OFF, **augment}), ClassifyConfig.model_validate(classify or {})
    )
    return step(images, np.random.default_rng(seed))


def test_without_keys_nothing_changes() -> None:
    images = batch()
    assert torch.equal(vary(images), images.float())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("augment", "classify"),
    [
        ({"flip_horizontal": 0.5}, {}),
        ({"rotate90": 0.7}, {}),
        ({"affine": {"p": 0.8, "rotate_deg": 20, "scale": [0.8, 1.2], "shear_deg": 5, "shift": 0.1}}, {}),
        ({"brightness": {"p": 0.5, "amount": 0.4}, "contrast": {"p": 0.5, "amount": 0.4}}, {}),
        ({"noise": {"p": 0.5, "sigma": [1, 20]}}, {}),
        ({"blur": {"p": 0.9}, "gamma": {"p": 0.9}}, {}),
        ({}, {"shift_px": 3}),
        ({}, {"elastic": {"p": 0.8, "amount_px": 2}}),
        ({}, {"erase": {"p": 0.8, "share": [0.2, 0.5]}}),
    ],
)
def test_what_follows_from_the_generator_keeps_shape_and_range(
    augment: dict[str, Any], classify: dict[str, Any], channels: int
) -> None:
    images = batch(5, (10, 14), channels)
    before = images.clone()
    varied = vary(images, 3, classify, **augment)
    assert varied.shape == images.shape and varied.dtype == torch.float32
    assert float(varied.min()) >= -1e-3 and float(varied.max()) <= 255.001
    assert torch.equal(images, before), "the store's own pixels stay"
    assert not torch.equal(varied, images.float())
    assert torch.equal(varied, vary(images, 3, classify, **augment))
    assert not torch.equal(varied, vary(images, 4, classify, **augment))


def test_flips_and_turns_are_exact() -> None:
    images = batch()
    assert torch.equal(vary(images, flip_horizontal=1.0), images.float().flip(-1))
    assert torch.equal(vary(images, flip_vertical=1.0), images.float().flip(-2))
    turned = vary(images, rotate90=1.0)
    ways = [images.float().rot90(k, (-2, -1)) for k in (1, 2, 3)]
    for number, one in enumerate(turned):
        assert any(torch.equal(one, way[number]) for way in ways)


def test_a_quarter_turn_of_an_oblong_image_is_a_half_turn() -> None:
    images = batch(8, (6, 10))
    assert torch.equal(vary(images, rotate90=1.0), images.float().rot90(2, (-2, -1)))


def test_shifts_are_whole_pixels_and_fill_as_told() -> None:
    images = torch.full((40, 1, 9, 9), 200, dtype=torch.uint8)
    images[:, 0, 4, 4] = 10
    shifted = vary(images, classify={"shift_px": 2}, affine={"fill": "constant"})
    places = {tuple(torch.nonzero(one[0] == 10)[0].tolist()) for one in shifted}
    assert all(abs(y - 4) <= 2 and abs(x - 4) <= 2 for y, x in places) and len(places) > 10
    assert set(torch.unique(shifted).tolist()) == {0.0, 10.0, 200.0}
    mirrored = vary(images, classify={"shift_px": 2}, affine={"fill": "reflect"})
    assert set(torch.unique(mirrored).tolist()) == {10.0, 200.0}


def test_a_shift_beyond_the_image_is_mirrored_on() -> None:
    thin = batch(4, (1, 3))
    varied = vary(thin, classify={"shift_px": 9}, affine={"fill": "reflect"})
    for one, source in zip(varied, thin, strict=True):
        assert set(one.flatten().tolist()) <= set(source.float().flatten().tolist())


def test_scale_grows_what_is_shown_and_rotation_turns_about_the_middle() -> None:
    images = torch.zeros(1, 1, 21, 21, dtype=torch.uint8)
    images[0, 0, 8:13, 8:13] = 255
    larger = vary(images, affine={"p": 1.0, "scale": [2.0, 2.0], "rotate_deg": 0})
    assert float(larger.sum()) == pytest.approx(4 * float(images.sum()), rel=0.05)
    bar = torch.zeros(1, 1, 21, 21, dtype=torch.uint8)
    bar[0, 0, 10, 2:19] = 255
    turned = vary(bar, affine={"p": 1.0, "rotate_deg": 45, "scale": [1, 1]})
    assert float(turned[0, 0, 10, 10]) > 200, "the middle stays where it is"


def test_elastic_moves_as_far_as_told() -> None:
    images = torch.zeros(30, 1, 25, 25, dtype=torch.uint8)
    images[:, 0, 12, 12] = 255
    varied = vary(images, classify={"elastic": {"p": 1.0, "amount_px": 1.0, "smooth_px": 8}})
    grid = torch.arange(25.0)
    mass = varied.sum(dim=(1, 2, 3))
    kept = mass > 100
    row = (varied.sum(dim=(1, 3)) * grid).sum(dim=1)[kept] / mass[kept]
    assert 0.3 < float((row - 12).std()) < 2.0


def test_brightness_and_contrast_change_what_they_name() -> None:
    images = batch(4).clamp(60, 120)
    brighter = vary(images, brightness={"p": 1.0, "amount": 0.3})
    ratio = brighter / images.float()
    assert float((ratio.amax(dim=(1, 2, 3)) - ratio.amin(dim=(1, 2, 3))).max()) < 1e-4
    spread = vary(images, contrast={"p": 1.0, "amount": 0.3})
    assert torch.allclose(spread.mean(dim=(1, 2, 3)), images.float().mean(dim=(1, 2, 3)), atol=0.1)


def test_erased_is_a_rectangle_of_the_mean() -> None:
    images = batch(3, (20, 20))
    erased = vary(images, classify={"erase": {"p": 1.0, "share": [0.3, 0.5]}})
    for one, source in zip(erased, images.float(), strict=True):
        gone = one[0] == source.mean()
        rows, columns = torch.nonzero(gone.any(dim=1)), torch.nonzero(gone.any(dim=0))
        assert 6 <= len(rows) <= 11 and 6 <= len(columns) <= 11
        assert int(gone.sum()) == len(rows) * len(columns)
        assert torch.equal(one[0][~gone], source[0][~gone])
