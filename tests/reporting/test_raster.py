from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from flawscope.reporting.raster import fill_rings, paste, patch_of

from .made import bar, finding_of


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (9, 11), elements=st.booleans()))
def test_contours_give_the_pixels_back(pixels: np.ndarray) -> None:
    labels, count = ndimage.label(pixels)  # 4-connected: what find_contours keeps apart
    for index in range(1, count + 1):
        own = labels == index
        found = np.zeros_like(own)
        paste(found, patch_of(finding_of(own)))
        assert np.array_equal(found, own)


def test_holes_stay_open() -> None:
    ring = np.ones((20, 20), dtype=bool)
    ring[5:15, 5:15] = False
    found = np.zeros_like(ring)
    paste(found, patch_of(finding_of(ring)))
    assert np.array_equal(found, ring)


@pytest.mark.parametrize("closed", [True, False])
def test_rings_need_not_be_closed(closed: bool) -> None:
    square = np.array([[0.5, 0.5], [3.5, 0.5], [3.5, 2.5], [0.5, 2.5]])
    ring = np.concatenate([square, square[:1]]) if closed else square
    assert np.array_equal(
        np.argwhere(fill_rings([ring], (5, 5))), [[r, c] for r in (1, 2) for c in (1, 2, 3)]
    )


def test_what_lies_outside_is_cut_off() -> None:
    ring = np.array([[-3.5, -3.5], [50.0, -3.5], [50.0, 50.0], [-3.5, 50.0]])
    assert fill_rings([ring], (4, 6)).all()
    target = np.zeros((10, 10), dtype=bool)
    paste(target, patch_of(bar()))
    assert not target.any()


def test_a_hairline_stays_whole_on_a_smaller_picture() -> None:
    pixels = np.zeros((400, 400), dtype=bool)
    pixels[np.arange(10, 390), np.arange(10, 390)] = True
    pixels[np.arange(10, 389), np.arange(11, 390)] = True
    small = np.zeros((50, 50), dtype=bool)
    paste(small, patch_of(finding_of(pixels), (1 / 8, 1 / 8)))
    assert ndimage.label(small, np.ones((3, 3)))[1] == 1
    assert small[2:48].any(axis=1).all()


def test_without_contour_the_box_stands_in() -> None:
    patch = patch_of(bar(contour_xy_px=()))
    assert (patch.x_px, patch.y_px, patch.pixels.shape) == (10, 20, (4, 40))
    assert patch.pixels.all()
