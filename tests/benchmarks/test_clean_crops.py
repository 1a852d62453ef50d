"""The choice of crack-free crops: far from every label, without overlap, always the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clean_crops import clean_corners


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), labels=st.integers(0, 6), margin=st.integers(0, 9))
def test_no_label_is_near_and_no_two_overlap(seed: int, labels: int, margin: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(8, 70)), int(rng.integers(8, 70))
    mask = np.zeros((height, width), np.uint8)
    rows, columns = rng.integers(0, height, labels), rng.integers(0, width, labels)
    mask[rows, columns] = 1
    crop, step = 12, int(rng.integers(1, 6))
    corners = clean_corners(mask, crop, margin, step)
    assert corners == clean_corners(mask.copy(), crop, margin, step)
    times = np.zeros((height, width), int)
    for row, column in corners:
        assert 0 <= row <= height - crop and 0 <= column <= width - crop
        times[row : row + crop, column : column + crop] += 1
    assert times.max(initial=0) <= 1
    for y, x in zip(rows, columns, strict=True):
        chosen_y, chosen_x = np.nonzero(times)
        assert np.all(np.hypot(chosen_y - y, chosen_x - x) >= margin)
        assert times[y, x] == 0


def test_an_empty_mask_is_filled_and_a_small_one_gives_nothing() -> None:
    assert clean_corners(np.zeros((320, 480), np.uint8)) == [
        (row, column) for row in (0, 160) for column in (0, 160, 320)
    ]
    assert clean_corners(np.zeros((159, 480), np.uint8)) == []
    assert clean_corners(np.zeros((160, 160), np.uint8)) == [(0, 0)]


def test_ignored_pixels_and_planes_count_as_labels() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[10, 10] = 255
    assert clean_corners(mask, 20, 0, 1) == []
    planes = np.zeros((20, 20, 2), bool)
    planes[3, 3, 1] = True
    assert clean_corners(planes, 20, 0, 1) == []
