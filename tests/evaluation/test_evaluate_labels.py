"""A classifier against labels: the right images and classes, and nothing dropped in silence."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import ClassMappingError, DataError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.thresholds import choose_threshold
from flawscope.inspection.options import PredictOptions
from flawscope.types import ClassInfo, RgbImage, Sample
from inspection.toy_classifier import COLOURS, brightest_bundle, flat
from inspection.toy_networks import dark_bundle

from .toys import Dark, unreadable
from .toys import dataset as masks


def labelled(*labels: int | tuple[int, ...], shown: tuple[int, ...] = ()) -> Dataset:
    """Images of one colour each; the model names the colour that is ``shown``, the label by default."""
    samples = []
    for n, label in enumerate(labels):
        own = (label,) if isinstance(label, int) else label
        colour = shown[n] if shown else own[0]
        samples.append(
            Sample(f"{n:03d}", partial(flat, colour, n), labels=own, source="AB"[n % 2], group=f"g{n // 2}")
        )
    return Dataset(Path("colours"), "none", classes(), "classification", tuple(samples), classes_named=True)


def classes(*names: str) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(k, name, kind="image") for k, name in enumerate(names or COLOURS))


def test_figures_of_known_answers(tmp_path: Path) -> None:
    bundle = brightest_bundle(tmp_path / "b")
    calls: list[tuple[int, int, str]] = []
    data = labelled(0, 1, 2, 0, 1, shown=(0, 1, 2, 1, 1))
    got = evaluate(bundle, data, part="all", progress=lambda *call: calls.append(call))
    assert got.value("accuracy") == 0.8 and got.images == 5 and calls == [(5, 5, "004")]
    assert got.summary.confusion is not None
    assert got.summary.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    assert set(got.sources) == {"A", "B"} and got.to_dict()["model"].endswith("b")


def test_the_files_of_an_evaluation(tmp_path: Path) -> None:
    got = evaluate(brightest_bundle(tmp_path / "b"), labelled(0, 1, 2), part="all")
    got.write(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "metrics.json", "images.csv", "scores.csv", "confusion.csv", "confusion.png", "roc.png",
        "calibration.png",
    }  # fmt: skip
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", *COLOURS] and float(rows[2]["blue"]) > 0.9
    assert sum(float(rows[0][name]) for name in COLOURS) == pytest.approx(1, abs=1e-5)
    written = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert written["figures"]["accuracy"]["value"] == 1


def test_a_part_of_the_split_and_an_ensemble(tmp_path: Path) -> None:
    data = replace(
        labelled(0, 1, 2, 0), default_split=Split(parts={"train": ("000",), "test": ("001", "002")})
    )
    bundles = [brightest_bundle(tmp_path / name) for name in "ab"]
    got = evaluate(bundles, data, options=EvaluateOptions(predict=PredictOptions(flip_tta=True)))
    assert (got.images, got.part, got.value("accuracy")) == (2, "test", 1)


def test_classes_go_by_name_not_by_place(tmp_path: Path) -> None:
    other = replace(labelled(0, 1, shown=(2, 0)), classes=classes("blue", "red"))
    got = evaluate(brightest_bundle(tmp_path / "b"), other, part="all")
    assert got.value("accuracy") == 1
    assert any("green" in note for note in got.to_dict()["notes"])


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_class_that_the_truth_never_gives_is_said_to_count_as_it_does(tmp_path: Path, head: str) -> None:
    data = replace(labelled(0, 1, 1, shown=(2, 0, 1)), classes=classes("blue", "red"))
    got = evaluate(brightest_bundle(tmp_path / "b", head), data, part="all")  # the last is green to the model
    assert got.value("exact_match") == pytest.approx(2 / 3) and got.classes["green"]["fp"].value == 1
    assert got.notes[-1] == "not in the truth, so wrong wherever named: green"


def test_other_names_are_mapped_or_refused(tmp_path: Path) -> None:
    bundle = brightest_bundle(tmp_path / "b")
    other = replace(labelled(0, 1, 2, 2, shown=(0, 1, 1, 2)), classes=classes("rust", "moss", "sky"))
    with pytest.raises(ClassMappingError, match="--map"):
        evaluate(bundle, other, part="all")
    mapping = {"rust": "red", "moss": "green", "sky": "ignore"}
    got = evaluate(bundle, other, part="all", options=EvaluateOptions(mapping=mapping))
    assert (got.images, got.value("accuracy"), got.unlabelled) == (2, 1, 2)
    to_none = EvaluateOptions(mapping={**mapping, "sky": "background"})
    assert evaluate(bundle, other, part="all", options=to_none).unlabelled == 2, "softmax needs a class"
    head = brightest_bundle(tmp_path / "s", "sigmoid")
    answered = evaluate(head, other, part="all", options=to_none)
    assert answered.images == 4 and answered.value("exact_match") == 0.5


def test_unreadable_and_unlabelled_images_are_told(tmp_path: Path) -> None:
    data = labelled(0, 1, 2)
    bad = (replace(data.samples[0], image=unreadable), replace(data.samples[1], labels=()), data.samples[2])
    got = evaluate(brightest_bundle(tmp_path / "b"), replace(data, samples=bad), part="all")
    assert [item.name for item in got.failed] == ["000"] and got.unlabelled == 1 and got.images == 1
    assert got.image_rows()[-1]["status"] == "failed"
    with pytest.raises(DataError, match="cut off"):
        evaluate(brightest_bundle(tmp_path / "c"), replace(data, samples=bad[:1]), part="all")
    with pytest.raises(DataError, match="no labelled image"):
        evaluate(brightest_bundle(tmp_path / "d"), replace(data, samples=bad[1:2]), part="all")


def test_several_labels_under_softmax_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="000 has 2 classes"):
        evaluate(brightest_bundle(tmp_path / "b"), labelled((0, 1)), part="all")


def test_the_threshold_of_the_bundle_decides(tmp_path: Path) -> None:
    bundle = brightest_bundle(tmp_path / "b", "sigmoid", thresholds={"red": 0.999999})
    got = evaluate(bundle, labelled(0, 1), part="all")
    assert got.classes["red"]["recall"].value == 0 and got.classes["green"]["recall"].value == 1


def test_model_and_data_of_two_tasks_are_refused(tmp_path: Path) -> None:
    bundle = brightest_bundle(tmp_path / "b")
    with pytest.raises(UsageError, match=r"labels images; .* holds masks"):
        evaluate(bundle, masks(2), part="all")
    with pytest.raises(UsageError, match=r"marks pixels; .* holds labels of images"):
        evaluate(dark_bundle(tmp_path / "dark"), labelled(0), part="all")
    with pytest.raises(UsageError, match="marks pixels"):
        evaluate(Dark(), labelled(0), part="all")
    with pytest.raises(UsageError, match="thresholds are chosen here for marked pixels"):
        choose_threshold(bundle, labelled(0), part="all")
    with pytest.raises(UsageError, match="labels whole images"):
        choose_threshold(bundle, masks(2), part="all")


def test_many_images_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    alive = 0

    def picture(n: int) -> RgbImage:
        nonlocal alive
        alive += 1
        return flat(n % 3, n)

    data = labelled(*(n % 3 for n in range(150)))
    counted = tuple(replace(one, image=partial(picture, n)) for n, one in enumerate(data.samples))
    seen: list[int] = []
    got = evaluate(
        brightest_bundle(tmp_path / "b"), replace(data, samples=counted), part="all",
        progress=lambda *_: seen.append(alive),
    )  # fmt: skip
    assert seen == [64, 128, 150] and got.value("accuracy") == 1
    assert np.isfinite(got.value("loss"))
