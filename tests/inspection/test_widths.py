"""Which error of widths holds for an inspection."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from flawscope.inspection.inspector import Inspector
from flawscope.inspection.widths import width_error_at, width_errors_of, working_factor
from flawscope.manifest import InputSpec, Manifest, WidthErrors

from .toy_networks import PLAIN, dark_bundle

ERRORS = WidthErrors(thresholds=(0.2, 0.6), bias_px=(3.0, 1.0), u_px=(0.8, 0.4), points=500)


def test_network_pixels_to_one_of_the_photograph() -> None:
    assert working_factor((100, 300), PLAIN, (1.0,)) == 1.0
    assert working_factor((100, 300), PLAIN, (0.5,)) == 0.5
    assert working_factor((100, 300), PLAIN, (1.0, 0.5)) == pytest.approx(1 / 1.5)
    fixed = InputSpec(mode="resize", size_hw=(50, 75))
    assert working_factor((100, 300), fixed, (1.0,)) == pytest.approx((0.5 * 0.25) ** 0.5)


@pytest.mark.parametrize(
    ("threshold", "bias", "spread"),
    [(0.1, 3, 0.8), (0.2, 3, 0.8), (0.3, 2.5, 0.7), (0.6, 1, 0.4), (0.9, 1, 0.4)],
)
def test_between_thresholds_the_error_changes_evenly(threshold: float, bias: float, spread: float) -> None:
    error = width_error_at(ERRORS, threshold, 1.0)
    assert (error.bias_px, error.u_px) == pytest.approx((bias, spread))
    half = width_error_at(ERRORS, threshold, 0.5)
    assert (half.bias_px, half.u_px) == pytest.approx((2 * bias, 2 * spread))


def test_the_threshold_of_the_run_decides(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "d", width_errors={"crack": ERRORS})
    assert Inspector(bundle).width_errors((9, 9), (1.0,))["crack"].bias_px == pytest.approx(1.5)
    given = Inspector(bundle, thresholds={"crack": 0.2})
    assert given.width_errors((9, 9), (1.0,))["crack"].bias_px == pytest.approx(3.0)


def test_an_ensemble_takes_the_mean_where_each_says_something(tmp_path: Path) -> None:
    other = ERRORS.model_copy(update={"bias_px": (5.0, 3.0)})
    one = dark_bundle(tmp_path / "a", width_errors={"crack": ERRORS})
    two = dark_bundle(tmp_path / "b", width_errors={"crack": other})
    silent = dark_bundle(tmp_path / "c")
    assert width_errors_of([one, two], {"crack": 0.2})["crack"].bias_px == pytest.approx(4.0)
    assert width_errors_of([one, silent], {"crack": 0.2}) == {}


def test_each_of_an_ensemble_has_its_error_in_its_own_pixels(tmp_path: Path) -> None:
    one = dark_bundle(tmp_path / "a", width_errors={"crack": ERRORS})
    half = InputSpec(**{**PLAIN.model_dump(), "mode": "resize", "factor": 0.5})
    two = dark_bundle(tmp_path / "b", width_errors={"crack": ERRORS}, input=half)
    # 1.5 px of the network at threshold 0.5: 1.5 px of the photograph in one, 3 px in the other.
    for pair in ([one, two], [two, one]):
        found = Inspector(pair).width_errors((100, 100), (1.0,))["crack"]
        assert found.bias_px == pytest.approx((1.5 + 3.0) / 2)


def test_a_manifest_without_them_keeps_its_text(tmp_path: Path) -> None:
    plain = dark_bundle(tmp_path / "plain").manifest
    assert "width_errors" not in plain.to_json()
    told = plain.model_copy(update={"width_errors": {"crack": ERRORS}})
    assert Manifest.model_validate_json(told.to_json()) == told


@pytest.mark.parametrize(
    "wrong",
    [
        {"thresholds": (0.6, 0.2)},
        {"thresholds": (0.2,)},
        {"bias_px": (1.0, 2.0, 3.0)},
        {"thresholds": (0.0, 0.5)},
        {"u_px": (-1.0, 0.0)},
        {"points": 0},
    ],
)
def test_tables_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WidthErrors.model_validate({**ERRORS.model_dump(), **wrong})


def test_a_class_that_is_not_there_is_refused(tmp_path: Path) -> None:
    content = dark_bundle(tmp_path / "d").manifest.model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="width_errors names unknown classes: dent"):
        Manifest.model_validate({**content, "width_errors": {"dent": ERRORS}})
