"""Truth and prediction in the classes' colours, soft figures, and which classes an image shows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from flawscope.evaluation.class_gallery import ClassGallery, cut_planes
from flawscope.evaluation.counts import ClassCounts
from flawscope.evaluation.printed import LAYOUTS
from flawscope.evaluation.soft import count_soft, presence_figures, soft_figures
from flawscope.evaluation.tables import cell_of
from flawscope.types import ClassInfo

CLASSES = (ClassInfo(1, "pit", "#ff0000", "area"), ClassInfo(2, "scale", "#0000ff", "area"))


def planes(*rows: int | None) -> list[np.ndarray]:  # type: ignore[type-arg]
    out = []
    for row in rows:
        plane = np.zeros((20, 40), bool)
        if row is not None:
            plane[row : row + 8, 5:25] = True
        out.append(plane)
    return out


def test_kinds_take_turns_and_small_ones_are_drawn_without_a_name() -> None:
    gallery = ClassGallery(3, CLASSES)
    grey = np.full((20, 40, 3), 128, np.uint8)
    for number in range(5):
        gallery.offer(f"pit{number}", grey, planes(2, None), planes(2, 10), ["pit"])
    gallery.offer("both", grey, planes(0, 10), planes(None, None), [])
    shown = gallery.items()
    assert [one.name for one in shown] == ["pit0", "both", "pit1"]
    assert shown[0].told == "pit, scale (160 px, too few to be told)" and shown[1].told == "none"
    picture = np.asarray(Image.open(io.BytesIO(shown[1].jpeg))).astype(int)
    assert picture.shape == (46, 40, 3)
    assert picture[4, 15, 0] > picture[4, 15, 2] + 30, "the pit is red above"
    assert np.abs(picture[26 + 4, 15] - 128).max() < 12, "and nothing is marked below"
    page = gallery.page("8 < 9")
    assert "8 &lt; 9" in page and page.count("<figure>") == 3 and "#ff0000" in page
    assert not ClassGallery(3, CLASSES[:1]).wants() and ClassGallery(0, CLASSES).items() == ()


def test_planes_are_cut_at_their_thresholds() -> None:
    probability = np.array([[[0.2, 0.7]], [[0.2, 0.7]]], np.float32)
    cut = cut_planes(probability, [0, 1], ["pit", "scale"], {"pit": 0.1})
    assert [plane.tolist() for plane in cut] == [[[True, True]], [[False, True]]]


def test_soft_figures_by_hand() -> None:
    probability = np.full((1, 2, 2), 0.5, np.float32)
    truth = np.array([[1, 0], [255, 0]], np.uint8)
    counts = count_soft(probability, [truth], [0])
    assert (counts.elements, counts.true) == (3, 1)
    found = soft_figures([counts])
    assert found["bce_pooled"] == pytest.approx(np.log(2), abs=1e-6)
    assert found["dice_soft_batch16"] == pytest.approx((2 * 0.5 + 1) / (1.5 + 1 + 1))
    many = soft_figures([counts] * 17)
    first, last = (2 * 8 + 1) / (24 + 16 + 1), 2 / 3.5
    assert many["dice_soft_batch16"] == pytest.approx((first + last) / 2)
    assert np.isnan(soft_figures([])["bce_pooled"])


def test_exact_match_needs_every_class() -> None:
    there, missed, clean = ClassCounts(5, 0, 0, 5), ClassCounts(0, 0, 4, 6), ClassCounts(0, 0, 0, 10)
    found = presence_figures([(there, clean), (there, missed), (clean, clean)])
    assert found == {"exact_match": pytest.approx(2 / 3), "presence_accuracy": pytest.approx(5 / 6)}
    assert np.isnan(presence_figures([])["exact_match"])


def test_the_cells_of_figure_65_add_up_and_classes_go_by_number() -> None:
    layout = LAYOUTS["thesis-65"]
    for label, values in layout.printed[0].rows:
        for k in range(4):
            tn, fp, fn, tp, accuracy = (float(one or 0) for one in values[2 + 5 * k : 7 + 5 * k])
            if (label, k) != ("ResNet-50", 3):
                assert tn + fp + fn + tp == 250
                assert accuracy == pytest.approx((tn + tp) / 250, abs=0.0021) or (label, k) == (
                    "EfficientNet-B1", 2,
                )  # fmt: skip
    metrics = {"classes": {"pit": {"image_tn": {"value": 7.0}}, "background": {}}, "figures": {}}
    first = next(column for column in layout.columns if column.title == "TN 1")
    fourth = next(column for column in layout.columns if column.title == "TN 4")
    assert cell_of(metrics, first).value == 7 and cell_of(metrics, fourth).value is None
