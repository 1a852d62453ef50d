"""Widths without what a network adds to them."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.measurement.findings import find
from flawscope.measurement.statistics import EDGE_U_PX
from flawscope.measurement.width_error import LEAST_PX, WidthError
from flawscope.types import ClassInfo, Scale


def bar(width: int) -> np.ndarray:
    mask = np.zeros((60, 160), np.uint8)
    mask[20 : 20 + width, 20:140] = 1
    return mask


def test_the_bias_is_taken_off_and_hairlines_keep_something() -> None:
    error = WidthError(2.5, 0.7)
    widths = np.array([10.0, 3.0, 2.6, 1.0, 0.3, np.nan])
    assert error.corrected(widths)[:5].tolist() == pytest.approx([7.5, 0.5, LEAST_PX, LEAST_PX, 0.3])
    assert np.isnan(error.corrected(widths)[5])
    assert WidthError(-1.0, 0.0).corrected(np.array([2.0, 0.2])).tolist() == pytest.approx([3.0, 1.2])


@pytest.mark.parametrize("width", [3, 6, 12])
def test_findings_tell_the_true_width_and_keep_the_rest(width: int) -> None:
    crack = [ClassInfo(1, "crack")]
    (plain,) = find(bar(width + 2), classes=crack)
    (found,) = find(bar(width + 2), classes=crack, width_errors={"crack": WidthError(2.0, 0.5)})
    assert found.width_mean_px == pytest.approx(width, abs=0.1)
    for name in ("width_mean_px", "width_p95_px", "width_max_px"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name) - 2, abs=1e-9)
    assert found.length_px == plain.length_px and found.area_px == plain.area_px
    assert found.aspect == pytest.approx(found.length_px / found.width_mean_px)  # type: ignore[operator]
    assert found.centreline is not None and plain.centreline is not None
    assert np.allclose(found.centreline.width_px, plain.centreline.width_px - 2, equal_nan=True)


def test_specks_are_corrected_too_and_other_classes_are_not() -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[10:13, 10:13] = 1
    mask[20:28, 5:25] = 2
    classes = [ClassInfo(1, "crack"), ClassInfo(2, "joint")]
    plain = find(mask, classes=classes)
    found = find(mask, classes=classes, width_errors={"crack": WidthError(1.0, 0.0)})
    assert found[0].width_mean_px == pytest.approx(plain[0].width_mean_px - 1)  # type: ignore[operator]
    assert found[1].width_mean_px == plain[1].width_mean_px


def test_the_uncertainty_is_that_of_the_network_where_it_is_larger() -> None:
    scale = Scale(0.5, 0.0)
    crack = [ClassInfo(1, "crack")]
    u_mm = [
        find(bar(6), classes=crack, scale=scale, width_errors={"crack": WidthError(0.0, u)})[0].width_u_mm
        for u in (0.0, 0.1, 3.0)
    ]
    assert u_mm[0] == u_mm[1] == pytest.approx(2 * 0.5 * EDGE_U_PX, rel=0.05)
    assert u_mm[2] == pytest.approx(2 * 0.5 * 3.0, rel=0.05)
