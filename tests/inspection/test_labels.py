"""Labels of whole photographs: probabilities, what they say, and the files of an inspection."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.errors import BundleError, UsageError
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.labels import activate_labels, chosen_classes, label_findings, label_probabilities
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.run import RunResult, RunSettings, inspect_folder
from flawscope.manifest import InputSpec
from flawscope.types import ClassInfo, FloatArray

from .toy_classifier import COLOURS, brightest_bundle, flat
from .toy_networks import dark_bundle

SOFTMAX = InputSpec(mode="resize", size_hw=(8, 8), activation="softmax")
SIGMOID = InputSpec(mode="resize", size_hw=(8, 8), activation="sigmoid")
CLASSES = tuple(ClassInfo(k, name, kind="image") for k, name in enumerate(COLOURS))


class LeftIsBright:
    """Logits: mean of the left half, mean of the right half."""

    name = "left"
    threads = 1

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, batch: FloatArray) -> FloatArray:
        self.batches.append(len(batch))
        half = batch.shape[-1] // 2
        return np.stack(
            [batch[..., :half].mean(axis=(1, 2, 3)), batch[..., half:].mean(axis=(1, 2, 3))], axis=1
        )


def test_activations_never_overflow_and_refuse_other_shapes() -> None:
    logits = np.array([[1000.0, -1000.0], [0.0, 0.0]], np.float32)
    assert activate_labels(logits, SOFTMAX, 2).tolist() == [[1, 0], [0.5, 0.5]]
    assert activate_labels(logits, SIGMOID, 2)[0] == pytest.approx([1, 0])
    for wrong in (np.zeros((2, 3), np.float32), np.zeros((2, 2, 1, 1), np.float32)):
        with pytest.raises(BundleError, match="expected N x 2"):
            activate_labels(wrong, SOFTMAX, 2)


def test_batches_and_flips_change_nothing_that_they_should_not() -> None:
    images = [flat(0, n, (9 + n, 12)) for n in range(5)]
    one = np.concatenate([label_probabilities([i], LeftIsBright(), SOFTMAX, 2) for i in images])
    network = LeftIsBright()
    big = SOFTMAX.model_copy(update={"size_hw": (512, 512)})
    assert label_probabilities(images, LeftIsBright(), SOFTMAX, 2) == pytest.approx(one)
    label_probabilities(images, network, big, 2)
    assert network.batches == [2, 2, 1], "a batch stays below half a megapixel"
    flipped = label_probabilities(images, LeftIsBright(), SOFTMAX, 2, flip_tta=True)
    assert flipped == pytest.approx(np.full((5, 2), 0.5), abs=1e-6)
    assert label_probabilities([], LeftIsBright(), SOFTMAX, 2).shape == (0, 2)


def test_what_probabilities_say() -> None:
    scores = np.array([0.4, 0.5, 0.6], np.float32)
    cuts = {"red": 0.1, "green": 0.5, "blue": 0.61}
    assert chosen_classes(scores, SOFTMAX, CLASSES, cuts) == [2]
    assert chosen_classes(scores, SIGMOID, CLASSES, cuts) == [1, 0], "at the threshold counts"
    assert chosen_classes(np.zeros(3, np.float32), SIGMOID, CLASSES, dict.fromkeys(COLOURS, 0.5)) == []


@pytest.mark.parametrize("name", ["ok", "No_Defect", "no crack", "Clean", "background"])
def test_some_labels_are_no_finding(name: str) -> None:
    classes = (ClassInfo(0, name, kind="image"), ClassInfo(1, "rust", kind="image"))
    scores = np.array([0.9, 0.8], np.float32)
    assert label_findings("a.png", (4, 6), scores, [0], classes) == ()
    (found,) = label_findings("a.png", (4, 6), scores, [0, 1], classes)
    assert (found.class_name, found.kind, found.w_px, found.h_px, found.finding_id) == (
        "rust",
        "image",
        6,
        4,
        1,
    )


def test_an_inspection_says_what_the_evaluation_counts(tmp_path: Path) -> None:
    inspector = Inspector(brightest_bundle(tmp_path / "b"))
    for size_hw in ((12, 16), (300, 500), (5, 7), (3000, 40)):
        image = flat(1, 3, size_hw)
        image[: size_hw[0] // 2, :, 0] = 255
        found = inspector.inspect(image, name="a.png")
        assert found.scores == pytest.approx(tuple(inspector.label_scores([image])[0]), abs=0.02)
        assert found.label == COLOURS[int(np.argmax(found.scores))] and found.size_hw == size_hw
        assert found.label_score == max(found.scores) and found.prediction is None


def test_an_ensemble_averages(tmp_path: Path) -> None:
    bundles = [brightest_bundle(tmp_path / name) for name in "ab"]
    one, both = Inspector(bundles[0]), Inspector(bundles, options=PredictOptions(flip_tta=True))
    images = [flat(k, k) for k in range(3)]
    assert both.label_scores(iter(images)) == pytest.approx(one.label_scores(images), abs=1e-6)


def test_what_a_classifier_cannot_heed_is_refused(tmp_path: Path) -> None:
    softmax, head = brightest_bundle(tmp_path / "b"), brightest_bundle(tmp_path / "s", "sigmoid")
    with pytest.raises(UsageError, match="most probable class"):
        Inspector(softmax, thresholds={"red": 0.7})
    with pytest.raises(UsageError, match="labels whole images"):
        Inspector(softmax, min_area_px={"red": 7})
    with pytest.raises(UsageError, match="'pink'"):
        Inspector(head, thresholds={"pink": 0.7})
    with pytest.raises(BundleError, match="softmax and sigmoid"):
        Inspector([softmax, head])
    with pytest.raises(BundleError, match="one task"):
        Inspector([softmax, dark_bundle(tmp_path / "dark")])
    with pytest.raises(UsageError, match="marks no pixels"):
        Inspector(softmax).predict(flat(0))
    with pytest.raises(UsageError, match="labels no images"):
        Inspector(dark_bundle(tmp_path / "dark2")).label_scores([flat(0)])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three colours, one of them in a subfolder, and a broken file."""
    folder = tmp_path / "photos"
    (folder / "side a").mkdir(parents=True)
    for k, name in enumerate(("r.png", "side a/grün.png", "b.png")):
        Image.fromarray(flat(k, k)).save(folder / name)
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def do(inspector: Inspector, photos: Path, out: Path, **changes: object) -> RunResult:
    return inspect_folder(inspector, replace(RunSettings((photos,), out), **changes))  # type: ignore[arg-type]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_files_of_an_inspection(photos: Path, tmp_path: Path) -> None:
    bundle = brightest_bundle(tmp_path / "b", names=("rust", "ok", "moss"))
    out = tmp_path / "out"
    result = do(Inspector(bundle), photos, out)
    assert result.exit_code == 1 and [item.image for item in result.failed] == ["torn.png"]
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith(".flawscope/")} == {
        "findings.csv", "images.csv", "scores.csv", "report.html", "run.json", "overlays/r.jpg",
        "overlays/b.jpg", "overlays/side a/grün.jpg",
    }  # fmt: skip
    images = {row["image"]: row for row in rows(out / "images.csv")}
    assert [images[n]["label"] for n in ("r.png", "side a/grün.png", "b.png")] == ["rust", "ok", "moss"]
    assert [images[n]["verdict"] for n in ("r.png", "side a/grün.png")] == ["defect", "clean"]
    assert images["torn.png"]["status"] == "failed" and not images["torn.png"]["label"]
    scores = {row["image"]: row for row in rows(out / "scores.csv")}
    assert list(scores["r.png"]) == ["image", "rust", "ok", "moss"] and not scores["torn.png"]["rust"]
    assert float(scores["b.png"]["moss"]) == pytest.approx(float(images["b.png"]["label_score"]), abs=1e-4)
    (first, second) = rows(out / "findings.csv")
    assert {first["class"], second["class"]} == {"rust", "moss"} and first["area_px"] == ""
    assert (first["kind"], first["w_px"], first["h_px"]) == ("image", "30", "20")
    with Image.open(out / "overlays" / "r.jpg") as overlay:
        assert overlay.size == (270, 180), "a small picture is enlarged, so that its label can be read"
    summary = result.summary()
    assert summary["defective"] == 2 and "masks" not in summary["files"]


