"""Two steps from one configuration: what each learns from, one run, one bundle, and the same after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split, load_split
from flawscope.errors import ConfigError, DataError, ImageError, OutputError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.runs import FoldMetrics
from flawscope.evaluation.table_runs import Trial, parse_run, results
from flawscope.evaluation.table_text import make_table
from flawscope.evaluation.tables import layout_named
from flawscope.evaluation.two_step import StepMetrics
from flawscope.inspection.explain import make_explainer
from flawscope.inspection.gate import gate_stage
from flawscope.inspection.inspector import Inspector
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import load_config, parse_config
from flawscope.training.progress import Silent
from flawscope.training.run import Run, train
from flawscope.training.two_step_config import classes_config, gate_config
from flawscope.training.two_step_data import split_for_step, split_of_steps, step_data
from flawscope.types import ClassInfo, Sample

SMALL: dict[str, Any] = {
    "recipe": "small",
    "task": "classification",
    "two_step": {"steps": "both", "gate": {"train": {"batch": 6}}},
    "model": {"name": "unet-classifier", "options": {"widths": [4, 8], "hidden": 0, "dropout": 0.0}},
    "input": {"mode": "resize", "size_hw": [16, 24], "activation": "softmax"},
    "loss": [{"name": "cross_entropy"}],
    "optimiser": {"name": "adam", "lr": 0.01, "weight_decay": 0.0},
    "schedule": {"name": "constant"},
    "augment": {"rotate90": 0.0},
    "train": {"batch": 4, "steps": 12, "monitor": "loss", "device": "cpu"},
    "validation": {"threshold_rule": "half"},
}


def settings(**sections: Any) -> TrainConfig:
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
    for name, section in sections.items():
        table[name] = {**table.get(name, {}), **section} if isinstance(section, dict) else section
    return parse_config(table)


def kind(number: int) -> int:
    """0 clean, 1 a dark square, 2 a bright one."""
    return (0, 1, 0, 2)[number % 4]


def image(number: int) -> Any:
    pixels = np.random.default_rng(number).integers(110, 140, (16, 24, 3), dtype=np.uint8)
    if kind(number):
        pixels[4:12, 8:16] = (0, 10, 245)[kind(number)]
    return pixels


def mask(number: int) -> Any:
    marked = np.zeros((16, 24), np.uint8)
    marked[4:12, 8:16] = kind(number)
    return marked


def masks(count: int = 32) -> Dataset:
    samples = tuple(Sample(f"{n:03d}", partial(image, n), partial(mask, n)) for n in range(count))
    classes = (ClassInfo(1, "dark", kind="area"), ClassInfo(2, "bright", kind="area"))
    return Dataset(Path("squares"), "none", classes, "segmentation", samples, classes_named=True)


def split(count: int = 32) -> Split:
    names = [f"{n:03d}" for n in range(count)]
    return Split(parts={"train": tuple(names[:-12]), "val": tuple(names[-12:-4]), "test": tuple(names[-4:])})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run") / "run"
    config = settings(train={"steps": 60}, classify={"train_figures": 8})
    return train(config, masks(), folder, split=split(), reporter=Silent())


# --- configuration --------------------------------------------------------------------------------------


def test_the_gate_has_keys_of_its_own() -> None:
    config = settings(train={"minutes": 10})
    gate, classes = gate_config(config), classes_config(config)
    assert (gate.train.batch, classes.train.batch) == (6, 4)
    assert gate.input.activation == "sigmoid" and [term.name for term in gate.loss] == ["bce"]
    assert classes.input.activation == "softmax" and classes.loss[0].name == "cross_entropy"
    assert (gate.train.minutes, classes.train.minutes) == (5, 10)
    assert gate.model == classes.model and gate.two_step.steps == classes.two_step.steps == "off"


def test_options_of_the_gate_are_replaced_as_a_whole() -> None:
    options = {"widths": [3], "hidden": 2}
    config = settings(two_step={"gate": {"model": {"options": options}}})
    assert gate_config(config).model.options == options
    assert classes_config(config).model.options == SMALL["model"]["options"]


def test_a_wrong_key_of_the_gate_is_named(tmp_path: Path) -> None:
    wrong = settings(two_step={"gate": {"train": {"bach": 6}}})
    with pytest.raises(ConfigError, match=r"two_step\.gate: unknown key 'train\.bach'"):
        train(wrong, masks(), tmp_path / "run", reporter=Silent())
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="set task"):
        train(parse_config({"two_step": {"steps": "both"}}), masks(), tmp_path / "run", reporter=Silent())


def test_the_recipes_of_the_capstone() -> None:
    config = load_config("two-step-capstone")
    gate, classes = gate_config(config), classes_config(config)
    assert (gate.train.batch, classes.train.batch, gate.train.epochs, classes.train.epochs) == (
        32,
        16,
        30,
        30,
    )
    assert config.input.size_hw == (256, 512) and config.two_step.per_class == 180
    sigmoid = load_config("two-step-capstone", ["input.activation=sigmoid", "loss.0.name=bce"])
    assert classes_config(sigmoid).input.activation == "sigmoid"
    with pytest.raises(ConfigError, match="sigmoid head"):
        load_config("two-step-capstone", ["input.activation=sigmoid"])
    assert gate_config(load_config("two-step")).model.name == "timm"


# --- data -----------------------------------------------------------------------------------------------


def test_what_each_step_learns_from() -> None:
    data = step_data(masks(8))
    assert [sample.labels for sample in data.gate] == [(), (1,), (), (1,)] * 2
    assert [(s.name, s.labels) for s in data.classes] == [
        ("001", (1,)), ("003", (2,)), ("005", (1,)), ("007", (2,)),
    ]  # fmt: skip
    assert [info.name for info in data.classes.classes] == ["dark", "bright"]
    assert data.clean.name == "clean" and data.gate.classes[0].name == "defect"


def test_a_mask_that_cannot_be_read_is_refused_or_left_out() -> None:
    def unread() -> Any:
        raise ImageError("masks/001.png: is cut short")

    broken = masks(8).with_samples(replace(s, read_mask=unread) if s.name == "001" else s for s in masks(8))
    with pytest.raises(DataError, match=r"masks/001\.png"):
        step_data(broken)
    left = step_data(broken, skip_bad=True)
    assert "001" not in left.gate and "001" not in left.classes and len(left.gate) == 7


def test_labels_with_a_clean_class_anywhere() -> None:
    classes = (ClassInfo(0, "dark"), ClassInfo(1, "good"), ClassInfo(2, "bright"))
    samples = [Sample(str(n), partial(image, n), labels=((1,), (0,), (1,), (2,))[n % 4]) for n in range(8)]
    data = step_data(Dataset(Path("set"), "none", classes, "classification", tuple(samples)))
    assert data.clean.id == 1 and [sample.labels for sample in data.classes] == [(0,), (2,)] * 2


def test_both_kinds_of_images_are_needed() -> None:
    every = masks(8)
    with pytest.raises(DataError, match="0 images are clean and 4 are not"):
        step_data(every.subset(["001", "003", "005", "007"]))
    with pytest.raises(DataError, match="4 images are clean and 0 are not"):
        step_data(every.subset(["000", "002", "004", "006"]))


def test_the_protocol_deals_both_steps_alike() -> None:
    config = settings(two_step={"protocol": "capstone-binary", "per_class": 10})
    data = step_data(masks(80))
    made = split_of_steps(config, data, None, Silent())
    counts = {part: len(names) for part, names in made.parts.items()}
    assert counts == {"train": 28, "val": 8, "test": 4}
    second = split_for_step(made, data.classes)
    assert {part: len(names) for part, names in second.parts.items()} == {"train": 14, "val": 4, "test": 2}
    given = split_of_steps(config, data, split(80), Silent())
    assert given.parts == split(80).parts, "a split that is given comes first"


def test_without_val_some_of_train_validates_both_steps() -> None:
    data = step_data(masks())
    made = split_of_steps(settings(), data, None, Silent())
    assert set(made.parts["train"]).isdisjoint(made.parts["val"])
    assert len(made.parts["train"]) + len(made.parts["val"]) == 32
    grouped = Split(parts={"train": data.every.names}, group_by="regex:.$")
    parts = split_of_steps(settings(), data, grouped, Silent()).parts
    assert {name[-1] for name in parts["train"]}.isdisjoint(name[-1] for name in parts["val"])


# --- runs -----------------------------------------------------------------------------------------------


def test_a_run_holds_both_steps_and_one_bundle(run: Run) -> None:
    for name in ("gate", "classes"):
        for file in ("config.toml", "history.csv", "curves.png", "metrics.json", "bundle/manifest.json"):
            assert (run.folder / name / file).is_file(), (name, file)
    history = json.loads((run.folder / "history.json").read_text(encoding="utf-8"))
    assert list(history) == ["gate", "classes"] and history["gate"][-1]["step"] == 60
    assert {"val_f1", "train_f1", "train_accuracy"} <= set(history["classes"][-1])
    bundle = Bundle.load(run.folder)
    assert [stage.role for stage in bundle.manifest.stages] == ["gate", "classify"]
    assert [info.name for info in bundle.classes] == ["clean", "dark", "bright"]
    assert load_split(run.folder / "split.json") == split()
    assert load_config(run.folder / "config.toml") == run.config
    assert run.metrics["part"] == "val" and set(run.metrics["steps"]) == {"gate", "classes"}


def test_it_learns_and_says_so_of_each_step(run: Run) -> None:
    got = evaluate(run.bundle, masks(), split(), part="test")
    assert isinstance(got, StepMetrics) and got.images == 4
    assert got.value("accuracy") == 1 and set(got.summary.classes) == {"clean", "dark", "bright"}
    steps = got.to_dict()["steps"]
    assert steps["gate"]["images"] == 4 and list(steps["gate"]["classes"]) == ["defect"]
    assert steps["classes"]["images"] == 2 and steps["classes"]["confusion"] == [[1, 0], [0, 1]]
    assert steps["gate"]["figures"]["accuracy"]["value"] == 1
    folds = FoldMetrics((got, got)).to_dict()
    assert folds["steps"]["gate"]["figures"]["accuracy"] == {"value": 1, "sd": 0, "low": None, "high": None}


def test_the_gate_s_threshold_decides_in_figures_too(run: Run) -> None:
    got = evaluate(Inspector(run.bundle, gate_threshold=1.0), masks(), split(), part="test")
    assert isinstance(got, StepMetrics)
    assert got.classes["clean"]["recall"].value == 1 and got.classes["dark"]["recall"].value == 0
    assert got.steps["gate"]["figures"]["recall_macro"]["value"] == 0
    assert got.steps["classes"]["figures"]["accuracy"]["value"] == 1, "it is asked whatever the gate said"


def test_an_image_gets_clean_or_its_class(run: Run) -> None:
    inspector = Inspector(run.bundle)
    assert [inspector.inspect(image(n)).label for n in (28, 29, 31)] == ["clean", "dark", "bright"]
    titles = list(make_explainer(Bundle.load(run.bundle)).maps(_source(29)))  # type: ignore[attr-defined]
    assert len(titles) == 2 and titles[0].startswith("a defect") and titles[1].startswith("dark")
    assert len(make_explainer(Bundle.load(run.bundle)).maps(_source(28))) == 1  # type: ignore[attr-defined]


def test_the_command_explains_what_its_gate_and_thresholds_say(run: Run, tmp_path: Path) -> None:
    """A panel for the photograph, one for the gate, and one for the class where the gate lets it be asked."""
    Image.fromarray(image(29)).save(tmp_path / "dark.png")
    words = ["inspect", str(tmp_path / "dark.png"), "--model", str(run.bundle), "--explain"]
    widths = {}
    for gate in ("0", "1"):
        out = tmp_path / gate
        assert main([*words, "--gate", gate, "--out", str(out)]) == 0
        widths[gate] = Image.open(out / "explain" / "dark.png").width
    assert "clean" in (tmp_path / "1" / "images.csv").read_text(encoding="utf-8")
    assert widths["1"] < widths["0"]


def test_thresholds_that_are_given_say_which_labels_are_explained(tmp_path: Path) -> None:
    config = settings(input={"activation": "sigmoid"}, loss=[{"name": "bce"}])
    made = Bundle.load(train(config, masks(), tmp_path / "run", split=split(), reporter=Silent()).bundle)
    low = make_explainer(made, thresholds={"dark": 0.0, "bright": 0.0}, gate_threshold=0.0)
    assert len(low.maps(_source(29))) == 3  # type: ignore[attr-defined]
    high = make_explainer(made, thresholds={"dark": 1.0, "bright": 1.0}, gate_threshold=0.0)
    assert len(high.maps(_source(29))) == 2  # type: ignore[attr-defined]


def _source(number: int) -> Any:
    from flawscope.inspection.bands import ArraySource

    return ArraySource(image(number))


def test_the_printed_tables_stand_beside(run: Run) -> None:
    wanted = [parse_run(f"ours={run.folder}")]
    rows, _ = results(wanted, Trial(masks(), split()))
    for name, accuracy in (("capstone-17", 0.917954), ("capstone-19", 0.893822)):
        table = make_table(layout_named(name), rows)
        assert [row[1] for row in table.rows[:3]] == ["ours", "training set", "test set"]
        assert table.rows[0][2][1].value == 1 and table.rows[1][2][1].value == accuracy
    with pytest.raises(UsageError, match="labels images"):
        results([parse_run(f"{run.folder}@0.3")], Trial(masks(), split()))


def test_the_miss_rate_sets_the_gate(tmp_path: Path) -> None:
    config = settings(two_step={"steps": "gate", "miss_rate": 0.3}, train={"steps": 30})
    made = train(config, masks(), tmp_path / "run", split=split(), reporter=Silent())
    manifest = Bundle.load(made.bundle).manifest
    assert [stage.role for stage in manifest.stages] == ["classify"] and gate_stage(manifest) is None
    chosen = manifest.thresholds["defect"]
    assert "at most 0.3 of defective images missed" in chosen.rule and "validation images" in chosen.data
    assert not (tmp_path / "run" / "classes").exists() and "accuracy" in made.metrics["figures"]
    # The same figures from the masks themselves, and from labels of any class.
    for dataset in (masks(), step_data(masks()).every):
        seen = evaluate(made.bundle, dataset, split(), "val", options=EvaluateOptions(draws=0)).to_dict()
        assert seen["figures"]["accuracy"]["value"] == made.metrics["figures"]["accuracy"]["value"]
        assert list(seen["classes"]) == ["defect"]
    with pytest.raises(DataError, match="at least 99"):
        train(
            settings(two_step={"miss_rate": 0.01}), masks(), tmp_path / "b", split=split(), reporter=Silent()
        )
    assert not (tmp_path / "b").exists()


def test_a_killed_run_goes_on_with_the_step_it_was_in(run: Run, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    class Killer(Silent):
        def __init__(self, left: int) -> None:
            self.left = left

        def epoch(self, row: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    config, folder = run.config, tmp_path / "run"
    epochs = len(json.loads((run.folder / "history.json").read_text(encoding="utf-8"))["gate"])
    with pytest.raises(KilledError):
        train(config, masks(), folder, split=split(), reporter=Killer(epochs + 3))
    assert (folder / "gate" / "bundle").is_dir() and not (folder / "classes" / "bundle").exists()
    before = (folder / "gate" / "bundle" / "manifest.json").stat().st_mtime_ns
    with pytest.raises(OutputError, match="already holds a run"):
        train(config, masks(), folder, split=split(), reporter=Silent())
    train(config, masks(), folder, resume=True, reporter=Silent())
    assert (folder / "gate" / "bundle" / "manifest.json").stat().st_mtime_ns == before
    for name in ("gate/weights.safetensors", "weights.safetensors"):
        assert (folder / "bundle" / name).read_bytes() == (run.folder / "bundle" / name).read_bytes()


def test_both_steps_start_from_a_bundle_of_both(run: Run, tmp_path: Path) -> None:
    config = settings(train={"steps": 1})
    frozen = config.model_copy(update={"optimiser": config.optimiser.model_copy(update={"lr": 1e-9})})
    made = train(frozen, masks(), tmp_path / "run", split=split(), init=run.bundle, reporter=Silent())
    ours, theirs = Inspector(made.bundle), Inspector(run.bundle)
    pictures = [image(n) for n in range(4)]
    for mine, given in zip(ours.step_scores(pictures), theirs.step_scores(pictures), strict=True):
        np.testing.assert_allclose(mine, given, atol=0.05)


def test_a_bundle_that_fits_one_step_only_leaves_no_run_behind(run: Run, tmp_path: Path) -> None:
    wider = settings(model={"options": {"widths": [4, 8], "hidden": 3, "dropout": 0.0}})
    gate = run.folder / "gate" / "bundle"
    for config, bundle in ((wider, run.bundle), (settings(), gate)):
        with pytest.raises(ConfigError, match="do not fit"):
            train(config, masks(), tmp_path / "run", split=split(), init=bundle, reporter=Silent())
        assert not (tmp_path / "run" / "config.toml").exists()


def several() -> Dataset:
    """As `masks`; every fourth defective image shows both classes."""

    def both(number: int) -> Any:
        marked = mask(number)
        marked[0, 0] = 3 - kind(number) if kind(number) and number % 8 == 1 else marked[0, 0]
        return marked

    return masks().with_samples(replace(s, read_mask=partial(both, int(s.name))) for s in masks().samples)


def test_sigmoid_heads_and_images_of_several_classes(tmp_path: Path) -> None:
    config = settings(input={"activation": "sigmoid"}, loss=[{"name": "bce"}], train={"steps": 6})
    made = train(config, several(), tmp_path / "run", split=split(), reporter=Silent())
    got = evaluate(made.bundle, several(), split(), part="val")
    assert isinstance(got, StepMetrics) and got.answers.truth.sum(axis=1).max() == 2


def test_labels_that_the_second_step_cannot_learn_are_told_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="001 has 2 labels; a softmax head"):
        train(settings(), several(), tmp_path / "run", split=split(), reporter=Silent())
    names = split().parts
    dark = Split(parts={**names, "train": tuple(name for name in names["train"] if kind(int(name)) != 2)})
    with pytest.raises(DataError, match="one class only: dark"):
        train(settings(), masks(), tmp_path / "run", split=dark, reporter=Silent())
    assert not (tmp_path / "run").exists()
    gate = settings(two_step={"steps": "gate"}, train={"steps": 1})
    assert train(gate, several(), tmp_path / "gate", split=split(), reporter=Silent()).bundle.is_dir()


def test_without_data_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to train on"):
        train(settings(), None, tmp_path / "run", reporter=Silent())
