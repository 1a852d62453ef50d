"""A whole run: the folder it leaves, killed and resumed, refused with a reason."""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, load_split
from flawscope.errors import ConfigError, DataError, FlawscopeError, OutputError, TrainingError, UsageError
from flawscope.training import finish, timing
from flawscope.training.budget import Costs, Fit
from flawscope.training.checkpoint import load_progress, load_weights
from flawscope.training.config_load import load_config, replace_in
from flawscope.training.folds import train_folds
from flawscope.training.loop import BEST, LAST
from flawscope.training.progress import Silent
from flawscope.training.run import train
from flawscope.training.toml_writer import to_toml

from .small import settings, weights_equal, write_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of ten drawn pictures."""
    return write_set(tmp_path_factory.mktemp("data") / "set")


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: figure["value"] for name, figure in metrics["figures"].items()}


def test_a_run_folder_holds_all_that_is_promised(data: Path, tmp_path: Path) -> None:
    run = train(settings(), open_dataset(data), tmp_path / "run", seed=3, reporter=Silent())
    names = {path.name for path in run.folder.iterdir()}
    assert {"config.toml", "split.json", "history.csv", "checkpoints", "metrics.json", "bundle"} <= names
    assert "environment.json" in names
    split = load_split(run.folder / "split.json")
    assert len(split.part("train")) == 8 and len(split.part("val")) == 2
    config = load_config(run.folder / "config.toml")
    assert config.train.seed == 3 and config.train.steps == 8
    bundle = Bundle.load(run.folder)
    assert bundle.manifest.thresholds["crack"].rule == "largest f1_tol2, middle of those within 0.01"
    assert bundle.manifest.fingerprint["train_images"] == 8
    assert bundle.manifest.width_range_px is not None
    assert bundle.manifest.differences_data == "2 validation images of this run"
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["images"] == 2 and metrics["part"] == "val"
    assert 0 <= metrics["figures"]["f1_tol2_pooled"]["value"] <= 1
    environment = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    assert "torch" in environment["packages"]


def test_a_given_split_is_kept(data: Path, tmp_path: Path) -> None:
    names = open_dataset(data).names
    split = Split(parts={"train": names[:6], "val": names[6:8], "test": names[8:]})
    run = train(settings(), open_dataset(data), tmp_path / "run", split=split, reporter=Silent())
    assert load_split(run.folder / "split.json").parts == split.parts


def test_prior_from_the_data_is_written_down(data: Path, tmp_path: Path) -> None:
    config = settings(model={"prior": "data"}, train={"steps": 1})
    run = train(config, open_dataset(data), tmp_path / "run", reporter=Silent())
    written = load_config(run.folder / "config.toml").model.prior
    assert isinstance(written, tuple) and 0.01 < written[0] < 0.2


def test_epochs_become_steps(data: Path, tmp_path: Path) -> None:
    config = settings(train={"steps": None, "epochs": 2, "batch": 5})
    run = train(config, open_dataset(data), tmp_path / "run", reporter=Silent())
    assert run.progress.step == 2 * 4  # 16 crops: 3 batches of 5 and one of 1


@pytest.fixture
def five_steps(monkeypatch: pytest.MonkeyPatch) -> list[Costs]:
    """Five steps fit, whatever was measured, so that a busy machine cannot spoil a test."""
    seen: list[Costs] = []

    def fit_steps(left_s: float, costs: Costs, steps_per_epoch: int, validate_every: int) -> Fit:
        assert left_s > 0 and steps_per_epoch == 6 and validate_every == 1
        seen.append(costs)
        return Fit(5, 2)

    monkeypatch.setattr(timing, "fit_steps", fit_steps)
    return seen


def test_minutes_fix_a_whole_number_of_steps(data: Path, tmp_path: Path, five_steps: list[Costs]) -> None:
    config = settings(train={"steps": 3, "minutes": 1.0})
    run = train(config, open_dataset(data), tmp_path / "a", minutes=9, reporter=Silent())
    written = load_config(run.folder / "config.toml").train
    assert (written.minutes, written.steps, written.validate_every) == (9, 5, 2)
    assert run.progress.step == 5 and not run.stopped
    assert five_steps[0].step_s > 0 and five_steps[0].validation_s > 0
    again = train(config, open_dataset(data), tmp_path / "a", resume=True, reporter=Silent())
    assert again.progress.step == 5 and len(five_steps) == 1, "resume never measures again"


@pytest.mark.usefixtures("five_steps")
def test_the_same_steps_given_outright_end_the_same(data: Path, tmp_path: Path) -> None:
    model = {"options": {"widths": [4, 8], "dropout": 0.2}}
    config = settings(model=model, train={"steps": None, "minutes": 9.0})
    timed = train(config, open_dataset(data), tmp_path / "a", reporter=Silent())
    given = replace_in(timed.config, "train", minutes=None, steps=5)
    outright = train(given, open_dataset(data), tmp_path / "b", reporter=Silent())
    assert weights_equal(load_weights(tmp_path / "a" / LAST), load_weights(tmp_path / "b" / LAST))
    assert _figures(timed.metrics) == _figures(outright.metrics)


def test_too_few_minutes_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="minutes were over before the first step"):
        train(
            settings(train={"steps": None}), open_dataset(data), tmp_path / "run", minutes=0.05,
            started_s=time.time() - 60, reporter=Silent(),
        )  # fmt: skip
    assert not (tmp_path / "run" / "config.toml").exists()


def test_init_starts_from_a_bundle_and_is_written_down(data: Path, tmp_path: Path) -> None:
    first = train(settings(), open_dataset(data), tmp_path / "a", reporter=Silent())
    config = settings(train={"steps": 1, "ema_decay": 0, "keep": "last"}, optimiser={"lr": 1e-12})
    second = train(config, open_dataset(data), tmp_path / "b", init=first.bundle, reporter=Silent())
    a, b = load_weights(tmp_path / "a" / BEST), load_weights(tmp_path / "b" / LAST)
    assert all(np.allclose(a[k], b[k], atol=1e-6) for k in a if "running" not in k and "num_" not in k)
    assert second.config.train.init == str(first.bundle)


def test_synthetic_images_alone(tmp_path: Path) -> None:
    synth = {"images": 3, "validation_images": 2, "size_hw": [64, 64], "renew": 0.5}
    config = settings(data={"crop_px": 32, "crops_per_image": 2, "synth": synth}, train={"steps": 5})
    run = train(config, None, tmp_path / "run", reporter=Silent())
    assert run.metrics["images"] == 2 and run.progress.finished
    assert Bundle.load(run.bundle).manifest.differences_data == "2 drawn images of this run"


def test_synthetic_images_beside_real_ones(data: Path, tmp_path: Path) -> None:
    synth = {"images": 2, "size_hw": [64, 64]}
    config = settings(data={"crop_px": 32, "synth": synth}, train={"steps": 2})
    run = train(config, open_dataset(data), tmp_path / "run", reporter=Silent())
    manifest = Bundle.load(run.bundle).manifest
    assert manifest.fingerprint["synthetic_images"] == 2
    assert manifest.fingerprint["synthetic_ground"] == "drawn"


def test_cracks_drawn_on_the_training_photographs(data: Path, tmp_path: Path) -> None:
    synth = {"images": 3, "size_hw": [64, 64], "ground": "photographs", "renew": 0.5}
    config = settings(data={"crop_px": 32, "synth": synth}, train={"steps": 5})
    run = train(config, open_dataset(data), tmp_path / "run", reporter=Silent())
    manifest = Bundle.load(run.bundle).manifest
    assert manifest.fingerprint["train_images"] == 8
    assert manifest.fingerprint["synthetic_images"] == 3
    assert manifest.fingerprint["synthetic_ground"] == "photographs"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "no --data"),
        ({"synth": {"images": 2}}, "validation_images is 0"),
        ({"synth": {"images": 2, "ground": "photographs"}}, "no --data to take them from"),
    ],
)
def test_nothing_to_train_on(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=expected):
        train(settings(data=changes), None, tmp_path / "run", reporter=Silent())


def test_no_positive_pixel_is_refused(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 4)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    with pytest.raises(FlawscopeError):
        train(settings(), open_dataset(root), tmp_path / "run", reporter=Silent())
    assert not (tmp_path / "run" / "config.toml").exists()


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of which the third alone shows a crack, and the eighth."""
    root = write_set(tmp_path_factory.mktemp("rare") / "set")
    for path in (root / "masks").iterdir():
        if path.stem not in ("002", "007"):
            Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    return root


