"""Exact shapes, and errors of measuring them."""

from __future__ import annotations

import numpy as np
import pytest

from exact_shapes import bar, ring, star, thick_line, wedge
from measure_accuracy import bent_lines, golden, shape_errors, synthetic


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
@pytest.mark.parametrize("width", [2.0, 7.0, 20.0])
def test_areas_of_the_shapes_follow_from_length_and_width(angle: float, width: float) -> None:
    for shape in (bar(90, width, angle), wedge(90, (width, width + 4), angle), ring(40, width)):
        expected = shape.length_px * shape.width_mean_px
        assert shape.mask.sum() == pytest.approx(expected, rel=0.03)
        edge = np.concatenate([shape.mask[0], shape.mask[-1], shape.mask[:, 0], shape.mask[:, -1]])
        assert not edge.any(), "the border does not cut it"


def test_a_wedge_tells_its_width_anywhere() -> None:
    shape = wedge(100, (2, 12), 0.0)
    middle = shape.mask.shape[0] // 2
    points = np.array([[middle - 50.0, middle], [middle, middle], [middle + 200.0, middle]])
    assert shape.width_at(points) == pytest.approx([2, 7, 12], abs=0.05)


def test_a_bent_line_is_as_long_and_as_wide_as_its_chain() -> None:
    shape = thick_line(np.array([[0.0, 0.0], [30.0, 40.0], [80.0, 40.0]]), 5.0, "bend")
    assert shape.length_px == pytest.approx(50 + 50 + 5)
    caps = np.pi / 4 * 25 - 25  # round ends hold less than the square ones that the length stands for
    assert shape.mask.sum() == pytest.approx(shape.length_px * 5 + caps, rel=0.03)
    edge = np.concatenate([shape.mask[0], shape.mask[-1], shape.mask[:, 0], shape.mask[:, -1]])
    assert not edge.any(), "the border does not cut it"


def test_bent_lines_come_in_three_kinds_that_hardly_touch_themselves() -> None:
    every = list(bent_lines((2.0,), length=64.0))
    assert {shape.name for shape in every} == {"sine", "zigzag", "walk"}
    for shape in every:
        assert shape.mask.sum() == pytest.approx(2 * shape.length_px, rel=0.12)
    assert golden(every)["sine"]["length_bias"] == pytest.approx(0, abs=0.05)


def test_measured_shapes_are_near_the_truth() -> None:
    errors = shape_errors(bar(120, 6, 30.0))
    assert errors["width_mean"] < 0.5 and errors["length"] < 0.02 and errors["pieces"] == 1
    figures = golden([ring(30, 5), star(60, 4, (10.0, 100.0, 190.0, 280.0), "cross")])
    assert set(figures) == {"ring", "cross"}
    assert figures["ring"]["shapes"] == 1 and figures["cross"]["width_mean_error_px_max"] < 0.5


def test_synthetic_cracks_are_measured() -> None:
    figures = synthetic(3, 192)
    assert figures["pictures"] >= 1 and figures["points"] > 50
    assert figures["all"]["error_px_median"] < 1
