"""What a finding says, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.errors import UsageError
from flawscope.measurement.findings import find, measure
from flawscope.types import ClassInfo, Scale


def two_bars() -> np.ndarray:
    mask = np.zeros((60, 120), np.uint8)
    mask[5:9, 0:80] = 1
    mask[30:50, 40:70] = 2
    mask[20, 100:110] = 255
    return mask


def test_findings_are_numbered_boxed_and_named() -> None:
    classes = [ClassInfo(1, "crack"), ClassInfo(2, "spall", kind="area")]
    crack, spall = find(two_bars(), classes, image="a/b.jpg")
    assert (crack.finding_id, crack.class_name, crack.image) == (1, "crack", "a/b.jpg")
    assert (crack.x_px, crack.y_px, crack.w_px, crack.h_px, crack.area_px) == (0, 5, 80, 4, 320)
    assert crack.at_border
    assert not spall.at_border
    assert crack.score_mean is None
    assert crack.length_mm is None


def test_an_area_has_feret_diameters_and_no_other_widths() -> None:
    spall = find(two_bars(), [ClassInfo(2, "spall", kind="area")])[0]
    assert spall.kind == "area"
    assert spall.length_px == pytest.approx(np.hypot(30, 20), abs=1.0)
    assert spall.width_max_px == pytest.approx(20, abs=0.5)
    assert spall.width_mean_px is None
    assert spall.width_p95_px is None
    assert spall.centreline is None
    assert spall.diameter_eq_px == pytest.approx(np.sqrt(4 * 600 / np.pi))


def test_ignored_pixels_are_never_measured() -> None:
    found = measure(two_bars())
    assert {finding.class_name for finding in found} == {"class-1", "class-2"}
    assert sum(finding.area_px for finding in found) == 320 + 600


def test_a_mask_of_0_and_255_warns_that_it_is_all_ignored() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[4:8] = 255
    with pytest.warns(UserWarning, match="mask > 0"):
        assert measure(mask) == []
    assert len(measure(mask > 0)) == 1


def test_planes_may_overlap() -> None:
    planes = np.zeros((30, 60, 2), bool)
    planes[10:14, 5:55, 0] = True
    planes[8:20, 20:40, 1] = True
    classes = [ClassInfo(1, "a"), ClassInfo(2, "b", kind="area")]
    assert [finding.area_px for finding in find(planes, classes)] == [200, 240]


def test_scores_come_from_the_probabilities_inside() -> None:
    mask = np.zeros((30, 60), np.uint8)
    mask[10:14, 5:55] = 1
    probability = np.where(mask, np.float32(0.9), np.float32(0.01))[None]
    probability[0, 11, 20] = 0.97
    crack = measure(mask, probability)[0]
    assert crack.score_max == pytest.approx(0.97)
    assert crack.score_mean == pytest.approx(0.9, abs=0.01)


def test_millimetres_follow_the_scale_and_its_uncertainty() -> None:
    mask = two_bars() == 1
    known = measure(mask, scale="0.5mm")[0]
    assert known.length_mm == pytest.approx(known.length_px * 0.5)
    assert known.area_mm2 == pytest.approx(known.area_px * 0.25)
    assert known.width_mean_mm == pytest.approx(2.0, abs=0.05)
    assert known.width_u_mm == pytest.approx(2 * 0.5 * 0.408, rel=0.02)  # both edges, k = 2
    doubtful = measure(mask, scale=Scale(0.5, u_rel=0.2))[0]
    assert doubtful.width_u_mm == pytest.approx(2 * 0.5 * np.hypot(0.408, 0.2 * 4), rel=0.02)
    assert measure(mask, scale=0.5)[0].length_mm == known.length_mm


def test_a_pinhole_makes_no_loop_and_a_real_hole_does() -> None:
    mask = np.zeros((60, 140), bool)
    mask[20:40, 5:135] = True
    mask[30, 60] = False
    assert measure(mask)[0].branch_points == 0
    mask[24:36, 50:90] = False
    found = measure(mask)[0]
    assert found.branch_points == 2
    assert len(found.contour_xy_px) == 2


def test_two_lines_that_touch_at_a_corner_are_one_finding() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:12, 5:20] = True
    mask[12:14, 20:35] = True
    assert len(measure(mask)) == 1


def test_the_contour_encloses_the_component() -> None:
    mask = two_bars() == 1
    ring = measure(mask)[0].contour_xy_px[0]
    assert np.allclose(ring[0], ring[-1])
    assert ring[:, 0].min() == pytest.approx(-0.5)
    assert ring[:, 1].max() == pytest.approx(8.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9), st.integers(1, 24), st.integers(1, 24))
def test_any_mask_is_measured_whole(seed: int, share: float, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    found = measure(mask)
    assert sum(finding.area_px for finding in found) == mask.sum()
    for finding in found:
        assert finding.length_px > 0
        assert finding.width_mean_px > 0
        assert 0 <= finding.orientation_deg < 180
        assert finding.width_p95_px <= finding.width_max_px + 1e-9
        assert np.isfinite(finding.centreline.points_xy_px).all()
        assert np.isfinite(finding.centreline.width_px).all()


@pytest.mark.parametrize(
    ("mask", "probability", "words"),
    [
        (np.zeros((4, 4, 2), np.uint8), None, "planes"),
        (np.zeros(4, np.uint8), None, "shape"),
        (np.zeros((4, 4), np.float32), None, "type"),
        (np.ones((4, 4), np.uint8), np.zeros((1, 5, 4), np.float32), "probabilities"),
    ],
)
def test_what_does_not_fit_is_refused(mask: np.ndarray, probability: np.ndarray | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measure(mask, probability)


def test_planes_without_their_class_are_refused() -> None:
    with pytest.raises(UsageError, match="2 planes for 1 classes"):
        find(np.zeros((4, 4, 2), bool), [ClassInfo(1, "crack")])


def test_an_unknown_standard_is_refused() -> None:
    with pytest.raises(UsageError, match="standard"):
        measure(np.zeros((4, 4), np.uint8), standard="iso-0")
