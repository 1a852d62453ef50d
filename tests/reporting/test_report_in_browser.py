"""The report as a reader meets it: opened from disk, without a network, on two widths of screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.reporting.html import ModelFacts, ReportData, ThresholdFact, report_image, write_report

from .made import CLASSES, FAILED, bar, inspected, scaled

MODEL = ModelFacts("m", "ab" * 32, (ThresholdFact("crack", 0.46, "best F1", "200 images", 24),))
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.full((60, 80, 3), 128, np.uint8)
    found = inspected(bar(), scaled(bar()))
    images = [report_image(found, pixels, 2), report_image(FAILED, None, 2)]
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, ReportData(images=images, classes=CLASSES, model=MODEL))
    return path


@pytest.mark.parametrize("width_px", [1280, 390])
def test_page_shows_whole_without_network_or_errors(browser: Any, report: Path, width_px: int) -> None:
    page = browser.new_page(viewport={"width": width_px, "height": 900})
    troubles: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_load_state("load")
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert troubles == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    # Tables may scroll in their own frame; the page itself never does so sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    text = page.inner_text("body")
    assert "a.jpg" in text
    assert "bad.jpg" in text
    page.close()


@pytest.mark.parametrize("width_px", [1000, 1110, 1200, 1400, 1920])
def test_no_column_of_the_findings_hides_behind_a_scroll_bar(
    browser: Any, tmp_path: Path, width_px: int
) -> None:
    found = scaled(bar(at_border=True)), scaled(bar(finding_id=2, class_name="spall", severity="S3"))
    images = [report_image(inspected(*found), np.full((60, 80, 3), 128, np.uint8), 1)]
    write_report(tmp_path / "report.html", ReportData(images=images, classes=CLASSES, model=MODEL))
    page = browser.new_page(viewport={"width": width_px, "height": 900})
    page.goto((tmp_path / "report.html").as_uri())
    hidden = (
        "[...document.querySelectorAll('.image .scroll')].map(part => part.scrollWidth - part.clientWidth)"
    )
    assert page.evaluate(hidden) == [0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    page.close()
