from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from flawscope.errors import OutputError
from flawscope.reporting.tables import FINDINGS_COLUMNS, IMAGES_COLUMNS, finding_row, image_row, write_csv
from flawscope.types import Finding, Prediction, Scale

from .made import FAILED, SCALE, bar, inspected, scaled


def test_columns_are_the_fields_of_a_finding_in_order() -> None:
    names = [item.name for item in fields(Finding)]
    expected = ["class" if name == "class_name" else name for name in names[: names.index("reason") + 1]]
    assert list(FINDINGS_COLUMNS) == expected
    assert tuple(finding_row(bar())) == FINDINGS_COLUMNS
    assert tuple(image_row(inspected())) == IMAGES_COLUMNS
    assert tuple(image_row(FAILED)) == IMAGES_COLUMNS


def test_numbers_are_rounded_by_their_unit() -> None:
    row = finding_row(bar(at_border=np.bool_(True), aspect=float("nan")))
    assert row["score_mean"] == 0.8123
    assert row["length_px"] == 40.12
    assert row["orientation_deg"] == 45.0
    assert (row["at_border"], row["aspect"], row["length_mm"]) == (1, None, None)


@pytest.mark.parametrize("mm", [1e-5, 5e-4, 0.003, 0.01, 0.2, 3.0])
def test_millimetres_keep_a_tenth_of_a_pixel_at_every_scale(mm: float) -> None:
    found = scaled(bar(width_max_px=3.27), mm)
    found = replace(found, width_max_mm=3.27 * mm)
    row = finding_row(found)
    assert row["width_max_mm"] == pytest.approx(3.27 * mm, abs=max(0.05 * mm, 1e-15))
    assert row["length_mm"] == pytest.approx(40.123456 * mm, abs=max(0.05 * mm, 1e-15))
    assert row["area_mm2"] == pytest.approx(160 * mm**2, rel=0.01)
    whole = image_row(inspected(found, scale=Scale(mm, "given")))
    assert whole["length_mm"] == row["length_mm"]
    if mm >= 0.01:
        assert row["width_max_mm"] == round(3.27 * mm, 3)


def test_an_image_adds_up_its_lines() -> None:
    lines = scaled(bar()), scaled(bar(finding_id=2))
    blob = scaled(bar(finding_id=3, class_name="spall", kind="area", length_px=9.0))
    row = image_row(inspected(*lines, blob, scale=SCALE))
    assert (row["verdict"], row["findings"]) == ("defect", 3)
    assert (row["length_px"], row["length_mm"]) == (80.25, 40.123)
    assert row["density_m_per_m2"] == pytest.approx(0.040123 / (60 * 80 * 0.25e-6), rel=1e-3)
    assert row["defect_fraction"] == pytest.approx(3 * 160 / 4800)


def test_no_millimetres_without_a_scale_and_none_of_either_after_a_failure() -> None:
    row = image_row(inspected(bar()))
    assert (row["length_mm"], row["density_m_per_m2"]) == (None, None)
    assert image_row(inspected())["verdict"] == "clean"
    failed = image_row(FAILED)
    assert failed.pop("error") == FAILED.error
    assert {key for key, value in failed.items() if value is not None} == {"image", "status"}


def test_the_mask_decides_about_the_share_of_the_picture() -> None:
    mask = np.zeros((60, 80), dtype=np.uint8)
    mask[:30], mask[59] = 1, 255
    prediction = Prediction(mask, np.zeros((1, 60, 80), dtype=np.float32), (1,))
    assert image_row(inspected(prediction=prediction))["defect_fraction"] == 0.5
    stacked = Prediction(mask, prediction.probability, (1,), np.ones((1, 60, 80), dtype=bool))
    assert image_row(inspected(prediction=stacked))["defect_fraction"] == 1.0
    assert image_row(inspected(bar(), bar(), defect_fraction=0.25))["defect_fraction"] == 0.25


def test_the_widest_graded_finding_is_the_worst() -> None:
    graded = bar(severity="2", width_max_px=9.0), bar(severity="1"), bar(width_max_px=99.0)
    assert image_row(inspected(*graded))["worst_severity"] == "2"


def test_names_survive_the_round_trip(tmp_path: Path) -> None:
    names = ['a,"b".jpg', "Brücke 東.jpg", "line\nbreak.jpg", "=1+1.jpg"]
    path = tmp_path / "new folder" / "findings.csv"
    write_csv(path, FINDINGS_COLUMNS, [finding_row(bar(image=name)) for name in names])
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == names
    assert rows[0]["length_mm"] == ""
    assert rows[0]["area_px"] == "160"


def test_no_findings_leave_the_head_line(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", FINDINGS_COLUMNS, [])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == ",".join(FINDINGS_COLUMNS) + "\n"


def test_names_that_are_no_text_are_written_all_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["image"], [{"image": "a\udcff.jpg"}])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "image\na\\udcff.jpg\n"


def test_a_wrong_place_is_named_and_a_wrong_column_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_csv(tmp_path / "file" / "t.csv", ["a"], [])
    with pytest.raises(ValueError, match="b"):
        write_csv(tmp_path / "t.csv", ["a"], [{"b": 1}])
    assert not (tmp_path / "t.csv").exists()
