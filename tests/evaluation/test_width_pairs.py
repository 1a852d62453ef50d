"""Measured widths beside true ones."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.evaluation.width_pairs import bias_and_spread, centreline_widths, paired_widths
from flawscope.measurement import measure


def test_points_are_compared_only_where_one_crack_is_near() -> None:
    x = np.arange(0, 60, 0.5)
    true_xy, true_widths = np.column_stack([x, np.zeros_like(x)]), np.full(len(x), 3.0)
    measured = np.column_stack([np.arange(10.0, 50.0), np.full(40, 0.4)])
    pairs = paired_widths(measured, np.full(40, 3.2), true_xy, true_widths)
    assert pairs.shape == (40, 2) and np.allclose(pairs, (3.2, 3.0))
    far = paired_widths(measured + np.array([0, 5]), np.full(40, 3.2), true_xy, true_widths)
    assert len(far) == 0
    second = np.vstack([true_xy, true_xy + np.array([0, 2])])
    crossing = paired_widths(measured, np.full(40, 3.2), second, np.tile(true_widths, 2))
    assert len(crossing) < 40


def test_without_points_there_are_no_pairs() -> None:
    nothing = (np.zeros((0, 2)), np.zeros(0))
    one = (np.zeros((1, 2)), np.ones(1))
    assert paired_widths(*nothing, *one).shape == paired_widths(*one, *nothing).shape == (0, 2)


def test_bias_and_spread_of_a_normal_distribution_stand_a_few_wild_values() -> None:
    generator = np.random.default_rng(0)
    true = generator.uniform(1, 9, 4000)
    pairs = np.column_stack([true + generator.normal(1.5, 0.4, true.shape), true])
    pairs[:100, 0] += 50
    bias, spread = bias_and_spread(pairs)
    assert bias == pytest.approx(1.5, abs=0.05) and spread == pytest.approx(0.4, abs=0.05)


def test_widths_along_all_findings() -> None:
    mask = np.zeros((60, 120), np.uint8)
    mask[10:14, 10:110] = mask[40:48, 10:110] = 1
    points, widths = centreline_widths(measure(mask))
    assert points.shape == (len(widths), 2) and len(widths) > 150 and np.isfinite(widths).all()
    upper = points[:, 1] < 30
    assert np.median(widths[upper]) == pytest.approx(4, abs=0.1)
    assert np.median(widths[~upper]) == pytest.approx(8, abs=0.1)
    assert centreline_widths([])[0].shape == (0, 2)
