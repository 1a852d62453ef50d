"""The thesis's recipes say what it says, and run unchanged on a folder of the form of the real set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.mask_labels import as_labels
from flawscope.data.open import open_dataset
from flawscope.data.split_file import load_split
from flawscope.errors import ConfigError
from flawscope.inspection.inspector import Inspector
from flawscope.models import build_model
from flawscope.training.config_load import load_config, recipe_names
from flawscope.training.freezing import encoder_of
from flawscope.training.loop import fit

from .small import make_job
from .steel_strips import kinds, write_severstal

SEVERSTAL = [name for name in recipe_names() if name.startswith("severstal-")]
SMALL = ("input.size_hw=[32, 64]", "data.protocol_options={ per_class = 1, several = 1, clean = 0 }")
QUICK = ("train.steps=2", "train.device=cpu", "train.workers=0", "train.threads=1")


def words(*sets: str) -> list[str]:
    """``--set`` before each of them."""
    return [word for text in sets for word in ("--set", text)]


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
    assert load_config("segment-quick").train.minutes == 15
    config = load_config("segment-quick", ("train.batch=2", "data.crop_px=64", *QUICK))
    assert config.train.minutes is None and config.validation.threshold_rule == "f1"
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


def test_the_command_on_a_small_folder_of_that_form(tmp_path: Path) -> None:
    """Frozen, with the encoder's weights from a file: they come out of the run as they went in."""
    data = write_severstal(tmp_path / "data", kinds(4), (64, 160))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        weights = dict(encoder_of(build_model("smp-unet", encoder="resnet18")).state_dict())
    save_file(weights, tmp_path / "resnet18.safetensors")
    command = ["train", "severstal-resnet34", "--data", str(data), "--folds", "0", "--out"]
    sets = (*QUICK, *SMALL, "train.batch=4", "data.balance.target=6", "model.options.encoder=resnet18")
    file = f"model.options.encoder_weights=file:{tmp_path / 'resnet18.safetensors'}"
    assert main([*command, str(tmp_path / "run"), *words(*sets, file)]) == 0
    check_run(tmp_path / "run", 5, 64 * 160)
    trained = load_split(tmp_path / "run" / "split.json")
    dataset = open_dataset(data)
    assert all(dataset[name].mask.any() for part in trained.parts.values() for name in part)  # type: ignore[union-attr]
    bundle = Bundle.load(tmp_path / "run")
    path = bundle.file(bundle.stage(), "weights")
    assert path is not None
    learned = {key.partition("encoder.")[2]: value for key, value in load_file(path).items()}
    still = [key for key, value in weights.items() if value.dim() == 4]
    assert len(still) == 20 and all(torch.equal(learned[key], weights[key]) for key in still)
    assert not torch.equal(learned["bn1.running_mean"], weights["bn1.running_mean"])


@pytest.mark.parametrize(
    ("less", "folds", "target"),
    [
        (("folds.count=2", "data.balance.target=8"), 2, 4),
        pytest.param((), 5, round(1291 * 4 / 5), marks=pytest.mark.slow, id="as the recipe has them"),
    ],
)
def test_the_commands_of_the_page(less: tuple[str, ...], folds: int, target: int, tmp_path: Path) -> None:
    data, run = str(write_severstal(tmp_path / "data", kinds(6), (32, 80))), str(tmp_path / "run")
    sets = words(*QUICK, *SMALL, "train.steps=1", *less)
    train = ["train", "severstal-unet", "--data", data, "--out", run, *sets]
    assert main(train) == 0
    root = load_split(tmp_path / "run" / "split.json")
    assert len(root.folds) == folds and len(root.part("test")) == 5
    last = load_config(tmp_path / "run" / f"fold-{folds - 1}" / "config.toml")
    assert last.data.balance.target == target
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("run/fold-*/bundle/manifest.json")}
    assert len(done) == folds and main([*train, "--resume"]) == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done, "folds that are done stay"
    tables = str(tmp_path / "tables")
    assert main(["table", run, "--data", data, "--like", "thesis-61,thesis-65", "--out", tables]) == 0
    assert {path.stem for path in (tmp_path / "tables").glob("*.csv")} >= {"thesis-61", "thesis-65"}
    bundle, answer = str(tmp_path / "run/fold-0/bundle"), tmp_path / "answer"
    inspect = ["inspect", str(tmp_path / "data/test_images"), "--model", bundle, "--out", str(answer)]
    assert main([*inspect, "--format", "submission"]) == 0
    assert "ImageId,ClassId,EncodedPixels" in (answer / "submission.csv").read_text(encoding="utf-8")