def test_validation_images_without_a_class_are_refused_before_training(rare: Path, tmp_path: Path) -> None:
    dataset, names = open_dataset(rare), open_dataset(rare).names
    split = Split(parts={"train": names[:5], "val": (*names[5:7], *names[8:])})
    with pytest.raises(DataError, match="no mask of the images that validate"):
        train(settings(), dataset, tmp_path / "run", split=split, reporter=Silent())
    assert not (tmp_path / "run" / "config.toml").exists()
    config = settings(validation={"threshold_rule": "half"}, train={"steps": 1})
    run = train(config, dataset, tmp_path / "half", split=split, reporter=Silent())
    assert Bundle.load(run.bundle).threshold("crack") == 0.5
    with pytest.raises(DataError, match="fold 1: no mask"):
        cut = Split(parts={}, folds=(names[:5], split.part("val")))
        train_folds(settings(), dataset, tmp_path / "folds", 2, split=cut, reporter=Silent())
    assert not (tmp_path / "folds" / "fold-0").exists()


def test_a_budget_for_one_image_chooses_on_one_that_shows_the_class(
    rare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "_LIMIT_S", 0.0)
    dataset = open_dataset(rare)
    split = Split(parts={"train": dataset.names[:4], "val": dataset.names[4:8]})
    config = settings(train={"steps": 1, "minutes": 9.0}, validation={"presence_px": "tuned"})
    run = train(config, dataset, tmp_path / "run", split=split, reporter=Silent())
    assert run.metrics["images"] == 1
    looked = Bundle.load(run.bundle).manifest.presence_px["crack"].data
    assert looked.startswith("1 "), "tuned presence has no time of its own"
    assert run.metrics["figures"]["image_tp"]["value"] + run.metrics["figures"]["image_fn"]["value"] == 1


