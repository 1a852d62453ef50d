"""What a classifier's evaluation writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.evaluation.classification import Answer, Head, gather
from flawscope.evaluation.classification_metrics import LABEL_COLUMNS, LabelMetrics, measure_answers
from flawscope.evaluation.metrics import Failed


def made(head: Head, classes: int = 4, images: int = 60) -> LabelMetrics:
    rng = np.random.default_rng(1)
    truth = rng.random((images, classes)) < 0.3
    if head == "softmax":
        truth = np.eye(classes, dtype=bool)[rng.integers(0, classes, images)]
    scores = np.clip(0.05 + 0.3 * truth + 0.6 * rng.random((images, classes)), 0, 1)
    if head == "softmax":
        scores /= scores.sum(axis=1, keepdims=True)
    rows = [
        Answer(f"i{k}", scores[k], tuple(np.flatnonzero(truth[k]).tolist()), source="AB"[k % 2])
        for k in range(images)
    ]
    answers = gather(rows, [f"kind{k}" for k in range(classes)], head)
    return measure_answers(answers, part="test", failed=[Failed("bad", "cannot be read")], draws=50)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_everything_is_written_and_holds_together(head: Head, tmp_path: Path) -> None:
    metrics = made(head)
    folder = metrics.write(tmp_path / "out")
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert (told["schema"], told["task"], told["images"], told["part"]) == (1, "classification", 60, "test")
    assert {"accuracy", "loss", "f1_macro", "exact_match", "calibration_error"} <= told["figures"].keys()
    assert told["sources"].keys() == {"A", "B"}
    assert told["failed"] == [{"image": "bad", "error": "cannot be read"}]
    assert (told["confusion"] is None) == (head == "sigmoid")
    assert np.array(list(told["tables"].values())).sum() == 60 * 4
    with (folder / "images.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == LABEL_COLUMNS
    assert [row["status"] for row in rows] == ["ok"] * 60 + ["failed"]
    assert np.mean([row["right"] == "1" for row in rows[:-1]]) == pytest.approx(metrics.value("exact_match"))
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as stream:
        scores = list(csv.DictReader(stream))
    assert list(scores[0]) == ["image", "kind0", "kind1", "kind2", "kind3"]
    with (folder / "confusion.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 4
    for name in ("confusion.png", "roc.png", "calibration.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 300


def test_one_source_is_not_told_apart() -> None:
    metrics = made("softmax")
    assert measure_answers(metrics.answers.of_source("A"), draws=0).sources == {}


@pytest.mark.parametrize(("classes", "images"), [(1, 5), (30, 90), (2, 0)])
def test_plots_of_one_of_many_and_of_nothing(classes: int, images: int, tmp_path: Path) -> None:
    head: Head = "sigmoid" if classes == 1 else "softmax"
    assert (made(head, classes, images).write(tmp_path / "out") / "confusion.png").is_file()
