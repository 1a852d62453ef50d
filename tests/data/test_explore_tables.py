"""The tables of ``explore``: the capstone's figures, and agreement with counting by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.data import explore_tables as tables
from flawscope.data.dataset import make_class
from flawscope.data.explore_look import WIDEST_PX, ClassFigures, ImageRow
from flawscope.types import ClassInfo

STEEL = tuple(make_class(number, f"class-{number}") for number in range(1, 5))


def row(name: str, shares: dict[int, float], source: str = "set", light: float = 100.0) -> ImageRow:
    figures = {n: ClassFigures(share, round(share * 1000), n, 5) for n, share in sorted(shares.items())}
    return ImageRow(name, source, (10, 100), light, 5.0, light / 10, figures, sum(shares.values()))


@pytest.fixture(scope="module")
def competition(data_root: Path) -> list[ImageRow]:
    """The areas of all 12,568 images of the competition."""
    file = data_root / "severstal_10" / "all_train_image_stats.csv"
    if not file.is_file():
        pytest.skip("the table of areas is absent")
    with file.open(encoding="utf-8", newline="") as stream:
        return [
            row(
                line["ImageId"],
                {n: a / 100 for n in range(1, 5) if (a := float(line[f"class{n}_area_percent"])) > 0},
            )
            for line in csv.DictReader(stream)
        ]


def test_the_capstones_counts(competition: list[ImageRow]) -> None:
    per_class = {one["class"]: one for one in tables.images_per_class(competition, STEEL).dicts()}
    assert [per_class[f"class-{n}"]["images"] for n in range(1, 5)] == [897, 247, 5150, 801]
    assert [per_class[f"class-{n}"]["images_alone"] for n in range(1, 5)] == [769, 195, 4759, 516]
    assert per_class["none"]["images"] == 5902
    counts = tables.images_per_count(competition)
    assert [(one[0], one[1]) for one in counts.rows] == [(0, 5902), (1, 6239), (2, 425), (3, 2)]
    several = [one for one in tables.combinations(competition, STEEL).dicts() if one["n_classes"] > 1]  # type: ignore[operator]
    assert sum(one["images"] for one in several) == 427  # type: ignore[misc]
    matrix = tables.co_occurrence(competition, STEEL).rows
    assert [matrix[n][n + 1] for n in range(4)] == [897, 247, 5150, 801]


def test_the_capstones_areas(competition: list[ImageRow]) -> None:
    found = {one["group"]: one for one in tables.defect_shares(competition, STEEL).dicts()}
    alone = [found[f"only class-{n}"] for n in range(1, 5)]
    assert [one["images"] for one in alone] == [769, 195, 4759, 516]
    assert [round(one["mean_percent"], 3) for one in alone] == [1.072, 0.831, 6.432, 8.630]  # type: ignore[arg-type]
    assert found["several classes"]["images"] == 427
    assert found["with a defect"]["images"] == 6666
    assert found["all images"]["images"] == 12568 and found["all images"]["min_percent"] == 0
    # The paper counts colour channels: three of classes 1 and 2, two of 3 and 4.
    printed = {1: (3.2164, 2.48218, 2.65488), 2: (2.4916, 2.12183, 1.45352)}
    printed |= {3: (12.8643, 5.99756, 19.016), 4: (17.2609, 12.4595, 15.2689)}
    for number, (mean, median, sd) in printed.items():
        channels = 3 if number < 3 else 2
        ours = alone[number - 1]
        assert channels * ours["mean_percent"] == pytest.approx(mean, abs=0.01)  # type: ignore[operator]
        assert channels * ours["median_percent"] == pytest.approx(median, abs=0.02)  # type: ignore[operator]
        assert channels * ours["sd_percent"] == pytest.approx(sd, abs=0.01)  # type: ignore[operator]


shares = st.dictionaries(st.integers(1, 4), st.floats(1e-4, 0.25), max_size=4)


@settings(deadline=None)
@given(st.lists(shares, min_size=1, max_size=12))
def test_tables_agree_with_counting(drawn: list[dict[int, float]]) -> None:
    rows = [row(str(number), found) for number, found in enumerate(drawn)]
    counts = tables.images_per_count(rows).rows
    assert sum(int(one[1] or 0) for one in counts) == len(rows)
    together = tables.combinations(rows, STEEL).rows
    assert sum(int(one[2] or 0) for one in together) == len(rows)
    matrix = tables.co_occurrence(rows, STEEL).rows
    for one in range(4):
        for two in range(4):
            expected = sum({one + 1, two + 1} <= set(found) for found in drawn)
            assert matrix[one][two + 1] == matrix[two][one + 1] == expected
    groups = {one["group"]: one for one in tables.defect_shares(rows, STEEL).dicts()}
    for name, chosen in {
        "all images": drawn,
        "with a defect": [one for one in drawn if one],
        "several classes": [one for one in drawn if len(one) > 1],
        "only class-2": [one for one in drawn if set(one) == {2}],
    }.items():
        values = [100 * sum(one.values()) for one in chosen]
        assert (name in groups) == bool(values)
        if values:
            assert groups[name]["images"] == len(values)
            assert groups[name]["mean_percent"] == pytest.approx(np.mean(values), abs=1e-4)
            assert groups[name]["median_percent"] == pytest.approx(np.median(values), abs=1e-4)
            sd = None if len(values) == 1 else pytest.approx(np.std(values, ddof=1), abs=1e-4)
            assert groups[name]["sd_percent"] == sd


def test_components_widths_and_sources() -> None:
    rows = [row("a", {1: 0.1}, "x", 50), row("b", {1: 0.3, 2: 0.1}, "x", 70), row("c", {}, "y", 90)]
    found = {one["class"]: one for one in tables.components(rows, STEEL).dicts()}
    assert found["class-1"] == {
        "class": "class-1", "images": 2, "components": 2, "per_image_mean": 1.0, "per_image_median": 1.0,
        "per_image_max": 1, "area_mean_px": 200.0, "area_max_px": 5,
    }  # fmt: skip
    assert set(found) == {"class-1", "class-2"}
    by_source = {one["source"]: one for one in tables.sources(rows).dicts()}
    assert by_source["x"]["brightness_mean"] == 60 and by_source["x"]["with_defect"] == 2
    assert by_source["x"]["brightness_sd"] == pytest.approx(14.14) and by_source["y"]["brightness_sd"] is None
    counts = np.zeros(WIDEST_PX + 1, np.int64)
    counts[[2, 4, 10]] = 50, 45, 5
    widths = tables.line_widths(rows, STEEL, {1: counts}).dicts()
    assert widths == [
        {"class": "class-1", "images": 2, "middle_line_px": 100, "mean_px": 3.3, "median_px": 2,
         "p95_px": 4, "max_px": 10}
    ]  # fmt: skip
    histogram = tables.width_histogram(STEEL, {1: counts}).rows
    assert histogram == (("class-1", 2, 50), ("class-1", 4, 45), ("class-1", 10, 5))


def test_rows_of_images_and_of_the_master_table() -> None:
    one = row("a", {1: 0.1, 3: 0.2})
    table = tables.images([one], STEEL, {"a": "test"})
    cells = table.dicts()[0]
    assert cells["part"] == "test" and cells["share_percent:class-3"] == 20 and cells["n_classes"] == 2
    assert tables.master_columns(STEEL)[:5] == ("image", "defect", "n_classes", "class_ids", "rle:class-1")
    assert tables.master_row(one, {1: "1 2", 3: "9 1"}, STEEL) == (
        "a", "yes", 2, "1 3", "1 2", "", "9 1", "",
    )  # fmt: skip
    assert tables.master_row(row("b", {}), {}, STEEL)[:4] == ("b", "no", 0, "")


def test_images_with_labels_have_no_shares() -> None:
    labels = (ClassInfo(0, "good", kind="image"), ClassInfo(1, "bad", kind="image"))
    one = ImageRow("a", "s", (8, 8), 1.0, 1.0, 1.0, {1: ClassFigures(1.0)}, 1.0)
    assert tables.images([one], labels, masks=False).dicts()[0]["classes"] == "bad"
    assert [line[1] for line in tables.images_per_class([one], labels).rows] == ["good", "bad"]


def test_no_image_at_all() -> None:
    assert tables.images_per_count([]).rows == ((0, 0, 0.0),)
    assert tables.defect_shares([], STEEL).rows == ()
    assert tables.sizes([]).rows == () and tables.sources([]).rows == ()
