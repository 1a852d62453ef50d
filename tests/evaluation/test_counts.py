"""Counts of one image agree with their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import maximum_filter
from skimage.morphology import disk, skeletonize

from flawscope.errors import ImageError
from flawscope.evaluation import counts as c

from .reference import distance_to

masks = hnp.arrays(
    bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24), elements=st.booleans()
)


def scene(seed: int, size_hw: tuple[int, int] = (60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """A smooth probability map and a crack-like truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(size_hw, np.uint8)
    row = size_hw[0] // 2
    for x in range(size_hw[1]):
        row = int(np.clip(row + rng.integers(-1, 2), 1, size_hw[0] - 2))
        truth[row : row + 2, x] = 1
    probability = rng.random(size_hw).astype(np.float32) ** 4
    shifted = np.roll(truth, 1, axis=0) > 0
    probability[shifted] = rng.uniform(0.3, 1, int(shifted.sum()))
    return probability, truth


@given(masks, st.sampled_from([0, 1, 2, 4, 5]))
@settings(max_examples=60, deadline=None)
def test_within_is_the_exact_distance(mask: np.ndarray, radius: int) -> None:
    assert np.array_equal(c.within(mask, radius), distance_to(mask) <= radius)


def test_disk_maximum_is_the_two_dimensional_filter() -> None:
    values = np.random.default_rng(0).integers(0, 100, (31, 17)).astype(np.uint8)
    expected = maximum_filter(values, footprint=disk(4), mode="constant")
    assert np.array_equal(c.disk_maximum(values, 4), expected)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
@settings(deadline=None)
def test_level_says_exactly_which_thresholds_are_reached(values: list[float]) -> None:
    p = np.array([*values, *c.THRESHOLDS, *np.nextafter(c.THRESHOLDS, np.float32(0))], np.float32)
    assert np.array_equal(c.threshold_levels(p), (p[:, None] >= c.THRESHOLDS).sum(axis=1))


def test_strict_counts_and_ignored_pixels() -> None:
    probability = np.array([[0.9, 0.9, 0.1, 0.1, 0.9]], np.float32)
    truth = np.array([[1, 0, 1, 0, 255]], np.uint8)
    got = c.count_image(probability, truth, 0.5)
    assert (got.tp, got.fp, got.fn, got.tn) == (1, 1, 1, 1)
    assert got.curves is not None
    assert got.curves.predicted[49] == 2


def test_an_ignored_prediction_hits_nothing() -> None:
    probability = np.zeros((9, 9), np.float32)
    probability[4, 4] = 1
    truth = np.zeros((9, 9), np.uint8)
    truth[4, 5] = 1
    assert c.count_image(probability, truth).true_hit_tol2 == 1
    truth[4, 4] = 255
    got = c.count_image(probability, truth)
    assert (got.true_hit_tol2, got.predicted_pixels, int(got.curves.true_hit_tol2.max())) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_tolerance_counts_are_exact(seed: int) -> None:
    probability, truth = scene(seed)
    predicted, true = probability >= 0.5, truth > 0
    got = c.count_image(probability, truth, 0.5)
    for radius, hit_p, hit_t in [
        (2, got.predicted_hit_tol2, got.true_hit_tol2),
        (5, got.predicted_hit_tol5, got.true_hit_tol5),
    ]:
        assert hit_p == (predicted & (distance_to(true) <= radius)).sum()
        assert hit_t == (true & (distance_to(predicted) <= radius)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_curves_equal_counting_at_every_threshold(seed: int) -> None:
    probability, truth = scene(seed)
    truth[:5] = 255
    valid, true = truth != 255, truth == 1
    curves = c.count_image(probability, truth).curves
    assert curves is not None
    for k, t in enumerate(c.THRESHOLDS):
        predicted = (probability >= t) & valid
        assert curves.predicted[k] == predicted.sum()
        assert curves.true_positive[k] == (predicted & true).sum()
        assert curves.predicted_hit_tol2[k] == (predicted & (distance_to(true) <= 2)).sum()
        assert curves.true_hit_tol2[k] == (true & (distance_to(predicted) <= 2)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_centreline_counts_follow_their_papers(seed: int) -> None:
    probability, truth = scene(seed)
    predicted, true = probability >= 0.5, truth > 0
    thin_p, thin_t = skeletonize(predicted), skeletonize(true)
    got = c.count_image(probability, truth, 0.5)
    assert (got.predicted_skeleton, got.predicted_skeleton_hit) == (thin_p.sum(), (thin_p & true).sum())
    assert (got.true_skeleton, got.true_skeleton_hit) == (thin_t.sum(), (thin_t & predicted).sum())
    tp = thin_t & (distance_to(thin_p) <= 4)
    fp = thin_p & ~(distance_to(thin_t) <= 4)
    assert (got.cliou_tp, got.cliou_fp, got.cliou_fn) == (tp.sum(), fp.sum(), (thin_t & ~tp).sum())


def test_score_is_the_best_mean_of_a_component() -> None:
    probability = np.zeros((10, 10), np.float32)
    probability[1, 1], probability[2, 2] = 0.9, 0.7  # one component: corners touch
    probability[7, 7] = 0.6
    got = c.count_image(probability, np.zeros((10, 10), np.uint8), 0.5)
    assert got.image_score == pytest.approx(0.8)
    assert c.count_image(probability * 0, np.zeros((10, 10), np.uint8)).image_score == 0


def test_a_given_mask_replaces_the_threshold() -> None:
    probability, truth = scene(0)
    got = c.count_image(probability, truth, predicted=np.zeros(truth.shape, bool))
    assert got.predicted_pixels == 0
    assert got.curves is not None and got.curves.predicted[0] > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_tiny_images(shape: tuple[int, int]) -> None:
    full = c.count_image(np.ones(shape, np.float32), np.ones(shape, bool))
    assert (full.tp, full.fp, full.fn, full.tn) == (shape[0] * shape[1], 0, 0, 0)
    assert full.true_hit_tol2 == full.tp


def test_sizes_must_agree() -> None:
    with pytest.raises(ImageError, match=r"5 x 4 .* 5 x 5"):
        c.count_image(np.zeros((5, 5), np.float32), np.zeros((4, 5), np.uint8))
