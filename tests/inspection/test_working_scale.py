"""The working scale: found where it helps, native where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from flawscope.inspection.bands import ArraySource
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.tiles import Network, predict_probability, working_scales
from flawscope.inspection.working_scale import ScaleSearch, candidate_scales, evidence, pick
from flawscope.types import RgbImage

from .toy_networks import SPEC_GREY, ThinDark

SEARCH = ScaleSearch(width_range_px=(2.0, 9.0))


def crack(size_px: int, width_px: float) -> RgbImage:
    """A wavy dark line on light ground."""
    y, x = np.mgrid[:size_px, :size_px]
    distance = np.abs(y - size_px / 2 - 0.06 * size_px * np.sin(x / size_px * 9))
    value = np.where(distance <= width_px / 2, 30, 200).astype(np.float32)
    return ndimage.gaussian_filter(value, 0.6)[..., None].repeat(3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("width_px", "expected"), [(3, 1.0), (6, 1.0), (16, 0.5), (34, 0.25)])
def test_wide_cracks_are_seen_at_a_smaller_size_and_others_as_they_are(
    width_px: float, expected: float
) -> None:
    network = Network(ThinDark(9), SPEC_GREY, 1, SEARCH)
    source = ArraySource(crack(900, width_px))
    assert working_scales(source, network, PredictOptions(scales="auto")) == (expected,)


def test_large_photographs_are_probed_where_something_is() -> None:
    image = np.full((3000, 2600, 3), 200, dtype=np.uint8)
    image[1700:2600, 1500:2400] = crack(900, 30)
    network = Network(ThinDark(9), SPEC_GREY, 1, SEARCH)
    assert working_scales(ArraySource(image), network, PredictOptions(scales="auto")) == (0.25,)


def test_an_empty_photograph_is_seen_as_it_is() -> None:
    image = np.full((500, 500, 3), 200, dtype=np.uint8)
    network = Network(ThinDark(9), SPEC_GREY, 1, SEARCH)
    assert working_scales(ArraySource(image), network, PredictOptions(scales="auto")) == (1.0,)


def test_choosing_finds_more_of_a_wide_crack() -> None:
    image = crack(900, 30)
    truth = image[..., 0] < 115
    native = predict_probability(image, ThinDark(9), SPEC_GREY, 1)[0] > 0.5
    options = PredictOptions(scales="auto")
    found = predict_probability(image, ThinDark(9), SPEC_GREY, 1, options, SEARCH)[0] > 0.5
    assert (found & truth).sum() > 0.9 * truth.sum() > 2 * (native & truth).sum()


def test_candidates_leave_enough_pixels() -> None:
    assert candidate_scales((480, 320), SEARCH) == (1.0, 0.7, 0.5, 0.35)
    assert candidate_scales((224, 224), SEARCH) == (1.0, 0.7, 0.5)
    assert candidate_scales((50, 50), SEARCH) == (1.0,)
    assert candidate_scales((4000, 3000), ScaleSearch((1.0, 0.7))) == (1.0, 0.7)
    assert candidate_scales((100, 100), ScaleSearch((0.5, 2.0))) == (1.0, 2.0)


def test_evidence_ignores_specks_and_unknown_widths() -> None:
    probability = np.zeros((1, 100, 100), dtype=np.float32)
    probability[0, 10:12, 10:12] = 1.0
    assert evidence(probability, 1.0, SEARCH) == 0.0
    probability[0, 40:80, 10:90] = 1.0
    assert evidence(probability, 1.0, SEARCH) == 0.0
    probability[0, 20:24, 10:90] = 1.0
    assert evidence(probability, 1.0, SEARCH) == pytest.approx(78, abs=3)
    assert evidence(probability, 0.5, SEARCH) == 2 * evidence(probability, 1.0, SEARCH)


def test_one_long_crack_is_more_than_the_same_length_in_pieces() -> None:
    whole = np.zeros((1, 100, 200), dtype=np.float32)
    whole[0, 50:54, 10:190] = 0.9
    pieces = whole.copy()
    pieces[0, :, ::20] = 0.0
    assert evidence(whole, 1.0, SEARCH) > 2 * evidence(pieces, 1.0, SEARCH)


def test_the_photographs_own_size_wins_a_near_tie_and_over_next_to_nothing() -> None:
    assert pick({1.0: 100.0, 0.5: 120.0}, 100, SEARCH) == 1.0
    assert pick({1.0: 100.0, 0.5: 170.0}, 100, SEARCH) == 0.5
    assert pick({1.0: 0.0, 0.5: 15.0}, 100, SEARCH) == 1.0
