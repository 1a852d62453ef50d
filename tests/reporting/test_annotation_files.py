"""GeoJSON, COCO and plain JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flawscope.images.rle import decode_rle, encode_rle
from flawscope.images.rle_coco import compress
from flawscope.reporting.coco import column_counts, dataset, write_coco
from flawscope.reporting.geojson import collection, write_geojson
from flawscope.reporting.json_records import inspection_record, write_json
from flawscope.reporting.raster import Patch
from flawscope.reporting.tables import FINDINGS_COLUMNS, finding_row

from .made import CLASSES, CRACK, FAILED, SCALE, bar, finding_of, inspected, scaled


def ring_with_hole() -> np.ndarray:
    pixels = np.zeros((60, 80), dtype=bool)
    pixels[10:40, 10:60] = True
    pixels[20:30, 20:50] = False
    return pixels


def signed_area(ring: list[list[float]]) -> float:
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def test_polygons_are_closed_and_turned_as_rfc_7946_asks() -> None:
    item = finding_of(ring_with_hole())
    backwards = finding_of(
        ring_with_hole(), contour_xy_px=tuple(ring[::-1][:-1] for ring in item.contour_xy_px)
    )
    for finding in (item, backwards):
        feature = collection([inspected(finding)])["features"][0]
        assert feature["geometry"]["type"] == "Polygon"
        outer, hole = feature["geometry"]["coordinates"]
        for ring in (outer, hole):
            assert ring[0] == ring[-1] and len(ring) >= 4
        assert signed_area(outer) > 0 > signed_area(hole)
        assert signed_area(outer) + signed_area(hole) == pytest.approx(item.area_px, abs=1.1)


def test_a_collection_has_no_member_that_rfc_7946_forbids() -> None:
    found = collection([inspected(bar()), FAILED, inspected(bar(contour_xy_px=(np.zeros((2, 2)),)))])
    assert found["type"] == "FeatureCollection"
    assert not {"coordinates", "geometries", "geometry", "properties"} & found.keys()
    assert [item["status"] for item in found["images"]] == ["ok", "failed", "ok"]
    assert tuple(found["features"][0]["properties"]) == FINDINGS_COLUMNS
    box = found["features"][1]["geometry"]["coordinates"][0]
    assert signed_area(box) == 160


def test_geojson_of_nothing_is_still_geojson(tmp_path: Path) -> None:
    write_geojson(tmp_path / "f.geojson", [])
    assert json.loads((tmp_path / "f.geojson").read_text())["features"] == []


def test_coco_masks_decode_to_the_pixels(tmp_path: Path) -> None:
    pixels = ring_with_hole()
    spall = finding_of(pixels, class_name="spall", finding_id=2)
    write_coco(tmp_path / "coco.json", [FAILED, inspected(bar(), spall)], CLASSES)
    made = json.loads((tmp_path / "coco.json").read_text())
    assert [item["file_name"] for item in made["images"]] == ["a.jpg"]
    assert (made["images"][0]["width"], made["images"][0]["height"]) == (80, 60)
    first, second = made["annotations"]
    assert decode_rle(second["segmentation"], (60, 80), "coco").astype(bool).tolist() == pixels.tolist()
    assert (first["area"], first["bbox"], first["category_id"]) == (160, [10, 20, 40, 4], 1)
    assert (second["category_id"], second["iscrowd"], second["image_id"]) == (2, 0, 1)
    assert len({item["id"] for item in made["annotations"]}) == 2


def test_classes_that_only_findings_name_get_an_id() -> None:
    made = dataset([inspected(bar(class_name="rust"))], [CRACK])
    assert {item["name"]: item["id"] for item in made["categories"]} == {"crack": 1, "rust": 2}
    assert made["annotations"][0]["category_id"] == 2


@pytest.mark.parametrize("seed", range(20))
def test_runs_from_a_box_equal_runs_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    h, w = rng.integers(1, 9, 2)
    y, x = rng.integers(-3, 6, 2)
    pixels = rng.random((h, w)) < rng.choice([0.2, 0.8, 1.0])
    whole = np.zeros((6 + 20, 7 + 20), dtype=bool)
    whole[10 + y : 10 + y + h, 10 + x : 10 + x + w] = pixels
    cut = whole[10:16, 10:17]
    counts = column_counts(Patch(int(x), int(y), pixels), (6, 7))
    assert sum(counts) == 42
    assert compress(counts) == encode_rle(cut, "coco")


def test_records_hold_the_row_and_the_geometry(tmp_path: Path) -> None:
    item = inspected(scaled(bar(at_border=True)), scale=SCALE, notes=("16-bit scaled to 8-bit",))
    write_json(tmp_path / "f.json", [item, FAILED])
    good, failed = json.loads((tmp_path / "f.json").read_text())["images"]
    assert good["scale"] == {"mm_per_px": 0.5, "source": "given", "u_rel": 0.02}
    assert good["findings"][0].items() >= ({**finding_row(item.findings[0]), "at_border": True}).items()
    assert len(good["findings"][0]["centreline"]["width_px"]) == 5
    assert good["notes"] == ["16-bit scaled to 8-bit"]
    assert (failed["status"], failed["scale"], failed["findings"]) == ("failed", None, [])


def test_geometry_may_be_left_out() -> None:
    record = inspection_record(inspected(bar(centreline=None)), geometry=False)
    assert "contour_xy_px" not in record["findings"][0]
    assert inspection_record(inspected(bar(centreline=None)))["findings"][0]["centreline"] is None
