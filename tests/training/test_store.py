"""Pictures are kept up to a limit and come out the same either way."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from flawscope.errors import DataError
from flawscope.manifest import InputSpec
from flawscope.training.store import PictureStore, Source, make_picture, sample_source
from flawscope.types import Sample


def _load(number: int, loads: list[int]) -> tuple[Any, Any]:
    loads.append(number)
    mask = np.zeros((20, 30), np.uint8)
    mask[number] = 1
    return np.full((20, 30, 3), number, np.uint8), mask


def _store(limit_bytes: int) -> tuple[PictureStore, list[int]]:
    loads: list[int] = []
    return PictureStore([Source(str(n), partial(_load, n, loads)) for n in range(6)], limit_bytes), loads


def test_within_the_limit_each_is_decoded_once() -> None:
    store, loads = _store(10**6)
    assert store.warm()
    for n in (3, 3, 0, 5):
        assert store[n].image[0, 0, 0] == n
    assert loads == [0, 1, 2, 3, 4, 5]
    assert store.block_size() == 6


def test_beyond_the_limit_the_oldest_go() -> None:
    store, loads = _store(6000)
    assert not store.warm()
    size = store[0].nbytes
    assert store.block_size() == int(0.9 * 6000 / size)
    before = len(loads)
    assert store[4].image[0, 0, 0] == 4
    assert store[4].image[0, 0, 0] == 4
    assert len(loads) <= before + 1


def test_the_block_does_not_depend_on_what_was_used() -> None:
    a, b = _store(6000)[0], _store(6000)[0]
    for n in (5, 4, 3):
        a[n]
    assert a.block_size() == b.block_size()


def test_replaced_pictures_are_new() -> None:
    store, loads = _store(10**6)
    store.warm()
    store.replace(2, Source("new", partial(_load, 9, loads)))
    assert store[2].image[0, 0, 0] == 9


def test_positives_leave_out_background_and_ignored() -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 2], mask[3, 3], mask[0, 0] = 1, 2, 255
    picture = make_picture(np.zeros((4, 5, 3), np.uint8), mask)
    assert [list(p) for p in picture.positives] == [[7], [18]]


def test_samples_are_resized_where_the_network_wants_it() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30] = 1
    sample = Sample("a", image=lambda: np.zeros((40, 60, 3), np.uint8), read_mask=lambda: mask)
    image, small = sample_source(sample, InputSpec(mode="resize", size_hw=(20, 20))).load()
    assert image.shape == (20, 20, 3) and small.shape == (20, 20)
    assert set(np.unique(small)) == {0, 1}
    assert sample_source(sample).load()[0].shape == (40, 60, 3)


def test_stacks_are_resized_too() -> None:
    stack = np.zeros((40, 60, 2), bool)
    stack[:20, :, 1] = True
    sample = Sample("a", image=lambda: np.zeros((40, 60, 3), np.uint8), read_mask=lambda: stack)
    small = sample_source(sample, InputSpec(mode="resize", factor=0.5)).load()[1]
    assert small.shape == (20, 30, 2) and small.dtype == bool
    assert small[:10, :, 1].all() and not small[..., 0].any()


def test_missing_and_misfit_masks_are_named() -> None:
    none = Sample("a", image=lambda: np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(DataError, match="a has no mask"):
        sample_source(none).load()
    misfit = Sample(
        "b", image=lambda: np.zeros((4, 5, 3), np.uint8), read_mask=lambda: np.zeros((5, 4), np.uint8)
    )
    with pytest.raises(DataError, match="5 x 4 px and its mask 4 x 5 px"):
        sample_source(misfit).load()
