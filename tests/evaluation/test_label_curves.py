"""Curves of one class equal their definitions, counted the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawscope.evaluation.label_curves import calibration, roc_area, steps

ranked = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40)
"""Few different scores, so that ties are common."""


@given(ranked)
def test_every_step_counts_what_lies_at_or_above_its_threshold(pairs: list[tuple[int, bool]]) -> None:
    score, truth = np.array([s / 8 for s, _ in pairs]), np.array([t for _, t in pairs])
    curve = steps(score, truth)
    assert curve.threshold[0] == np.inf
    assert list(curve.threshold[1:]) == sorted(set(score.tolist()), reverse=True)
    for threshold, tp, fp in zip(curve.threshold, curve.true_positives, curve.false_positives, strict=True):
        assert tp == (truth & (score >= threshold)).sum()
        assert fp == (~truth & (score >= threshold)).sum()


@given(ranked)
def test_the_area_is_the_chance_that_a_positive_scores_above_a_negative(
    pairs: list[tuple[int, bool]],
) -> None:
    high, low = [s for s, t in pairs if t], [s for s, t in pairs if not t]
    got = roc_area([s / 8 for s, _ in pairs], [t for _, t in pairs])
    if not high or not low:
        assert math.isnan(got)
        return
    wins = sum((h > b) + 0.5 * (h == b) for h in high for b in low)
    assert got == pytest.approx(wins / (len(high) * len(low)))


@given(ranked)
def test_the_area_of_turned_scores_is_the_rest(pairs: list[tuple[int, bool]]) -> None:
    score, truth = [s / 8 for s, _ in pairs], [t for _, t in pairs]
    there, back = roc_area(score, truth), roc_area([1 - s for s in score], truth)
    assert math.isnan(there) or there + back == pytest.approx(1.0)


def test_no_images_have_no_area_and_no_calibration() -> None:
    assert math.isnan(roc_area([], []))
    assert math.isnan(calibration([], []).error)


def test_calibration_by_hand() -> None:
    # Bins of a half: [.0, .5) says .2 and .4, one of two is so; [.5, 1.] says .5 and 1., both are so.
    found = calibration([0.2, 0.4, 0.5, 1.0], [True, False, True, True], bins=2)
    assert found.images.tolist() == [2, 2]
    assert found.said == pytest.approx([0.3, 0.75])
    assert found.seen == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx((2 * 0.2 + 2 * 0.25) / 4)


@given(ranked)
def test_calibration_error_is_a_share_and_nothing_is_lost(pairs: list[tuple[int, bool]]) -> None:
    found = calibration([s / 8 for s, _ in pairs], [t for _, t in pairs])
    assert found.images.sum() == len(pairs)
    assert 0.0 <= found.error <= 1.0


def test_what_is_said_as_often_as_it_is_so_has_no_error() -> None:
    assert calibration([0.25] * 8, [True, True] + [False] * 6).error == pytest.approx(0.0)
