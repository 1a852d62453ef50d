"""Components at every threshold at once are those that labelling finds at each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from flawscope.errors import UsageError
from flawscope.evaluation.component_curve import component_curve

STRUCTURE = {4: ndimage.generate_binary_structure(2, 1), 8: np.ones((3, 3), bool)}


def labelled(plane: np.ndarray, threshold: float, neighbours: int) -> int:
    return int(ndimage.label(plane >= threshold, STRUCTURE[neighbours])[1])


def check(plane: np.ndarray, neighbours: int) -> None:
    curve = component_curve(plane, neighbours)  # type: ignore[arg-type]
    values = np.unique(plane)
    between = (values[1:].astype(float) + values[:-1].astype(float)) / 2
    thresholds = np.concatenate([values.astype(float), between, [-0.5, 2.0]])
    expected = [labelled(plane, t, neighbours) for t in thresholds]
    assert curve.count(thresholds).tolist() == expected


shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


@settings(deadline=None, max_examples=150)
@given(hnp.arrays(np.uint8, shapes, elements=st.integers(0, 4)), st.sampled_from([4, 8]))
def test_many_ties(levels: np.ndarray, neighbours: int) -> None:
    check(levels.astype(np.float32) / np.float32(4), neighbours)


@settings(deadline=None, max_examples=80)
@given(
    hnp.arrays(np.float32, shapes, elements=st.floats(0, 1, width=32)),
    st.sampled_from([4, 8]),
)
def test_any_probabilities(plane: np.ndarray, neighbours: int) -> None:
    check(plane, neighbours)


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("kind", ["flat", "steps", "noise", "smooth", "cut"])
def test_larger_maps(kind: str, neighbours: int) -> None:
    rng = np.random.default_rng(4)
    noise = rng.random((48, 61)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 3)
    plane = {
        "flat": np.full((48, 61), 0.25, np.float32),
        "steps": np.round(smooth * 40) / 40,
        "noise": noise,
        "smooth": smooth,
        "cut": np.where(smooth > 0.5, np.float32(1), np.float32(0)),
    }[kind].astype(np.float32)
    curve = component_curve(plane, neighbours)  # type: ignore[arg-type]
    thresholds = np.concatenate([np.linspace(0, 1, 60), np.unique(plane)[::41]])
    assert curve.count(thresholds).tolist() == [labelled(plane, t, neighbours) for t in thresholds]


def test_diagonal_pixels_are_one_or_two() -> None:
    plane = np.array([[0.9, 0.1], [0.1, 0.8]])
    assert int(component_curve(plane, 8).count(0.5)) == 1
    assert int(component_curve(plane, 4).count(0.5)) == 2
    assert int(component_curve(plane, 8).count(0.85)) == 1


def test_nothing_and_wrong_maps() -> None:
    assert int(component_curve(np.zeros((0, 5))).count(0.5)) == 0
    assert int(component_curve(np.zeros((1, 1))).count(0.5)) == 0
    for wrong in (np.zeros(3), np.full((2, 2), np.nan)):
        with pytest.raises(UsageError):
            component_curve(wrong)
    with pytest.raises(UsageError, match="4 or 8"):
        component_curve(np.zeros((2, 2)), 6)  # type: ignore[arg-type]
