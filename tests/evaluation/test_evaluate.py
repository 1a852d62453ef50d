"""A model against a data set: the right images, the right classes, nothing dropped in silence."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from flawscope.data.split_file import Split
from flawscope.errors import ClassMappingError, DataError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.metrics import IMAGES_COLUMNS
from flawscope.types import ClassInfo, Prediction

from .toys import Dark, dataset, picture, sample, unreadable

TEST_PART = Split(parts={"train": ("000", "001"), "test": ("002", "003")})


def test_a_right_model_scores_one_on_the_test_part() -> None:
    seen: list[tuple[int, int, str]] = []
    got = evaluate(Dark(), dataset(4, TEST_PART), progress=lambda *call: seen.append(call))
    assert (got.images, got.part, got.at) == (2, "test", "original")
    assert got.value("f1_pooled") == got.value("ods") == got.value("image_ap") == 1
    assert [row.name for row in got.rows] == ["002", "003"]
    assert seen == [(1, 2, "002"), (2, 2, "003")]
    assert set(got.sources) == {"A", "B"}


def test_groups_are_those_of_the_split_where_the_set_has_none() -> None:
    data = dataset(4)
    bare = replace(data, samples=tuple(replace(one, group="") for one in data.samples))
    split = Split(parts={"test": data.names}, group_by="regex:[01]$")
    assert [row.group for row in evaluate(Dark(), bare, split).rows] == ["0", "1", "002", "003"]
    assert [row.group for row in evaluate(Dark(), data, split).rows] == ["g0", "g0", "g1", "g1"]


def test_a_shift_of_two_pixels_costs_strictly_and_not_within_two() -> None:
    got = evaluate(Dark(shift_px=2), dataset(4))
    assert got.value("f1_pooled") == 0
    assert got.value("f1_tol2_pooled") == 1


def test_without_a_split_everything_is_counted_and_said() -> None:
    got = evaluate(Dark(), dataset(4))
    assert (got.images, got.part) == (4, "all")
    assert "no split" in got.notes[0]
    with pytest.raises(DataError, match="no part 'val'"):
        evaluate(Dark(), dataset(4), part="val")


def test_unreadable_and_unlabelled_images_are_named() -> None:
    data = dataset(3)
    bad = replace(data.samples[0], name="bad", image=unreadable)
    unlike = replace(data.samples[0], name="unlike", read_mask=lambda: np.zeros((5, 5), np.uint8))
    bare = sample("bare", picture(1)[0], None)
    got = evaluate(Dark(), replace(data, samples=(*data.samples, bad, unlike, bare)))
    assert got.images == 3
    assert [item.name for item in got.failed] == ["bad", "unlike"]
    assert "5 x 5" in got.failed[1].error and "48 x 40" in got.failed[1].error
    assert got.unlabelled == 1 and any("bare" in note for note in got.notes)


@pytest.mark.parametrize("kind", ["empty", "unreadable", "unlabelled"])
def test_nothing_to_evaluate_is_an_error(kind: str) -> None:
    one = {
        "empty": (),
        "unreadable": (replace(dataset(1).samples[0], image=unreadable),),
        "unlabelled": (sample("a", picture(0)[0], None),),
    }[kind]
    with pytest.raises(DataError, match="cannot be evaluated"):
        evaluate(Dark(), replace(dataset(1), samples=one))


def test_files_hold_what_the_result_holds(tmp_path) -> None:
    data = dataset(4, TEST_PART)
    bad = replace(data.samples[2], image=unreadable)
    data = replace(data, samples=(*data.samples[:2], bad, data.samples[3]))
    evaluate(Dark(shift_px=1), data).write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (content["schema"], content["task"], content["images"], content["at"]) == (
        1,
        "segmentation",
        1,
        "original",
    )
    assert set(content["figures"]["iou_pooled"]) == {"value", "low", "high"}
    assert 0 < content["figures"]["iou_pooled"]["value"] < 1
    assert set(content["classes"]) == {"crack", "background"}
    rows = list(csv.DictReader((tmp_path / "out" / "images.csv").open()))
    assert tuple(rows[0]) == IMAGES_COLUMNS
    assert [(row["image"], row["status"]) for row in rows] == [("003", "ok"), ("002", "failed")]
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert "data:image/jpeg" in page and "http" not in page
    assert (tmp_path / "out" / "pr.png").stat().st_size > 1000


def test_the_gallery_shows_the_worst_first() -> None:
    data = dataset(4)
    wrong = np.zeros((40, 48), np.uint8)
    wrong[30:, 30:] = 1
    data = replace(data, samples=(*data.samples, sample("wrong <b>", picture(9)[0], wrong)))
    got = evaluate(Dark(), data, options=EvaluateOptions(gallery=2))
    assert got.gallery[0].name == "wrong <b>" and len(got.gallery) == 2
    assert evaluate(Dark(), data, options=EvaluateOptions(gallery=0)).gallery == ()


def test_overlapping_classes_use_the_stack() -> None:
    classes = (ClassInfo(1, "crack"), ClassInfo(2, "rust"))
    image, mask = picture(0)
    both = np.stack([mask == 1, mask == 1], axis=-1)

    class Both(Dark):
        def predict(self, image: np.ndarray) -> Prediction:
            one = super().predict(image)
            probability = np.repeat(one.probability[:1], 2, axis=0)
            return replace(one, probability=probability, stack=probability >= 0.5)

    data = replace(dataset(1, classes=classes), samples=(sample("a", image, both),), multi_label=True)
    got = evaluate(Both(classes=classes), data)
    assert got.classes["crack"]["f1_pooled"].value == got.classes["rust"]["f1_pooled"].value == 1


def test_classes_without_a_partner_ask_for_map() -> None:
    classes = (ClassInfo(1, "fissure"), ClassInfo(2, "rust"))
    with pytest.raises(ClassMappingError, match="--map"):
        evaluate(Dark(), dataset(2, classes=classes))
    options = EvaluateOptions(mapping={"fissure": "crack", "rust": "ignore"})
    assert evaluate(Dark(), dataset(2, classes=classes), options=options).value("f1_pooled") == 1


def test_the_network_grid_needs_a_bundle() -> None:
    with pytest.raises(UsageError, match="network"):
        evaluate(Dark(), dataset(2), at="network")
    with pytest.raises(UsageError, match="grid"):
        evaluate(Dark(), dataset(2), at="elsewhere")  # type: ignore[arg-type]


def test_limits_come_from_groups() -> None:
    data = dataset(4)
    empty = replace(data.samples[0], read_mask=lambda: np.zeros((40, 48), np.uint8))
    figure = evaluate(Dark(), replace(data, samples=(empty, *data.samples[1:]))).figures["precision_pooled"]
    assert figure.low is not None and figure.high is not None
    assert figure.low < figure.value < figure.high == 1
