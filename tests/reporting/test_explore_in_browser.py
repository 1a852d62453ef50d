"""The page of ``explore`` as a reader meets it: opened from disk, without a network, on two screens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.reporting.explore_page import (
    Chart,
    ExplorePage,
    Picture,
    Section,
    Sheet,
    Shown,
    TableView,
    bar_chart,
    render_page,
    write_page,
)
from flawscope.reporting.overlay import encode_jpeg

sync_api = pytest.importorskip("playwright.sync_api")


def made() -> ExplorePage:
    jpeg = encode_jpeg(np.full((40, 250, 3), 90, np.uint8))
    head = tuple(f"column {number}" for number in range(12))
    wide = TableView(head, ((Shown("<b>rust</b>", colour="#ff0000"), *[Shown("1", bar=0.5)] * 11),), "Wide")
    heat = TableView(("", "a"), ((Shown("a"), Shown("3", heat=1.0)),), "Heat", "A note.", "a table.csv")
    chart = Chart("rust", bar_chart([("1", 3.0), ("<2>", 0.0)], "#3b6fd4", "width, px"), "#3b6fd4")
    sheet = Sheet("rust", "#3b6fd4", (Picture("long_" * 30, "1 %", jpeg, jpeg), Picture("b", "", jpeg)), True)
    sections = (
        Section("integrity", "Integrity", "Read.", notices=(("1 bad", ("a: <i>",)),), notes=("odd",)),
        Section("classes", "Classes", tables=(wide, heat), charts=(chart,), charts_title="Charts"),
        Section("sheets", "Contact sheets", sheets=(sheet,)),
        Section("recipe", "Suggested recipe", "Because.", good="Fine.", command="flawscope train x" * 9),
    )
    return ExplorePage("a <set>", "layout x", (("3", "%", "images", "bad"),), sections, ["a table.csv"])


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width_px", [1280, 390])
def test_page_shows_whole_without_network_or_errors(browser: Any, tmp_path: Path, width_px: int) -> None:
    write_page(tmp_path / "report.html", made())
    page = browser.new_page(viewport={"width": width_px, "height": 900})
    troubles: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_load_state("load")
    assert troubles == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    # Tables and commands may scroll in their own frame; the page itself never does so sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    text = page.inner_text("body")
    for words in ("a <set>", "<b>rust</b>", "1 bad", "a: <i>", "Because.", "A note."):
        assert words in text
    page.close()


def test_every_section_can_be_reached_and_nothing_comes_from_outside() -> None:
    text = render_page(made())
    anchors = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= anchors
    assert "http" not in re.sub(r'http-equiv="[^"]+"', "", text)
    assert 'href="a%20table.csv"' in text
