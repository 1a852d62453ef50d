"""Wider masks: by how much, to which side, and that crops show what the whole picture would."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flawscope.manifest import InputSpec
from flawscope.training.augment_config import AugmentConfig, StochasticWidthConfig
from flawscope.training.crops import CropDataset, CropPlan, cut, cut_wide
from flawscope.training.stochastic_width import reach_px, widen
from flawscope.training.store import PictureStore, Source

STILL = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0}


def line(width_px: int = 1) -> np.ndarray:
    mask = np.zeros((60, 60), np.uint8)
    mask[:, 30 : 30 + width_px] = 1
    return mask


@pytest.mark.parametrize("width_px", [1, 3, 10])
def test_three_squares_make_a_line_2_then_6_then_13_px_wider(width_px: int) -> None:
    widths = [int(widen(line(width_px), (3, 5, 8)[:k])[20].sum()) for k in range(4)]
    assert [width - width_px for width in widths] == [0, 2, 6, 13]


def test_eight_by_eight_grows_three_px_up_and_left_and_four_down_and_right() -> None:
    mask = np.zeros((21, 21), np.uint8)
    mask[10, 10] = 1
    rows, columns = np.nonzero(widen(mask, (8,)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 14, 7, 14)


def test_drawn_classes_and_ignored_pixels_keep_what_they_are() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[10, 8], mask[10, 10], mask[12:, :] = 1, 2, 255
    wide = widen(mask, (3, 5))
    assert (wide[10, 8], wide[10, 10], wide[10, 9]) == (1, 2, 2)
    assert (wide[12:] == 255).all()
    assert (wide[:12] == 255).sum() == 0
    np.testing.assert_array_equal(mask[10, 8:11], (1, 0, 2))


def test_planes_of_overlapping_classes_widen_by_themselves() -> None:
    stack = np.stack([line() == 1, np.zeros((60, 60), bool)], axis=-1)
    wide = widen(stack, (3,))
    assert wide.dtype == bool
    np.testing.assert_array_equal(wide[..., 0], widen(line(), (3,)) == 1)
    assert not wide[..., 1].any()


kernels = st.lists(st.integers(2, 12), max_size=4).map(tuple)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 99), kernels, st.integers(0, 30), st.integers(0, 30), st.integers(4, 60))
def test_a_window_shows_what_the_whole_widened_mask_shows(
    seed: int, edges: tuple[int, ...], top: int, left: int, size: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = (rng.random((40, 45)) < 0.02).astype(np.uint8) * rng.integers(1, 4, (40, 45)).astype(np.uint8)
    mask[rng.random(mask.shape) < 0.02] = 255
    np.testing.assert_array_equal(
        cut_wide(mask, top, left, size, edges), cut(widen(mask, edges), top, left, size)
    )
    grown = widen(mask, edges)
    assert ((grown != 0) | (mask == 0)).all()
    near = np.argwhere(grown.astype(int) != mask)
    drawn = np.argwhere((mask > 0) & (mask < 255))
    assert all(np.abs(drawn - pixel).max(axis=1).min() <= reach_px(edges) for pixel in near)


def _load(number: int) -> tuple[Any, Any]:
    mask = np.zeros((64, 64), np.uint8)
    mask[20, 5 + number : 50] = 1
    return np.full((64, 64, 3), number, np.uint8), mask


def crops(mode: str, count: int = 6, crop_px: int = 0, balance: bool = False) -> CropDataset:
    sources = [Source(str(n), partial(_load, n), source="ab"[n % 3 == 0]) for n in range(count)]
    augment = AugmentConfig.model_validate({**STILL, "stochastic_width": {"mode": mode}})
    plan = CropPlan(0, crop_px, 1 if not crop_px else 2, 0.5, balance)
    return CropDataset(PictureStore(sources, 10**8), plan, InputSpec(size_px=512), augment)


def seen(data: CropDataset, epoch: int = 0) -> list[tuple[int, int]]:
    """Picture and pixels of crack of each item of an epoch."""
    out = []
    for key in data.order(epoch):
        image, mask = data[int(key)]
        grey = round(float((image[0, 0, 0] * 0.25 + 0.5) * 255))
        out.append((grey, int((mask == 1).sum(axis=0).max())))
    return sorted(out)


def test_every_shows_each_picture_with_each_of_its_four_masks() -> None:
    data = crops("every")
    assert len(data) == 24
    assert seen(data) == [(n, rows) for n in range(6) for rows in (1, 3, 7, 14)]
    assert len(crops("every", crop_px=32)) == 48


def test_every_goes_with_balanced_sources() -> None:
    pairs = [pair for epoch in range(6) for pair in seen(crops("every", balance=True), epoch)]
    counts = {pair: pairs.count(pair) for pair in pairs}
    assert len(counts) == 24
    of_source = [
        [counts[n, rows] for n in names for rows in (1, 3, 7, 14)] for names in ((0, 3), (1, 2, 4, 5))
    ]
    assert all(max(group) - min(group) <= 1 for group in of_source)


def test_random_draws_among_the_four_evenly_and_keeps_the_length() -> None:
    data = crops("random")
    assert len(data) == 6
    drawn = [rows for epoch in range(60) for _, rows in seen(data, epoch)]
    assert set(drawn) == {1, 3, 7, 14}
    assert all(60 <= drawn.count(rows) <= 120 for rows in (1, 3, 7, 14))
    assert seen(data, 3) == seen(crops("random"), 3)


def test_off_is_the_mask_as_drawn() -> None:
    assert {rows for _, rows in seen(crops("off"))} == {1}
    mask = line()
    assert widen(mask, ()) is mask


@pytest.mark.parametrize("edges", [(), (1,), (3, 100), tuple([3] * 17)])
def test_wrong_squares_are_refused(edges: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        StochasticWidthConfig(kernels_px=edges)
