"""The thesis's recipes say what it says, and run unchanged on a folder of the form of the real set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.open import open_dataset
from flawscope.data.split_file import load_split
from flawscope.errors import ConfigError
from flawscope.inspection.inspector import Inspector
from flawscope.training.config_load import load_config, recipe_names
from flawscope.training.loop import fit

from .small import make_job
from .steel_strips import kinds, write_severstal

SEVERSTAL = [name for name in recipe_names() if name.startswith("severstal-")]
QUICK = ("train.steps=2", "train.device=cpu", "train.workers=0", "train.threads=1")


def test_there_are_nine() -> None:
    assert len(SEVERSTAL) == 9


@pytest.mark.parametrize("name", SEVERSTAL)
def test_the_thesis_settings(name: str) -> None:
    config = load_config(name)
    assert config.input.size_hw == (128, 800) and config.input.channels == "grey3"
    assert config.input.activation == "sigmoid" and config.bundle.overlaps
    assert [term.name for term in config.loss] == ["bce"]
    assert (config.optimiser.name, config.train.batch, config.train.epochs) == ("adam", 16, 150)
    assert config.train.early_stopping.patience == 15 and config.train.monitor == "loss"
    assert (config.folds.count, config.data.balance.target, config.data.balance.clean) == (5, 1291, 0)
    assert (config.folds.copies, config.folds.weights) == ("inside", "afresh")
    assert config.validation.presence_px == 200 and config.validation.presence_of_px == 128 * 800
    assert config.encoder.freeze == (name != "severstal-unet")


LARGE = ("resnet50", "resnet101", "b1", "b3", "b5", "b7")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name.endswith(LARGE) else []) for name in SEVERSTAL],
)
def test_two_steps(name: str, tmp_path: Path) -> None:
    small = ("input.size_hw=[32, 64]", "train.batch=2", "validation.figures=f1", *QUICK)
    off = () if name == "severstal-unet" else ("encoder.freeze=false",)
    progress = fit(make_job(tmp_path, load_config(name, (*small, *off))))
    assert progress.step == 2 and np.isfinite(progress.history[-1]["train_loss"])


def test_areas_of_several_classes_take_two_steps(tmp_path: Path) -> None:
    config = load_config("segment-quick", ("train.batch=2", "data.crop_px=64", *QUICK))
    assert config.train.minutes == 15 and config.validation.threshold_rule == "f1"
    assert fit(make_job(tmp_path, config)).step == 2


def check_run(out: Path, tested: int, photo_px: int) -> None:
    split = load_split(out / "split.json")
    assert len(split.part("test")) == tested
    header, row = (out / "history.csv").read_text(encoding="utf-8").splitlines()[:2]
    assert {"train_loss", "train_dice", "val_loss", "val_dice"} <= set(header.split(","))
    assert all(cell for cell in row.split(","))
    bundle = Bundle.load(out / "bundle")
    assert bundle.manifest.multi_label and bundle.threshold("class-3") == 0.5
    chosen = bundle.manifest.presence_px["class-3"]
    assert (chosen.value, chosen.of_px) == (200, 102_400)
    _, presence = Inspector(bundle).areas_px((1, photo_px))
    assert presence["class-3"] == round(200 * photo_px / 102_400)


def test_the_command_on_a_small_folder_of_that_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_severstal(tmp_path / "data", kinds(4), (64, 160))
    command = [
        "train",
        "severstal-resnet34",
        "--data",
        str(data),
        "--folds",
        "0",
        "--out",
        str(tmp_path / "run"),
    ]
    sets = (*QUICK, "input.size_hw=[32, 64]", "train.batch=4", "data.balance.target=6")
    options = "data.protocol_options={ per_class = 1, several = 1, clean = 0 }"
    assert main([*command, *(word for text in (*sets, options) for word in ("--set", text))]) == 0
    check_run(tmp_path / "run", 5, 64 * 160)
    trained = load_split(tmp_path / "run" / "split.json")
    dataset = open_dataset(data)
    assert all(dataset[name].mask.any() for part in trained.parts.values() for name in part)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["severstal-unet", "severstal-resnet34"])
def test_the_command_unchanged_on_a_folder_of_that_form(name: str, tmp_path: Path) -> None:
    data = write_severstal(tmp_path / "data", kinds(60), (256, 1600))
    command = ["train", name, "--data", str(data), "--folds", "0", "--out", str(tmp_path / "run")]
    assert main([*command, "--set", "train.steps=2", "--set", "data.balance.target=12"]) == 0
    check_run(tmp_path / "run", 250, 256 * 1600)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["validation.figures=dice"], "input.mode = 'resize'"),
        (["train.monitor=dice"], "expected loss, f1 or f1_tol2"),
    ],
)
def test_figures_that_are_not_there_are_refused(sets: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config("crack-quick", sets)
    with pytest.raises(ConfigError, match="expected loss or dice"):
        load_config("severstal-unet", ["train.monitor=f1"])