def test_resumed_as_it_was_made(photos: Path, tmp_path: Path) -> None:
    inspector = Inspector(brightest_bundle(tmp_path / "b", "sigmoid"))
    do(inspector, photos, tmp_path / "out")
    before = [(tmp_path / "out" / n).read_text(encoding="utf-8") for n in ("scores.csv", "findings.csv")]
    again = do(inspector, photos, tmp_path / "out", resume=True)
    assert again.resumed == 3
    assert before == [
        (tmp_path / "out" / n).read_text(encoding="utf-8") for n in ("scores.csv", "findings.csv")
    ]
    other = Inspector(brightest_bundle(tmp_path / "c", "sigmoid"), thresholds={"red": 1.0})
    changed = do(other, photos, tmp_path / "out", resume=True)
    assert changed.resumed == 0 and not [
        f for i in changed.inspections for f in i.findings if f.class_name == "red"
    ]


@pytest.mark.parametrize("name", ["coco", "geojson", "json"])
def test_the_other_formats_take_labels_too(name: str, photos: Path, tmp_path: Path) -> None:
    result = do(Inspector(brightest_bundle(tmp_path / "b")), photos, tmp_path / "out", formats=(name,))
    content = json.loads((tmp_path / "out" / result.files[name]).read_text(encoding="utf-8"))
    assert content
