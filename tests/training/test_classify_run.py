"""A classifier's whole run: the folder it leaves, both heads, killed and resumed, folds, budget."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flawscope.bundle import Bundle
from flawscope.data.open import open_dataset
from flawscope.data.split_file import load_split
from flawscope.errors import ConfigError, ParityError
from flawscope.evaluation.evaluate import evaluate
from flawscope.evaluation.runs import evaluate_run, find_models
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.runtimes import OnnxRuntime, TorchRuntime, make_runtime
from flawscope.training import bundle_writer, timing
from flawscope.training.budget import Fit
from flawscope.training.bundle_writer import check_label_parity
from flawscope.training.checkpoint import load_progress, load_weights
from flawscope.training.classify_finish import choose_thresholds
from flawscope.training.config_load import load_config
from flawscope.training.finish import trained_network
from flawscope.training.folds import train_folds
from flawscope.training.loop import LAST
from flawscope.training.onnx_export import export_classifier
from flawscope.training.prepare import Prepared
from flawscope.training.progress import Silent
from flawscope.training.run import Run, train
from flawscope.training.toml_writer import to_toml

from .labelled import CLASSES, KINDS, SPEC, draw, samples, settings, several, sigmoid, write_set, write_table
from .small import weights_equal


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class, 24 images."""
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    config = settings(train={"steps": 60, "ema_decay": 0.8})
    return train(config, open_dataset(data), tmp_path_factory.mktemp("runs") / "run", reporter=Silent())