def test_the_capstones_commands_by_its_own_protocol(tmp_path: Path) -> None:
    strips = [*kinds(10), *[()] * 30]
    data, run = str(write_severstal(tmp_path / "data", strips, (32, 64))), str(tmp_path / "run")
    small = ("input.size_hw=[32, 64]", "two_step.per_class=10", "train.steps=1", "classify.train_figures=4")
    sets = words(*QUICK, *small, "model.options={ widths = [4, 8], hidden = 4 }")
    assert main(["train", "two-step-capstone", "--data", data, "--out", run, *sets]) == 0
    parts = load_split(tmp_path / "run" / "split.json").parts
    # 10 % test, then 20 % of the rest validation, of ten strips of each class alone and as many clean ones.
    assert {part: len(names) for part, names in parts.items()} == {"train": 57, "val": 15, "test": 8}
    for part in ("train", "test"):
        figures = str(tmp_path / "figures" / part)
        assert main(["evaluate", run, data, "--part", part, "--out", figures]) == 0
    shown = [f"{part}={tmp_path / 'figures' / part}" for part in ("train", "test")]
    tables = str(tmp_path / "tables")
    assert main(["table", *shown, "--like", "capstone-17,capstone-19", "--out", tables]) == 0
    assert {path.stem for path in (tmp_path / "tables").glob("*.csv")} >= {"capstone-17", "capstone-19"}


def test_folds_of_the_capstones_protocol(tmp_path: Path) -> None:
    strips = [*kinds(5), *[()] * 15]
    data, run = write_severstal(tmp_path / "data", strips, (32, 64)), tmp_path / "run"
    small = ("input.size_hw=[32, 64]", "two_step.per_class=5", "train.steps=1", "classify.train_figures=0")
    sets = words(*QUICK, *small, "model.options={ widths = [4, 8], hidden = 4 }")
    call = ["train", "two-step-capstone", "--data", str(data), "--folds", "2", "--out", str(run), *sets]
    assert main(call) == 0
    whole = load_split(run / "split.json")
    # Five strips of each class alone and as many clean ones, 10 % test.
    assert (len(whole.part("train")), len(whole.part("test"))) == (36, 4)
    parts = [load_split(run / f"fold-{number}" / "split.json").parts for number in (0, 1)]
    held = [name for one in parts for name in one["val"]]
    assert sorted(held) == sorted(whole.part("train"))
    for one in parts:
        assert {*one["train"], *one["val"]} == set(held) and not {*one["train"]} & {*one["val"]}
        assert one["test"] == whole.part("test")
    used = as_labels(open_dataset(data).subset(whole.names()))
    assert sorted(len(sample.labels) for sample in used) == [1] * 40, "none with several classes"
    assert sum(sample.labels == (0,) for sample in used) == 20
    assert main(["evaluate", str(run), str(data), "--part", "test", "--out", str(tmp_path / "f")]) == 0
    assert main([*call, "--resume"]) == 0 and load_split(run / "split.json") == whole


def test_the_two_step_recipe_on_a_downloaded_folder(tmp_path: Path) -> None:
    """As it is, but for its size and steps: its network of timm, through both bundles and their gates."""
    data = write_severstal(tmp_path / "data", [*kinds(3), *[()] * 9], (32, 80))
    sets = words(*QUICK, "train.steps=1", "train.batch=4", "input.size_hw=[32, 64]", "classify.shift_px=2")
    assert main(["train", "two-step", "--data", str(data), "--out", str(tmp_path / "run"), *sets]) == 0
    bundle = Bundle.load(tmp_path / "run")
    assert [stage.role for stage in bundle.manifest.stages] == ["gate", "classify"]
    assert [info.name for info in bundle.classes] == ["clean", *(f"class-{k}" for k in (1, 2, 3, 4))]
    for step in ("gate", "classes"):
        manifest = Bundle.load(tmp_path / "run" / step).manifest
        assert manifest.parity_difference is not None and manifest.parity_difference <= 1e-4
        assert "validation images of this run" in manifest.differences_data
    photos, out = str(tmp_path / "data" / "test_images"), tmp_path / "inspected"
    assert main(["inspect", photos, "--model", str(tmp_path / "run"), "--out", str(out)]) == 0
    assert len((out / "scores.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_b0_on_a_downloaded_folder(tmp_path: Path) -> None:
    data = write_severstal(tmp_path / "data", kinds(3), (64, 160))
    command = ["train", "severstal-b0", "--data", str(data), "--folds", "0", "--out", str(tmp_path / "run")]
    assert main([*command, *words(*QUICK, *SMALL, "train.batch=4", "data.balance.target=4")]) == 0
    check_run(tmp_path / "run", 5, 64 * 160)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["severstal-unet", "severstal-resnet34"])
def test_one_run_at_the_size_of_the_recipe(name: str, tmp_path: Path) -> None:
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