def test_thresholds_and_tuned_presence_share_the_time_after_a_budget(
    rare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def told(function: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            given.append(arguments[-1])
            return function(*arguments)

        return wrapped

    for name in ("choose_on", "presence_of"):
        monkeypatch.setattr(finish, name, told(getattr(finish, name)))
    dataset = open_dataset(rare)
    split = Split(parts={"train": dataset.names[:4], "val": dataset.names[4:8]})
    tuned = {"presence_px": "tuned"}
    for name, minutes in (("hurried", 9.0), ("at leisure", None)):
        config = settings(train={"steps": 1, "minutes": minutes}, validation=tuned)
        run = train(config, dataset, tmp_path / name, split=split, reporter=Silent())
        assert Bundle.load(run.bundle).manifest.presence_px["crack"].data.startswith("4 ")
    assert given[0] == finish._LIMIT_S / 2 and given[1] < finish._LIMIT_S
    assert given[2:] == [math.inf, math.inf]


def test_a_broken_image_is_refused_or_left_out(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 8)
    broken = root / "images" / "003.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DataError, match="--skip-bad"):
        train(settings(), open_dataset(root), tmp_path / "a", reporter=Silent())
    run = train(
        settings(train={"steps": 1}), open_dataset(root), tmp_path / "b", skip_bad=True, reporter=Silent()
    )
    split = load_split(run.folder / "split.json")
    assert "003" not in split.names() and len(split.names()) == 7


def test_a_split_without_train_is_refused(data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(data)
    with pytest.raises(DataError, match="no images to train on"):
        train(
            settings(),
            dataset,
            tmp_path / "run",
            split=Split(parts={"test": dataset.names}),
            reporter=Silent(),
        )


def test_a_used_folder_is_refused_and_an_empty_one_cannot_be_resumed(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run that can be resumed"):
        train(settings(), open_dataset(data), tmp_path / "none", resume=True, reporter=Silent())
    train(settings(train={"steps": 1}), open_dataset(data), tmp_path / "run", reporter=Silent())
    with pytest.raises(OutputError, match="already holds a run"):
        train(settings(), open_dataset(data), tmp_path / "run", reporter=Silent())


def test_a_first_batch_that_is_refused_leaves_no_run_behind(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(data, root)
    for folder in ("images", "masks"):
        with Image.open(root / folder / "001.png") as picture:
            picture.crop((0, 0, 40, 40)).save(root / folder / "001.png")
    dataset = open_dataset(root)
    split = Split(parts={"train": dataset.names[:8], "val": dataset.names[8:]})
    with pytest.raises(DataError, match="cannot be one batch"):
        train(settings(data={"crop_px": 0}), dataset, tmp_path / "run", split=split, reporter=Silent())
    assert not (tmp_path / "run" / "config.toml").exists()
    assert train(settings(train={"steps": 1}), dataset, tmp_path / "run", split=split, reporter=Silent())


def test_wrong_options_are_named(data: Path, tmp_path: Path) -> None:
    for config in (
        settings(model={"options": {"widths": [4, 8], "classes": 2}}),
        settings(model={"name": "unnet"}),
        settings(input={"size_px": 51, "stride_multiple": 1}),
        settings(train={"precision": "fp16"}),
    ):
        with pytest.raises(ConfigError):
            train(config, open_dataset(data), tmp_path / "run", reporter=Silent())


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
    config = settings(
        model={"options": {"widths": [4, 8], "dropout": 0.2}}, train={"steps": 18, "seed": 7, "threads": 1}
    )
    recipe, script = tmp_path / "recipe.toml", tmp_path / "script.py"
    recipe.write_text(to_toml(config.model_dump(mode="json")), encoding="utf-8")
    script.write_text(_SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(recipe), str(data), str(tmp_path / "broken")]
    broken = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    train(load_config(recipe), open_dataset(data), tmp_path / "whole", reporter=Silent())
    assert broken.stdout is not None
    for line in broken.stdout:
        if int(line) == 8:  # an epoch has 6 steps: in the middle of the second
            break
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    broken.stdout.close()
    assert not (tmp_path / "broken" / "bundle").exists()
    assert load_progress(tmp_path / "broken" / LAST).step == 6, "at most an epoch is lost"
    train(config, open_dataset(data), tmp_path / "broken", resume=True, reporter=Silent())
    for section in ("network", "ema", "optimiser"):
        a, b = (load_weights(tmp_path / name / LAST, section) for name in ("whole", "broken"))
        assert weights_equal(a, b)
    metrics = [
        json.loads((tmp_path / n / "metrics.json").read_text(encoding="utf-8")) for n in ("whole", "broken")
    ]
    assert metrics[0] == metrics[1]
    rows = [
        list(csv.DictReader((tmp_path / n / "history.csv").open(encoding="utf-8")))
        for n in ("whole", "broken")
    ]
    for row in rows[0] + rows[1]:
        row.pop("seconds")
    assert rows[0] == rows[1]
    manifests = [Bundle.load(tmp_path / name).manifest for name in ("whole", "broken")]
    assert manifests[0] == manifests[1]
