"""Crops follow from seed, epoch and number alone."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.manifest import InputSpec
from flawscope.training.augment_config import AugmentConfig
from flawscope.training.crops import CropDataset, CropPlan, cut, deal
from flawscope.training.store import PictureStore, Source


def _load(number: int, size_hw: tuple[int, int] = (60, 80)) -> tuple[Any, Any]:
    rng = np.random.default_rng(number)
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    mask = np.zeros(size_hw, np.uint8)
    mask[5 + number, 7] = 1
    return image, mask


def _crops(count: int = 5, limit_bytes: int = 10**9, **changes: Any) -> CropDataset:
    plan = {"seed": 3, "crop_px": 32, "crops_per_image": 3, "positive_share": 0.5, **changes}
    sources = [Source(f"{n}", partial(_load, n), source="ab"[n % 5 == 0]) for n in range(count)]
    augment = AugmentConfig()
    return CropDataset(PictureStore(sources, limit_bytes), CropPlan(**plan), InputSpec(), augment)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 7), st.integers(1, 3), st.integers(1, 4))
def test_dealing_gives_each_key_once(items: int, batch: int, accumulate: int, world: int) -> None:
    keys = np.arange(items)
    dealt = [deal(keys, batch, accumulate, world, rank) for rank in range(world)]
    flat = sorted(key for steps in dealt for step in steps for part in step.micro for key in part)
    assert len({len(steps) for steps in dealt}) == 1, "every process takes part in every step"
    assert len(set(flat)) == len(flat)
    assert items - len(flat) < world
    for step_of_ranks in zip(*dealt, strict=True):
        shares = np.array([step.shares for step in step_of_ranks])
        # The mean over processes of the shares of a step is one: each crop weighs the same.
        assert np.isclose(shares.sum(axis=1).mean(), 1.0)


def test_a_smaller_last_step_can_be_left_out() -> None:
    def sizes(items: int, *more: int, drop_last: bool = True) -> list[int]:
        steps = deal(np.arange(items), 4, *more, drop_last=drop_last)
        return [sum(len(part) for part in step.micro) for step in steps]

    assert sizes(11) == [4, 4] and sizes(11, drop_last=False) == [4, 4, 3]
    assert sizes(3) == [3], "the only step is never left out"
    assert sizes(19, 2) == [8, 8] and sizes(19, 1, 2) == [4, 4]


def test_an_epoch_shows_each_picture_equally_often() -> None:
    crops = _crops()
    order = crops.order(2)
    assert sorted(order) == list(range(2 * len(crops), 3 * len(crops)))
    assert not np.array_equal(order - len(crops), crops.order(1))


def test_a_small_memory_changes_the_order_only() -> None:
    small = _crops(limit_bytes=40_000)
    order = small.order(0)
    assert sorted(order) == list(range(len(small)))
    block = small.store.block_size()
    assert block < len(small.store)
    first = {int(key) // 3 for key in order[: block * 3]}
    assert len(first) == block, "a block of pictures is used up before the next is read"


@pytest.mark.parametrize("workers", [0, 2])
def test_crops_do_not_depend_on_order_or_workers(workers: int) -> None:
    crops = _crops()
    forward = [crops[int(key)] for key in crops.order(1)]
    keys = [[int(key)] for key in crops.order(1)]
    loader = torch.utils.data.DataLoader(_crops(), batch_sampler=keys, num_workers=workers)
    for (image, mask), (images, masks) in zip(forward, loader, strict=True):
        assert torch.equal(image, images[0])
        assert torch.equal(mask, masks[0])


def test_shapes_and_types() -> None:
    image, mask = _crops()[0]
    assert image.shape == (3, 32, 32) and image.dtype == torch.float32
    assert mask.shape == (32, 32) and mask.dtype == torch.uint8


def test_positive_crops_hold_a_positive_pixel() -> None:
    always = _crops(positive_share=1.0)
    assert all(bool((always[key][1] == 1).any()) for key in range(len(always)))
    never = _crops(positive_share=0.0, crops_per_image=40)
    share = np.mean([bool((never[key][1] == 1).any()) for key in range(len(never))])
    assert share < 0.9


def test_crops_travel_to_a_fresh_process() -> None:
    crops = _crops()
    again = pickle.loads(pickle.dumps(crops))
    assert torch.equal(again[4][0], crops[4][0])


def test_a_margin_is_taken_off_again() -> None:
    assert _crops(margin_px=6)[0][0].shape == (3, 32, 32)
    assert _crops(margin_px=40)[0][0].shape == (3, 32, 32)


def test_whole_pictures() -> None:
    crops = _crops(crop_px=0, crops_per_image=1)
    assert crops[0][0].shape == (3, 60, 80)


def test_balanced_sources_are_seen_equally() -> None:
    crops = _crops(count=6, balance_sources=True)
    seen = [crops._picture_of(epoch, item)[0] for epoch in range(2) for item in range(len(crops))]
    of_b = sum(index in (0, 5) for index in seen)
    assert of_b == len(seen) // 2
    assert set(seen) == set(range(6))


@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (7, 9), (1, 1)])
def test_small_pictures_are_mirrored(shape: tuple[int, int]) -> None:
    array = np.arange(shape[0] * shape[1]).reshape(shape)
    window = cut(array, 0, 0, 24)
    assert window.shape == (24, 24)
    assert set(np.unique(window)) <= set(array.ravel())


def test_masks_of_overlapping_classes() -> None:
    def load() -> tuple[Any, Any]:
        image, mask = _load(0)
        return image, np.stack([mask == 1, mask == 0, np.zeros_like(mask, bool)], axis=-1)

    store = PictureStore([Source("x", load)], 10**6)
    assert len(store[0].positives) == 2, "classes that do not occur offer no centre"
    crops = CropDataset(store, CropPlan(0, 32, 1, 1.0), InputSpec())
    assert crops[0][1].shape == (3, 32, 32)


def _flips(count: int, **changes: Any) -> tuple[CropDataset, CropDataset]:
    """Whole pictures with augmentation by flips alone, and without any."""
    sources = [Source(f"{n}", partial(_load, n)) for n in range(count)]
    store, plan = PictureStore(sources, 10**9), CropPlan(3, 0, 1, 0.5)
    augment = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0, **changes}
    return CropDataset(store, plan, InputSpec(), AugmentConfig(**augment)), CropDataset(
        store, plan, InputSpec()
    )


def test_four_flips_quadruple_the_set() -> None:
    crops, plain = _flips(3, four_flips="every")
    assert len(crops) == 4 * len(plain) == 12
    axes: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
    for number in range(3):
        image, mask = plain[number]
        for flip, axis in enumerate(axes):
            shown, truth = crops[4 * number + flip]
            assert torch.equal(shown, image.flip(axis)) and torch.equal(truth, mask.flip(axis))


def test_a_flip_of_the_four_is_drawn_at_random() -> None:
    crops, _ = _flips(1, four_flips="random")
    assert len(crops) == 1 and len({crops[key][0].numpy().tobytes() for key in range(40)}) == 4


def test_every_flip_meets_every_width() -> None:
    crops, _ = _flips(1, four_flips="every", stochastic_width={"mode": "every", "kernels_px": (3,)})
    areas = [int(crops[key][1].sum()) for key in range(len(crops))]
    assert areas == [1, 1, 1, 1, 9, 9, 9, 9]
    assert len({crops[key][0].numpy().tobytes() for key in range(8)}) == 4
