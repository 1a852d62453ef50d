from __future__ import annotations

import base64
import datetime
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.reporting import page
from flawscope.reporting.html import (
    ModelFacts,
    ReportData,
    ReportImage,
    ThresholdFact,
    render,
    report_image,
    write_report,
)

from .made import CLASSES, FAILED, SCALE, bar, inspected, scaled

EVIL = "<script>alert('1')</script>\"&.jpg"
WHEN = datetime.datetime(2030, 1, 2, 3, 4, tzinfo=datetime.UTC)


class Reader(HTMLParser):
    """Collects what a browser would see."""

    VOID = frozenset({"meta", "img", "input", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def shown(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)


def report(*images: ReportImage, **values: object) -> ReportData:
    return replace(ReportData(images, CLASSES, created=WHEN), **values)


def test_everything_from_outside_is_escaped() -> None:
    finding = bar(class_name=EVIL, severity=EVIL, clause=EVIL)
    images = (
        report_image(inspected(finding, image=EVIL, notes=(EVIL,)), picture(), 2, f"overlays/{EVIL}"),
        report_image(replace(FAILED, image=EVIL, error=EVIL), None, 2),
    )
    model = ModelFacts(EVIL, EVIL, (ThresholdFact(EVIL, 0.5, EVIL, EVIL),), EVIL, EVIL)
    text = render(
        report(*images, title=EVIL, model=model, notes=[EVIL], files=[EVIL],
               settings=[(EVIL, EVIL)], versions=[(EVIL, EVIL)])
    )  # fmt: skip
    assert "<script>alert" not in text
    seen = Reader(text)
    assert [tag for tag, _ in seen.tags].count("script") == 1
    assert seen.shown.count(EVIL) >= 12
    links = [attrs.get("href") or "" for tag, attrs in seen.tags if tag == "a"]
    assert all(link.startswith("#") or "%3Cscript%3E" in link for link in links)


def test_the_page_stands_alone() -> None:
    text = render(report(report_image(inspected(bar()), picture(), 1)))
    seen = Reader(text)
    assert not [tag for tag, _ in seen.tags if tag in ("link", "iframe", "object")]
    sources = [attrs["src"] or "" for tag, attrs in seen.tags if tag == "img"]
    assert len(sources) == 2
    for source in sources:
        data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"), validate=True)
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.format == "JPEG"
    assert "http://" not in text and "https://" not in text and "url(" not in text
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {
        (attrs.get("href") or "")[1:] for _, attrs in seen.tags if (attrs.get("href") or "").startswith("#")
    }
    assert targets <= set(ids)


def test_nothing_at_all_still_makes_a_page() -> None:
    seen = Reader(render(report()))
    assert "There was no image to inspect." in seen.shown


def test_failed_images_are_named_with_their_reason() -> None:
    seen = Reader(render(report(report_image(FAILED, None, 1))))
    assert "1 of 1 image could not be inspected" in seen.shown
    assert "bad.jpg is cut off. Expected a whole JPEG." in seen.shown
    assert "No defect was found." not in seen.shown
    ids = {attrs.get("id") for _, attrs in seen.tags}
    assert "image-1" in ids


def test_clean_images_say_so() -> None:
    assert "No defect was found." in Reader(render(report(report_image(inspected(), picture(), 1)))).shown


def test_millimetres_where_a_scale_is_known_else_pixels() -> None:
    with_scale = Reader(
        render(report(report_image(inspected(scaled(bar()), scale=SCALE), picture(), 1)))
    ).shown
    assert (
        "20.1 mm" in with_scale and "1.50 ± 0.40 mm" in with_scale and "0.5 mm/px ± 4 % (given)" in with_scale
    )
    assert "expanded uncertainty (k = 2)" in with_scale
    without = Reader(render(report(report_image(inspected(bar()), picture(), 1)))).shown
    assert "40 px" in without and " mm" not in without
    assert "none: lengths and widths are in pixels" in without


def test_micrometres_where_millimetres_would_hide_the_pixels() -> None:
    tiny = replace(bar(), width_mean_px=3.04, width_mean_mm=0.00152, width_u_mm=0.0004)
    seen = Reader(render(report(report_image(inspected(tiny), picture(), 1)))).shown
    assert "1.5 ± 0.40 µm" in seen


def test_sums_never_mix_millimetres_and_pixels() -> None:
    images = (
        report_image(inspected(scaled(bar()), scale=SCALE), None, 2),
        report_image(inspected(bar(length_px=1e6, width_max_px=1e3), image="b.jpg"), None, 2),
    )
    seen = Reader(render(report(*images))).shown
    assert "20.1 mm crack length (scaled images)" in seen.replace("  ", " ")
    assert "2.50 mm widest crack (scaled images)" in seen.replace("  ", " ")


def test_long_tables_point_to_the_csv() -> None:
    many = [bar(finding_id=k, length_px=float(k)) for k in range(1, 61)]
    seen = Reader(render(report(report_image(inspected(*many), None, 1)))).shown
    assert "The 25 longest are listed; 35 more are in findings.csv." in seen


def test_settings_thresholds_and_skipped_files_are_told() -> None:
    model = ModelFacts("m", "ab" * 32, (ThresholdFact("crack", 0.46, "best F1", "200 images", 24, 409_600),))
    text = render(report(report_image(inspected(), None, 1), model=model, skipped_files=2,
                         settings=[("runtime", "onnx")], versions=[("flawscope", "9.9")]))  # fmt: skip
    seen = Reader(text).shown
    for part in (
        "ab" * 32,
        "0.46",
        "best F1",
        "200 images",
        "24 px of 409,600",
        "runtime",
        "onnx",
        "9.9",
        "2 files that are",
    ):
        assert part in seen
    assert "2030-01-02 03:04 UTC" in seen


def test_five_hundred_images_stay_below_thirty_megabytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)  # the worst for JPEG
    findings = tuple(scaled(bar(finding_id=k)) for k in range(1, 41))
    one = report_image(inspected(*findings, scale=SCALE), noise, 500)
    images = [replace(one, inspection=replace(one.inspection, image=f"{k}.jpg")) for k in range(500)]
    path = tmp_path / "report.html"
    write_report(path, report(*images))
    assert path.stat().st_size < 30e6
    with Image.open(io.BytesIO(one.picture_jpeg)) as opened:
        assert opened.width >= 160


def test_beyond_the_most_sections_the_most_damaged_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_SECTIONS", 1)
    images = (
        report_image(inspected(image="clean.jpg"), picture(), 2),
        report_image(inspected(bar(), image="worst.jpg"), picture(), 2),
    )
    seen = page.view(report(*images))
    assert [item.name for item in seen.sections] == ["worst.jpg"]
    assert seen.without_section == 1
    assert seen.images[0].picture == ""
    Reader(render(report(*images)))


def test_pictures_keep_to_their_share() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    sizes = [len(report_image(inspected(), noise, count).picture_jpeg) for count in (1, 30, 100, 500)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= 600_000 and sizes[2] <= 180_000 and sizes[3] <= 36_000


def test_a_name_that_is_no_text_does_not_stop_the_report(tmp_path: Path) -> None:
    write_report(
        tmp_path / "r.html", report(report_image(inspected(image="a\udcff.jpg"), None, 1, "o/a\udcff.jpg"))
    )
    assert "a\\udcff.jpg" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (page.length(12.4, None), "12 px"),
        (page.length(12.4, 1234.0), "1.23 m"),
        (page.length(None, None), "–"),  # noqa: RUF001
        (page.width(3.14, 0.314), "0.31 mm"),
        (page.width(3.04, 0.00152), "1.5 µm"),
        (page.length(300, 0.15), "150 µm"),
        (page.length(3000, 1.5), "1.5 mm"),
        (page.area(900, 0.000225), "225 µm²"),
        (page.area(12345, None), "12\u202f345 px"),
        (page.area(1, 2500.0), "25.0 cm²"),
        (page.percent(0.0), "0 %"),
        (page.percent(0.0123), "1.23 %"),
    ],
)
def test_numbers_carry_their_unit(cell: page.Cell, text: str) -> None:
    assert cell.text == text