def test_a_run_folder_holds_all_that_is_promised(done: Run) -> None:
    names = {path.name for path in done.folder.iterdir()}
    assert names == {
        "config.toml", "split.json", "history.csv", "checkpoints", "metrics.json", "bundle", "curves.png",
        "environment.json", "labels.json",
    }  # fmt: skip
    with (done.folder / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {"val_loss", "val_accuracy", "val_f1"} <= set(rows[0])
    metrics = json.loads((done.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["task"] == "classification" and metrics["part"] == "val"
    assert metrics["images"] == len(load_split(done.folder / "split.json").part("val"))
    assert metrics["figures"]["accuracy"]["value"] == 1.0, "stripes are easy"
    best = max(float(row["val_accuracy"]) for row in rows)
    assert metrics["figures"]["accuracy"]["value"] == pytest.approx(best)


def test_the_bundle_says_what_it_is(done: Run) -> None:
    manifest = Bundle.load(done.folder).manifest
    assert manifest.task == "classification" and manifest.stages[0].role == "classify"
    assert [(c.id, c.name, c.kind) for c in manifest.classes] == [
        (k, n, "image") for k, n in enumerate(KINDS)
    ]
    assert not manifest.thresholds and not manifest.multi_label
    assert manifest.parity_difference is not None and manifest.parity_difference <= 1e-4
    assert manifest.seam_difference is None
    assert manifest.fingerprint["images_per_class"] == {"across": 6, "along": 6, "plain": 6}
    assert manifest.stages[0].network.options["size_hw"] == [16, 16]


def test_every_runtime_answers_alike(done: Run) -> None:
    images = [draw(n % 3, 900 + n, (16 + n, 20)) for n in range(5)]
    onnx, torch_ = (Inspector(done.bundle, name).label_scores(images) for name in ("onnx", "torch"))
    np.testing.assert_allclose(onnx, torch_, atol=1e-4)
    assert onnx.argmax(axis=1).tolist() == [0, 1, 2, 0, 1]


def test_a_bundle_is_where_another_run_starts(done: Run, data: Path, tmp_path: Path) -> None:
    config = settings(train={"steps": 1, "keep": "last"}, optimiser={"lr": 1e-12})
    second = train(config, open_dataset(data), tmp_path / "run", init=done.bundle, reporter=Silent())
    assert second.metrics["figures"]["accuracy"]["value"] == 1.0


def test_a_sigmoid_head_gets_thresholds(tmp_path: Path) -> None:
    dataset = open_dataset(write_table(tmp_path / "set", 48))
    run = train(sigmoid(train={"steps": 90}), dataset, tmp_path / "run", reporter=Silent())
    manifest = Bundle.load(run.bundle).manifest
    assert manifest.multi_label and set(manifest.thresholds) == {"across", "along", "ok"}
    for chosen in manifest.thresholds.values():
        assert 0 < chosen.value < 1 and chosen.rule == "largest f1" and "validation images" in chosen.data
    assert run.metrics["head"] == "sigmoid" and run.metrics["figures"]["accuracy"]["value"] > 0.85
    measured = evaluate(run.bundle, dataset, load_split(run.folder / "split.json"), "val")
    assert measured.to_dict()["figures"] == run.metrics["figures"]


def test_the_rule_half_leaves_thresholds_alone() -> None:
    config = sigmoid(validation={"threshold_rule": "half"})
    prepared = Prepared(CLASSES, (), tuple(several(4)), load_split_of_nothing())
    assert {c.value for c in choose_thresholds(nn.Identity(), config, prepared, ()).values()} == {0.5}
    assert choose_thresholds(nn.Identity(), settings(), prepared, ()) == {}


def load_split_of_nothing() -> Any:
    from flawscope.data.split_file import Split

    return Split(parts={})


def test_a_budget_fixes_the_steps(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Within the first epoch: later the run's own pace moves the end.
    monkeypatch.setattr(timing, "fit_steps", lambda *_: Fit(2, 2))
    config = settings(train={"steps": None, "minutes": 9.0})
    run = train(config, open_dataset(data), tmp_path / "run", reporter=Silent())
    assert run.progress.step == 2 and load_config(run.folder / "config.toml").train.validate_every == 2


def test_folds_have_figures_side_by_side(data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(data)
    runs = train_folds(settings(train={"steps": 9}), dataset, tmp_path / "run", 2, reporter=Silent())
    with (tmp_path / "run" / "folds.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["fold"] for row in rows] == ["0", "1", "mean", "sd"] and rows[0]["accuracy"]
    held = evaluate_run(find_models(tmp_path / "run"), dataset, part="folds").to_dict()
    assert held["images"] == 24 and held["folds"] == len(runs) == 2
    assert held["figures"]["accuracy"]["sd"] is not None
    both = evaluate_run(find_models(tmp_path / "run"), dataset, part="all", ensemble=True)
    assert both.to_dict()["images"] == 24


def test_networks_and_tasks_go_together(data: Path, tmp_path: Path) -> None:
    for changes, expected in (
        ({"model": {"name": "unet", "options": {}}}, "unet marks pixels; the task is classification"),
        ({"model": {"options": {"classes": 3}}}, "follows from input.channels and the data"),
        ({"loss": [{"name": "cross_entropy", "options": {"class_weights": [1, 2]}}]}, "expected one or 3"),
    ):
        with pytest.raises(ConfigError, match=expected):
            train(settings(**changes), open_dataset(data), tmp_path / "run", reporter=Silent())


class Forgetful(nn.Module):
    """Answers by the place in the batch, which no export may do."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.arange(3.0) * torch.arange(len(image))[:, None] + 0 * image.mean()


def test_an_export_that_disagrees_is_refused(tmp_path: Path) -> None:
    images = [one.image() for one in samples(3)]
    graph = export_classifier(Forgetful().eval(), 1, (16, 16))
    with pytest.raises(ParityError, match="one size of batch only"):
        check_label_parity(TorchRuntime(Forgetful()), OnnxRuntime(graph), images, SPEC, 3)
    with pytest.raises(ParityError):
        bundle_writer.write_bundle(
            Forgetful(), network_name="forgetful", network_options={}, classes=CLASSES, input_spec=SPEC,
            out=tmp_path / "bundle", parity_images=images, task="classification",
        )  # fmt: skip
    assert not (tmp_path / "bundle").exists()


def test_the_graph_takes_any_batch(done: Run) -> None:
    bundle = Bundle.load(done.bundle)
    runtime = make_runtime(bundle, bundle.stage("classify"))
    for count in (1, 2, 7):
        assert runtime.run(np.zeros((count, 1, 16, 16), np.float32)).shape == (count, 3)


def test_weights_come_back_as_they_were_kept(done: Run) -> None:
    network = trained_network(done.folder, done.config, CLASSES)
    kept = load_weights(done.folder / "checkpoints/best.safetensors")
    assert weights_equal(dict(sorted(network.state_dict().items())), dict(sorted(kept.items())))


_SCRIPT = """
import sys, time
from flawscope.data.open import open_dataset
from flawscope.training.config_load import load_config
from flawscope.training.progress import Silent
from flawscope.training.run import train

class Slow(Silent):
    def step(self, step, total, crops, loss, lr):
        print(step, flush=True)
        time.sleep(0.1)

if __name__ == "__main__":
    train(load_config(sys.argv[1]), open_dataset(sys.argv[2]), sys.argv[3], reporter=Slow())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(data: Path, tmp_path: Path) -> None:
    options = {"dropout": 0.3, "norm": "batch"}
    table = settings().model_dump(mode="json")["model"]["options"] | options
    config = settings(
        model={"options": table},
        train={"steps": 12, "seed": 7, "threads": 1, "ema_decay": 0.9},
        augment={"affine": {"p": 0.5, "rotate_deg": 5}},
        classify={"shift_px": 1, "elastic": {"p": 0.5}, "class_weights": "balanced"},
    )
    recipe, script = tmp_path / "recipe.toml", tmp_path / "script.py"
    recipe.write_text(to_toml(config.model_dump(mode="json")), encoding="utf-8")
    script.write_text(_SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(recipe), str(data), str(tmp_path / "broken")]
    broken = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    train(load_config(recipe), open_dataset(data), tmp_path / "whole", reporter=Silent())
    assert broken.stdout is not None
    for line in broken.stdout:
        if int(line) == 5:  # an epoch has 3 steps: in the middle of the second
            break
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    broken.stdout.close()
    assert load_progress(tmp_path / "broken" / LAST).step == 3, "at most an epoch is lost"
    train(config, open_dataset(data), tmp_path / "broken", resume=True, reporter=Silent())
    for section in ("network", "ema", "optimiser"):
        a, b = (load_weights(tmp_path / name / LAST, section) for name in ("whole", "broken"))
        assert weights_equal(a, b)
    texts = [(tmp_path / name / "metrics.json").read_text(encoding="utf-8") for name in ("whole", "broken")]
    assert texts[0] == texts[1]
    manifests = [Bundle.load(tmp_path / name).manifest for name in ("whole", "broken")]
    assert manifests[0] == manifests[1]
