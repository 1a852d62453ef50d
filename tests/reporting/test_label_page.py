"""The report of a classifier: labels and probabilities, and no word of lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.reporting import label_page
from flawscope.reporting.html import ReportData, render, report_image
from flawscope.reporting.overlay import draw_overlay
from flawscope.types import ClassInfo, Finding, Inspection

from .made import FAILED

NAMES = ("rust", "moss", "ok", "crack", "oil", "dent")
CLASSES = tuple(ClassInfo(k, name, kind="image") for k, name in enumerate(NAMES))


def label(name: str, score: float) -> Finding:
    return Finding(
        image="a.jpg", finding_id=1, class_name=name, score_mean=score, score_max=score, x_px=0, y_px=0,
        w_px=40, h_px=30, area_px=0, length_px=None, width_mean_px=None, width_p95_px=None,
        width_max_px=None, orientation_deg=None, kind="image",
    )  # fmt: skip


def labelled(name: str, *scores: float, text: str | None = None) -> Inspection:
    found = () if name == "ok" or not name else tuple(label(one, max(scores)) for one in name.split(";"))
    return Inspection(
        text or f"{name}.jpg", "ok", (30, 40), found, seconds=0.25, label=name,
        label_score=max(scores) if name else None, scores=scores,
    )  # fmt: skip


RUST = labelled("rust", 0.7, 0.1, 0.05, 0.05, 0.06, 0.04)
OK = labelled("ok", 0.0001, 0.0001, 0.9996, 0.0001, 0.0, 0.0001)


def page(*inspections: Inspection, classes: tuple[ClassInfo, ...] = CLASSES) -> str:
    picture = np.full((30, 40, 3), 90, np.uint8)
    images = [report_image(item, picture if item.status == "ok" else None, 1) for item in inspections]
    return render(ReportData(images=images, classes=classes))


def test_labels_take_the_place_of_measurements() -> None:
    text = page(RUST, OK, FAILED)
    for said in ("Label", "Probability", "70.0 %", "&gt; 99.9 %", "labelled rust", "scores.csv", "failed"):
        assert said in text
    for unsaid in ("crack length", "Max width", "Defect area", "centreline"):
        assert unsaid not in text
    assert "defect</span>" in text and "clean</span>" in text


def test_without_a_clean_class_there_is_no_verdict() -> None:
    text = page(labelled("rust", 0.7, 0.3), classes=CLASSES[:2])
    assert "Verdict" not in text and "tag defect" not in text
    assert label_page.has_verdicts(CLASSES) and not label_page.has_verdicts(CLASSES[:2])


def test_the_likeliest_classes_are_listed() -> None:
    rows = label_page.rows(RUST, CLASSES, {"rust": "#112233"})
    assert [row.cells[0].text for row in rows] == ["rust", "moss", "oil", "ok", "crack"]
    assert rows[0].colour == "#112233" and rows[1].colour == "#888888" and rows[0].number == 1


def test_cards_count_labels_and_failures() -> None:
    many = [labelled(name, 0.5) for name in ("a", "a", "b", "c", "d", "e", "f", "g", "rust;moss", "")]
    cards = label_page.cards([*many, FAILED])
    assert cards[0][:3] == ("11", "", "images") and cards[1][:3] == ("2", "", "labelled a")
    assert cards[-1] == ("1", "", "failed", "bad")
    assert sum(int(card[0]) for card in cards[1:-1]) == 10
    assert label_page.cards([labelled("rust;moss", 0.5)])[1][2] == "labelled rust, moss"
    assert label_page.cards([labelled("", 0.5)])[1][2] == "without a label"


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (1.0, "> 99.9 %"), (0.9994, "99.9 %"), (0.5, "50.0 %"), (0.0004, "< 0.1 %")],  # noqa: RUF001
)
def test_probabilities_never_claim_to_be_sure(share: float | None, text: str) -> None:
    assert label_page.probability(share).text == text


def test_a_failed_image_has_no_figures() -> None:
    assert [cell.text for cell in label_page.cells(FAILED)] == ["failed", "–", "–"]  # noqa: RUF001


def test_the_label_is_written_on_the_picture(tmp_path: Path) -> None:
    picture = np.full((30, 40, 3), 90, np.uint8)
    drawn = draw_overlay(picture, [label("rust", 0.71)], CLASSES)
    assert drawn.shape == (210, 280, 3), "so large that it can be read"
    changed = (drawn != 90).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 500 and rows.max() < 60 and columns.max() < 200
    two = draw_overlay(picture, [label("rust", 0.71), label("moss", 0.6)], CLASSES)
    assert np.nonzero((two != 90).any(axis=2))[0].max() > rows.max()
    assert np.array_equal(draw_overlay(picture, [], CLASSES), picture)
