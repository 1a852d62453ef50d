"""Thresholds, minimum areas, presence."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.errors import UsageError
from flawscope.inspection.postprocess import open_area, to_mask


def test_a_pixel_counts_from_its_threshold_on() -> None:
    mask, stack = to_mask(np.array([[[0.29, 0.3, 0.9]]], dtype=np.float32), [0.3], [0])
    assert mask.tolist() == [[0, 1, 1]]
    assert mask.dtype == np.uint8
    assert stack.tolist() == [[[False, True, True]]]


def test_small_components_go_and_diagonals_hold_together() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[0, 0] = mask[1, 1] = mask[2, 2] = mask[6, 6] = True
    assert open_area(mask, 3).sum() == 3
    assert open_area(mask, 4).sum() == 0
    assert open_area(mask, 1) is mask


def test_the_most_probable_class_wins_and_the_stack_keeps_both() -> None:
    probability = np.array([[[0.6, 0.9, 0.1]], [[0.8, 0.5, 0.1]]], dtype=np.float32)
    mask, stack = to_mask(probability, [0.5, 0.5], [0, 0], class_ids=[3, 7])
    assert mask.tolist() == [[7, 3, 0]]
    assert stack[:, 0, 0].all()


def test_a_class_below_its_threshold_cannot_win() -> None:
    probability = np.array([[[0.6]], [[0.8]]], dtype=np.float32)
    assert to_mask(probability, [0.5, 0.9], [0, 0])[0].tolist() == [[1]]


def test_presence_clears_a_class_with_too_few_pixels_in_the_image() -> None:
    probability = np.zeros((1, 10, 10), dtype=np.float32)
    probability[0, 0, :5] = 1.0
    assert to_mask(probability, [0.5], [0], [5])[0].sum() == 5
    assert to_mask(probability, [0.5], [0], [6])[0].sum() == 0


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(UsageError, match="one value for each"):
        to_mask(np.zeros((2, 3, 3), dtype=np.float32), [0.5], [0])
