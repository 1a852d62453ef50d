"""Thresholds of largest F1: no other threshold is better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawscope.evaluation.label_thresholds import best_f1

PAIRS = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=30)


def f1_at(threshold: float, scores: np.ndarray, truth: np.ndarray) -> float:
    said = scores >= threshold
    return float(2 * (said & truth).sum() / max(said.sum() + truth.sum(), 1))


@given(PAIRS)
def test_no_threshold_is_better(pairs: list[tuple[float, bool]]) -> None:
    scores, truth = (np.array(column) for column in zip(*pairs, strict=True))
    found = best_f1(scores, truth)
    assert 0 <= found <= 1
    if not truth.any():
        assert found == 0.5
        return
    best = max(f1_at(cut, scores, truth) for cut in np.linspace(0, 1, 41))
    assert f1_at(found, scores, truth) == pytest.approx(best)


def test_it_lies_halfway_between_images() -> None:
    assert best_f1([0.9, 0.8, 0.3, 0.1], [True, True, False, False]) == pytest.approx(0.55)
    assert best_f1([0.9, 0.8], [True, True]) == pytest.approx(0.4)
    assert best_f1([0.2, 0.9], [False, False]) == 0.5
