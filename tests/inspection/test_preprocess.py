"""The one preprocessing."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.errors import ImageError
from flawscope.inspection.bands import ArraySource
from flawscope.inspection.preprocess import network_size_hw, preprocess, resize_for, resize_image
from flawscope.inspection.resample import restore, restore_rows, shrink_source
from flawscope.manifest import InputSpec

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)


def test_rgb_is_normalised_channel_by_channel() -> None:
    spec = InputSpec(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    found = preprocess(IMAGE, spec)
    expected = (IMAGE / 255.0 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-6)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_grey_is_luma_once_or_three_times() -> None:
    one = preprocess(IMAGE, InputSpec(channels="grey", mean=(0.0,), std=(1.0,)))
    three = preprocess(IMAGE, InputSpec(channels="grey3", mean=(0.0,) * 3, std=(1.0,) * 3))
    np.testing.assert_allclose(one[0], IMAGE @ [0.299, 0.587, 0.114] / 255, atol=1e-6)
    assert three.shape == (3, 37, 53)
    assert (three == one).all()


def test_pictures_are_not_changed_by_it() -> None:
    before = IMAGE.copy()
    preprocess(IMAGE, InputSpec())
    assert (before == IMAGE).all()


def test_a_stack_of_pictures_is_refused() -> None:
    with pytest.raises(ImageError, match="Expected height x width x 3"):
        preprocess(IMAGE[None], InputSpec())


def test_network_sizes() -> None:
    assert network_size_hw((100, 50), InputSpec()) == (100, 50)
    assert network_size_hw((100, 50), InputSpec(mode="resize", factor=0.25)) == (25, 12)
    assert network_size_hw((100, 50), InputSpec(mode="resize", size_hw=(7, 9))) == (7, 9)
    assert network_size_hw((1, 1), InputSpec(mode="resize", factor=0.01)) == (1, 1)
    assert resize_for(IMAGE, InputSpec()) is IMAGE
    assert resize_for(IMAGE, InputSpec(mode="resize", size_hw=(7, 9))).shape == (7, 9, 3)


@pytest.mark.parametrize("size_hw", [(300, 40), (77, 53), (1, 1), (1111, 90), (1500, 120)])
def test_resizing_in_bands_gives_the_same_pixels_as_in_one_go(size_hw: tuple[int, int]) -> None:
    image = RNG.integers(0, 256, (1111, 90, 3), dtype=np.uint8)
    banded = shrink_source(ArraySource(image), size_hw).astype(int)
    assert np.abs(banded - resize_image(image, size_hw)).max() <= 1


def test_restoring_rows_is_restoring_the_whole() -> None:
    small = RNG.random((2, 20, 31), dtype=np.float32)
    whole = restore(small, (61, 90))
    assert whole.shape == (2, 61, 90)
    np.testing.assert_array_equal(restore_rows(small, (61, 90), 13, 40), whole[:, 13:40])
    assert whole.min() >= small.min()
    assert whole.max() <= small.max() + 1e-6


def test_restoring_keeps_a_ramp_in_place() -> None:
    ramp = np.linspace(0, 1, 40, dtype=np.float32)[None, None].repeat(10, axis=1)
    found = restore(ramp, (20, 80))[0, 0]
    np.testing.assert_allclose(found[1:-1], ((np.arange(80) + 0.5) / 2 - 0.5)[1:-1] / 39, atol=1e-6)


def test_shrinking_a_lot_averages_instead_of_skipping() -> None:
    line = np.zeros((1, 200, 200), dtype=np.float32)
    line[:, 101] = 1.0
    found = restore(line, (20, 20))
    assert found.sum(axis=1).min() == pytest.approx(0.1, abs=0.03)
