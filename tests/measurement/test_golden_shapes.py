"""Shapes of known size: lengths within 2 %, widths within half a pixel.

A hard mask cannot hold every width: along a direction in which rows of pixels repeat every ``s`` pixels its
width is a multiple of ``s``. The bars whose masks are another bar for that reason are named, and measured
against their masks; all others against the truth.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage import draw

from flawscope.measurement.findings import measure
from flawscope.types import Finding

from . import shapes

ANGLES = list(range(0, 180, 5))
OFF_GRID = [angle + 3.7 for angle in range(0, 180, 12)]

NOT_HELD = {(2, 45): 1.41, (3, 135): 3.54, (5, 45): 5.64, (12, 45): 11.28, (20, 135): 20.58}
"""Width and angle of bars on the diagonal -> width of their hard mask, whole steps of half a diagonal."""

NOT_TO_THE_END = {(20, 3.7): 0.6}
"""Wide end and angle of wedges -> error of the largest width: the centreline stops before their last row."""


def only(coverage: shapes.Coverage, soft: bool = False) -> Finding:
    findings = measure(shapes.hard(coverage), coverage if soft else None)
    return max(findings, key=lambda finding: finding.area_px)


@pytest.mark.parametrize("width", [2, 3, 5, 8, 12, 20])
def test_soft_edges_give_the_width_of_a_bar_at_any_angle(width: int) -> None:
    for angle in ANGLES:
        bar = only(shapes.bar(100, width, angle, (0.2, 0.3)), soft=True)
        assert bar.length_px == pytest.approx(100, rel=0.02), angle
        assert bar.width_mean_px == pytest.approx(width, abs=0.25), angle
        assert bar.width_p95_px == pytest.approx(width, abs=0.3), angle
        assert bar.width_max_px == pytest.approx(width, abs=0.4), angle


@pytest.mark.parametrize("width", [2, 3, 5, 8, 12, 20])
def test_hard_masks_give_the_width_of_a_bar(width: int) -> None:
    for angle in (*ANGLES, *OFF_GRID):
        bar = only(shapes.bar(100, width, angle, (0.2, 0.3)))
        held = NOT_HELD.get((width, angle), width)
        assert bar.area_px / 100 == pytest.approx(held, abs=0.01 if held != width else 0.5), angle
        assert bar.length_px == pytest.approx(100, rel=0.02), angle
        assert bar.width_mean_px == pytest.approx(held, abs=0.3 if angle in OFF_GRID else 0.5), angle
        assert bar.width_p95_px == pytest.approx(held, abs=0.5), angle
        assert bar.width_max_px == pytest.approx(held, abs=0.5), angle


@pytest.mark.parametrize("width", [2, 5, 12, 20])
def test_the_width_agrees_with_the_area_at_every_angle(width: int) -> None:
    for angle in ANGLES:
        bar = only(shapes.bar(100, width, angle, (0.2, 0.3)))
        assert bar.width_mean_px == pytest.approx(bar.area_px / 100, abs=0.25), angle


def test_direction_is_counter_clockwise_from_the_rows() -> None:
    for angle in ANGLES:
        bar = only(shapes.bar(80, 4, angle, (0.1, 0.1)))
        turn = (bar.orientation_deg - angle + 90) % 180 - 90
        assert abs(turn) < 1.5, angle


@pytest.mark.parametrize("width", [3, 8, 20])
def test_round_ends_count_in_the_length_and_not_in_the_width(width: int) -> None:
    for angle in OFF_GRID:
        capsule = only(shapes.capsule(120, width, angle))
        assert capsule.length_px == pytest.approx(120, rel=0.02), angle
        assert capsule.width_mean_px == pytest.approx(width, abs=0.3), angle


@pytest.mark.parametrize(("narrow", "wide"), [(1, 8), (2, 20)])
def test_a_wedge_is_measured_to_its_wide_end(narrow: int, wide: int) -> None:
    for angle in OFF_GRID:
        wedge = only(shapes.wedge(160, narrow, wide, angle), soft=True)
        assert wedge.length_px == pytest.approx(160, rel=0.02), angle
        assert wedge.width_mean_px == pytest.approx((narrow + wide) / 2, abs=0.3), angle
        allowed = NOT_TO_THE_END.get((wide, angle), 0.5)
        assert wedge.width_max_px == pytest.approx(wide, abs=allowed), angle
        line, over_px = wedge.centreline, 8
        ends = sorted([line.width_px[:over_px].mean(), line.width_px[-over_px:].mean()])
        grown = (
            (wide - narrow) / 160 * over_px / 2
        )  # so much wider is the wedge in the middle of its first 8 px
        assert ends == pytest.approx([narrow + grown, wide - grown], abs=0.35), angle


@pytest.mark.parametrize(("radius", "width"), [(10, 2), (10, 5), (20, 3), (20, 5)])
def test_bent_lines_reach_to_their_flat_ends(radius: int, width: int) -> None:
    for sweep in (126, 200, 300):
        arc = only(shapes.arc(radius, width, 100, sweep))
        assert arc.length_px == pytest.approx(np.deg2rad(sweep) * radius, abs=1.0), sweep


@pytest.mark.parametrize("thick", [10, 20, 40])
@pytest.mark.parametrize("turn", [0, 17, 45])
def test_stout_blobs_are_as_wide_as_their_smallest_diameter(thick: int, turn: int) -> None:
    for long in (1.0, 1.25, 1.5):
        for shape in (shapes.bar, shapes.ellipse):
            blob = only(shape(thick * long, thick, turn, (0.2, 0.3)))
            assert blob.width_max_px == pytest.approx(thick, abs=1.0), (long, shape)


@pytest.mark.parametrize("radius", [10, 25, 60])
@pytest.mark.parametrize("width", [2, 5, 9])
def test_a_ring_is_one_closed_line(radius: int, width: int) -> None:
    ring = only(shapes.ring(radius, width, (0.3, 0.1)), soft=True)
    assert ring.length_px == pytest.approx(2 * np.pi * radius, rel=0.02)
    assert ring.width_mean_px == pytest.approx(width, abs=0.3)
    assert ring.branch_points == 0
    assert len(ring.contour_xy_px) == 2  # outer ring and hole


@pytest.mark.parametrize("width", [2, 6, 12, 20])
@pytest.mark.parametrize(
    ("name", "arms"), [("cross", (0, 90, 180, 270)), ("slant cross", (0, 60, 180, 240)), ("Y", (0, 120, 240))]
)
def test_crossings_neither_lengthen_nor_widen(name: str, arms: tuple[int, ...], width: int) -> None:
    for turn in (3.7, 20.3, 49.1, 77.9):
        star = only(shapes.star(80, width, tuple(arm + turn for arm in arms)))
        assert star.length_px == pytest.approx(80 * len(arms), rel=0.02), turn
        assert star.width_mean_px == pytest.approx(width, abs=0.3), turn
        assert star.width_max_px == pytest.approx(width, abs=0.5), turn
        assert star.branch_points >= 1


@pytest.mark.parametrize("width", [2, 4, 8])
def test_bends_are_followed(width: int) -> None:
    coverage, length = shapes.wave(200, width, amplitude=8, period=60)
    wave = only(coverage, soft=True)
    assert wave.length_px == pytest.approx(length, rel=0.02)
    assert wave.width_mean_px == pytest.approx(width, abs=0.3)


def test_a_diagonal_of_single_pixels_is_as_long_as_it_looks() -> None:
    mask = np.eye(100, dtype=np.uint8)
    line = only(mask.astype(np.float32))
    assert line.length_px == pytest.approx(100 * np.sqrt(2), rel=0.02)
    assert line.width_mean_px == pytest.approx(1 / np.sqrt(2), abs=0.1)


@pytest.mark.parametrize("length", [25, 150])
def test_lines_of_single_pixels_reach_to_their_last_pixels_at_every_angle(length: int) -> None:
    rng = np.random.default_rng(0)
    for angle in rng.uniform(0, 2 * np.pi, 60):
        dx, dy = (round(length * float(part)) for part in (np.cos(angle), np.sin(angle)))
        mask = np.zeros((2 * length + 9, 2 * length + 9), np.uint8)
        mask[draw.line(length + 4, length + 4, length + 4 + dy, length + 4 + dx)] = 1
        # From the middle of the first pixel to that of the last, and half a pixel more at both ends.
        true = np.hypot(dx, dy) + max(abs(dx), abs(dy)) / np.hypot(dx, dy)
        found = only(mask.astype(np.float32)).length_px
        assert found == pytest.approx(true, abs=max(0.3, 0.01 * length)), (dx, dy)


def test_a_short_stout_bar_keeps_its_axis() -> None:
    for angle in OFF_GRID:
        bar = only(shapes.bar(60, 20, angle, (0.1, 0.3)))
        assert bar.length_px == pytest.approx(60, rel=0.025), angle
        assert bar.width_mean_px == pytest.approx(20, abs=0.4), angle
