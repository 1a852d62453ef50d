"""Gates: what they spare, what is said of it, and how one comes into a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from flawscope.bundle import Bundle, Chosen, ClassSpec, StageSpec
from flawscope.cli.app import main
from flawscope.errors import BundleError, UsageError
from flawscope.inspection.gate import chosen_in_two_steps, gate_stage, joint_scores, with_gate
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.promises import reasons_void
from flawscope.inspection.run import RunSettings, inspect_folder
from flawscope.manifest import InputSpec, Promise
from flawscope.types import ClassInfo

from .gates import SPEC, colour_classes, dark_gate, label_bundle
from .toy_networks import PLAIN, dark_bundle

HALF = Chosen(value=0.5, rule="half", data="none")
CLEAN = ClassSpec(id=0, name="clean", kind="image")


def bright() -> Any:
    return np.full((80, 100, 3), 230, np.uint8)


def blotched() -> Any:
    """A dark blotch that stays dark when the picture is made small."""
    image = bright()
    image[20:50, 30:70] = 10
    return image


@pytest.fixture
def gated(tmp_path: Path) -> Bundle:
    """A segmenter of dark pixels behind a gate."""
    return with_gate(dark_bundle(tmp_path / "plain"), dark_gate(tmp_path / "gate"), HALF, tmp_path / "gated")


def two_step(root: Path, activation: str = "softmax") -> Bundle:
    spec = SPEC.model_copy(update={"activation": activation})
    second = colour_classes(root / "classes", spec)
    return with_gate(second, dark_gate(root / "gate"), HALF, root / "both", clean=CLEAN, name="both")


def test_a_clean_image_is_spared_and_a_defective_one_is_not(gated: Bundle) -> None:
    inspector = Inspector(gated)
    spared, looked = inspector.inspect(bright()), inspector.inspect(blotched())
    assert spared.spared and not spared.findings and spared.verdict == "clean"
    assert spared.gate_score == pytest.approx(1 / (1 + np.exp(20 * 230 / 255 - 10)), rel=1e-3)
    assert not looked.spared and len(looked.findings) == 1 and looked.gate_score > 0.9  # type: ignore[operator]


def test_behind_the_gate_nothing_changes(gated: Bundle, tmp_path: Path) -> None:
    plain, behind = Inspector(tmp_path / "plain"), Inspector(gated)
    one, other = plain.predict(blotched()), behind.predict(blotched())
    assert (one.mask == other.mask).all() and (one.probability == other.probability).all()
    nothing = behind.predict(bright())
    assert not nothing.mask.any() and not nothing.probability.any() and nothing.mask.shape == (80, 100)


def test_the_other_network_does_not_run_on_what_is_spared(
    gated: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector = Inspector(gated)
    monkeypatch.setattr(inspector, "_collect", lambda *_: pytest.fail("the segmenter was asked"))
    assert inspector.inspect(bright()).spared


@pytest.mark.parametrize(("threshold", "spared"), [(0.0, False), (1.0, True)])
def test_the_threshold_can_be_given(gated: Bundle, threshold: float, spared: bool) -> None:
    inspector = Inspector(gated, gate_threshold=threshold)
    assert inspector.gate_threshold == threshold
    assert inspector.inspect(bright()).spared is spared


def test_a_threshold_needs_a_gate_and_a_share(gated: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no gate"):
        Inspector(tmp_path / "plain", gate_threshold=0.5)
    with pytest.raises(UsageError, match="expected 0 to 1"):
        Inspector(gated, gate_threshold=1.5)


def test_an_ensemble_has_a_gate_where_each_has_one(gated: Bundle, tmp_path: Path) -> None:
    assert Inspector([gated, gated]).inspect(bright()).spared
    mixed = Inspector([gated, tmp_path / "plain"])
    assert mixed.gate_threshold is None and mixed.inspect(bright()).gate_score is None


def test_a_run_counts_what_was_spared_and_resumes(gated: Bundle, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name, picture in (("a", bright()), ("b", blotched()), ("c", bright())):
        Image.fromarray(picture).save(photos / f"{name}.png")
    result = inspect_folder(Inspector(gated), RunSettings((photos,), out))
    assert result.summary()["spared"] == 2
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))["gate"]
    assert facts == {
        "threshold": 0.5, "rule": "half", "data": "none", "images": 3, "clean": 2, "spared": 2,
    }  # fmt: skip
    assert "The gate took 2 of 3 images for clean" in (out / "report.html").read_text(encoding="utf-8")
    again = inspect_folder(Inspector(gated), RunSettings((photos,), out, resume=True))
    assert again.resumed == 3 and again.summary()["spared"] == 2
    other = inspect_folder(Inspector(gated, gate_threshold=0.2), RunSettings((photos,), out, resume=True))
    assert other.resumed == 0


def test_without_a_gate_run_json_says_so(tmp_path: Path) -> None:
    Image.fromarray(bright()).save(tmp_path / "a.png")
    out = tmp_path / "out"
    inspect_folder(Inspector(dark_bundle(tmp_path / "plain")), RunSettings((tmp_path / "a.png",), out))
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["gate"] is None


def test_the_command_takes_a_threshold(gated: Bundle, tmp_path: Path) -> None:
    Image.fromarray(bright()).save(tmp_path / "a.png")
    words = ["inspect", str(tmp_path / "a.png"), "--model", str(gated.source), "--out", str(tmp_path / "o")]
    assert main([*words, "--gate", "0"]) == 0
    assert json.loads((tmp_path / "o" / "run.json").read_text(encoding="utf-8"))["gate"]["spared"] == 0


# --- two steps ------------------------------------------------------------------------------------------


def test_two_steps_say_clean_or_a_class(tmp_path: Path) -> None:
    inspector = Inspector(two_step(tmp_path))
    assert inspector.two_step and [info.name for info in inspector.classes] == [
        "clean",
        "red",
        "green",
        "blue",
    ]
    clean = inspector.inspect(bright())
    assert clean.label == "clean" and clean.verdict == "clean" and not clean.findings
    green = blotched()
    green[20:50, 30:70, 1] = 90
    found = inspector.inspect(green)
    assert found.label == "green" and found.verdict == "defect" and found.findings[0].class_name == "green"
    assert sum(found.scores) == pytest.approx(1.0, abs=1e-5)
    assert found.scores[2] == found.label_score == max(found.scores)


def test_a_sigmoid_second_step_names_several_or_the_likeliest(tmp_path: Path) -> None:
    inspector = Inspector(two_step(tmp_path, "sigmoid"))
    dark = blotched()  # each channel 10: 0.6 for each class
    assert inspector.inspect(dark).label == "red;green;blue"
    cuts = {"red": 0.9, "green": 0.9, "blue": 0.9}
    assert Inspector(inspector.bundle, thresholds=cuts).inspect(dark).label == "red"
    assert Inspector(inspector.bundle, thresholds={**cuts, "blue": 0.3}).inspect(dark).label == "blue"


def test_the_gate_decides_even_where_clean_is_likelier() -> None:
    spec = SPEC.model_copy(update={"activation": "softmax"})
    classes = tuple(ClassInfo(k, name) for k, name in enumerate(("clean", "a", "b")))
    scores = joint_scores(np.array([0.4], np.float32), np.array([[0.5, 0.5]], np.float32))[0]
    assert scores.tolist() == pytest.approx([0.6, 0.2, 0.2])
    thresholds = dict.fromkeys(("clean", "a", "b"), 0.5)
    assert chosen_in_two_steps(scores, spec, classes, thresholds, 0.5) == [0]
    assert chosen_in_two_steps(scores, spec, classes, thresholds, 0.3) == [1]


def test_inspecting_and_evaluating_show_each_step_the_photograph_at_its_own_size(tmp_path: Path) -> None:
    small = SPEC.model_copy(update={"activation": "softmax", "size_hw": (8, 8)})
    second = colour_classes(tmp_path / "classes", small)
    both = with_gate(second, dark_gate(tmp_path / "gate"), HALF, tmp_path / "both", clean=CLEAN)
    image = bright()
    image[40:43, 50:53] = 0  # a speck that the gate sees, and that is gone at 8 x 8 px
    for inspector in (Inspector(both), Inspector([both, two_step(tmp_path / "alike")])):
        found = inspector.inspect(image)
        assert found.scores == pytest.approx(inspector.label_scores([image])[0].tolist(), abs=1e-6)
        assert found.label != "clean" and found.gate_score > 0.5  # type: ignore[operator]


def test_a_sure_gate_keeps_its_word_far_below_a_millionth() -> None:
    classes = tuple(ClassInfo(k, name) for k, name in enumerate(("clean", "a", "b")))
    sigmoid = SPEC.model_copy(update={"activation": "sigmoid"})
    for sure in (3e-9, 3e-8, 3e-6):
        gate, step = np.array([sure], np.float32), np.array([[0.3, 0.7]], np.float32)
        scores = joint_scores(gate, step)[0]
        at = {"clean": 0.5, "a": float(step[0, 0]), "b": 0.8}  # a is just reached
        assert chosen_in_two_steps(scores, sigmoid, classes, at, float(gate[0])) == [1]
        assert chosen_in_two_steps(scores, sigmoid, classes, at, float(gate[0]) * 1.01) == [0]


def test_one_step_and_two_make_no_ensemble(tmp_path: Path) -> None:
    names = ("clean", "red", "green", "blue")
    manifest = two_step(tmp_path).manifest
    plain = label_bundle(tmp_path / "plain", names, np.zeros((3, 4)), np.zeros(4), manifest.input, first_id=0)
    with pytest.raises(BundleError, match="one step or in two"):
        Inspector([plain, Bundle.load(tmp_path / "both")])


# --- bundles --------------------------------------------------------------------------------------------


def test_what_a_gated_bundle_holds(gated: Bundle, tmp_path: Path) -> None:
    stage = gate_stage(gated.manifest)
    assert stage is not None and stage.input == SPEC and stage.threshold == HALF
    assert stage.files == {"onnx": "gate/model.onnx"}
    assert gated.manifest.input == PLAIN and (gated.root / "gate" / "model.onnx").is_file()
    assert Bundle.load(gated.source).manifest == gated.manifest
    other = with_gate(gated, dark_gate(tmp_path / "g2"), Chosen(value=0.1), tmp_path / "again")
    assert [one.role for one in other.manifest.stages] == ["gate", "segment"]
    assert gate_stage(other.manifest).threshold.value == 0.1  # type: ignore[union-attr]
    in_place = with_gate(gated, dark_gate(tmp_path / "g3"), Chosen(value=0.2), gated.root)
    assert gate_stage(in_place.manifest).threshold.value == 0.2  # type: ignore[union-attr]


def test_a_manifest_without_a_gate_says_nothing_of_gates(tmp_path: Path) -> None:
    stage = json.loads(dark_bundle(tmp_path / "plain").manifest.to_json())["stages"][0]
    assert set(stage) == {"role", "network", "files"}


def test_what_is_no_gate_is_refused(tmp_path: Path) -> None:
    plain = dark_bundle(tmp_path / "plain")
    for wrong in (plain, colour_classes(tmp_path / "colours")):
        with pytest.raises(UsageError, match="is no gate"):
            with_gate(plain, wrong, HALF, tmp_path / "out")
    with pytest.raises(UsageError, match="class of clean ones"):
        with_gate(colour_classes(tmp_path / "c2"), dark_gate(tmp_path / "g"), HALF, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"role": "segment", "threshold": HALF}, "only a gate"),
        ({"role": "gate"}, "needs its own input"),
        ({"role": "gate", "input": InputSpec()}, "needs its own input"),
        ({"role": "gate", "input": SPEC, "threshold": Chosen(value=2.0)}, "between 0 and 1"),
    ],
)
def test_wrong_stages_are_refused(stage: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StageSpec(files={"onnx": "m.onnx"}, **stage)


def test_a_promise_falls_with_the_gate(gated: Bundle) -> None:
    promise = Promise(
        risk="images", level=0.1, method="crc", unit="image", units=20, data="d", threshold=0.5,
        min_area_px=0, presence_px=0, file="model.onnx", sha256=gated.manifest.sha256["model.onnx"],
        runtime="onnx", input=PLAIN,
    )  # fmt: skip
    assert reasons_void(Inspector(gated), "crack", promise) == ()
    assert reasons_void(Inspector(gated, gate_threshold=0.9), "crack", promise) == ("gate was 0.5, is 0.9",)
