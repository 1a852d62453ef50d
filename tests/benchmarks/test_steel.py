"""The steel benchmarks at tiny size: the real commands in this process, and what they write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import copies_lift
import segment_budget
import severstal_overfit
import steel_folds
from crack_budget import Command
from flawscope.cli.app import main
from flawscope.data.open import open_dataset
from flawscope.data.split_file import load_split
from flawscope.training.config_load import load_config
from training.steel_strips import kinds, write_severstal

TINY = ("train.device=cpu", "train.workers=0", "train.threads=1", "train.batch=4", "model.prior=none")


def test_strips_learned_by_heart_and_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_severstal(tmp_path / "steel", kinds(1), (64, 96))
    small: dict[str, Any] = {
        **severstal_overfit.SETTINGS,
        "model": {"name": "unet", "options": {"widths": [4, 8]}, "prior": "data"},
        "input": {"size_px": 64, "halo_px": 8, "blend_px": 8, "stride_multiple": 2},
        "data": {"crop_px": 32, "crops_per_image": 2},
    }
    monkeypatch.setattr(severstal_overfit, "SETTINGS", small)
    words = ["--data", str(tmp_path), "--set", "steel", "--steps", "6", "--json", str(tmp_path / "r.json")]
    figures = severstal_overfit.run_all(severstal_overfit.parse(words))
    assert figures["images"] == 6 and figures["steps"] == 6
    assert figures["submission_decodes_to_the_masks"] and figures["submission-joined_decodes_to_the_masks"]
    assert figures["submission-joined_rows"] == 4 * 6
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert set(content) == {"figures", "machine"} and np.isfinite(content["figures"]["f1_pooled"])


def in_this_process(command: Command) -> None:
    assert main([str(word) for word in command[3:]]) == 0


def test_folds_by_both_protocols(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_severstal(tmp_path / "work" / "data", kinds(5)[:-5], (64, 160))
    words = ["--work", str(tmp_path / "work"), "--folds", "2", "--steps", "2", "--test-per-class", "1"]
    words += ["--input", "[32, 64]", "--target", "8", "--networks", "severstal-unet"]
    words += [word for text in TINY for word in ("--set-option", text)]
    options = steel_folds.parse([*words, "--json", str(tmp_path / "r.json")])
    figures = steel_folds.run_all(options, in_this_process)
    assert [row["Encoder"] for row in figures["thesis-61"]] == ["plain U-Net, honest", "plain U-Net, thesis"]
    for row in figures["thesis-61"]:
        wanted = ("Minutes", "Train loss", "Val loss", "Train Dice", "Val Dice", "Test loss", "Test Dice")
        assert all(row[name] for name in wanted)
    for row in figures["thesis-65"]:
        cells = [float(row[f"{cell} 1"]) for cell in ("TN", "FP", "FN", "TP")]
        assert sum(cells) == 5 and row["All right"] and row["Accuracy 4"]
    leaky = figures["runs"]["severstal-unet-thesis"]["mean"]
    assert leaky["val_twins"] > 0 and leaky["val_seen"] > 0
    assert "have a copy in training" in capsys.readouterr().out
    honest = tmp_path / "work" / "severstal-unet-honest"
    shutil.rmtree(honest / "fold-1")
    (honest / "folds.csv").write_text("".join((honest / "folds.csv").read_text().splitlines(True)[:2]))
    assert not steel_folds.whole(honest, 2), "a call that was cut goes on where it was"
    again = steel_folds.run_all(options, in_this_process)
    for name in ("0", "1", "mean"):
        one, other = (found["runs"][honest.name][name] for found in (figures, again))
        assert one["test_dice"] == other["test_dice"]
    _lift(options.work, capsys)
    assert "this leaks" in (tmp_path / "work/tables/thesis-61.md").read_text(encoding="utf-8")


def _lift(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every validated image is in one group of either run, and the lift is the difference of differences."""
    data = open_dataset(work / "data")
    leaky, honest = (work / f"severstal-unet-{name}" for name in ("thesis", "honest"))
    copied = copies_lift.with_a_copy(leaky)
    assert set(copied.values()) == {True, False} and set(copied) <= set(data.names)
    figures = copies_lift.compare_runs(leaky, honest, data)
    capsys.readouterr()
    for one in figures.values():
        groups = one["with a copy"], one["without"]
        if all(group["shown"] for group in groups):
            gains = [group["leaky"] - group["honest"] for group in groups]
            assert one["lift"] == pytest.approx(gains[0] - gains[1])
            assert all(0 <= group[name] <= 1 for group in groups for name in ("leaky", "honest"))
        else:
            assert one["lift"] is None and None in [group["leaky"] for group in groups]
    assert figures[copies_lift.ALL]["lift"] is not None
    shown = sum(figures[copies_lift.ALL][group]["shown"] for group in ("with a copy", "without"))
    alone = [figures[name] for name in figures if name != copies_lift.ALL]
    assert shown == sum(one[group]["shown"] for one in alone for group in ("with a copy", "without"))
    same = copies_lift.compare_runs(leaky, leaky, data)
    assert same and all(one["lift"] in (0, None) for one in same.values())


def test_the_budget_of_areas(tmp_path: Path) -> None:
    (tmp_path / "neu_seg").mkdir()
    options = segment_budget.parse(["--data", str(tmp_path), "--work", str(tmp_path / "work")])
    assert (options.recipe_name, options.quiet_minutes, options.set) == ("segment-quick", 15, "neu_seg")
    assert load_config(options.recipe).train.minutes == 15 and options.part == "test"


def test_a_fold_has_its_minutes(tmp_path: Path) -> None:
    options = steel_folds.parse(["--work", str(tmp_path)])
    command = steel_folds.train_command(options, "severstal-resnet34", "copies", 2.5)
    assert command[command.index("--minutes") + 1] == "2.500" and "folds.copies=before" in command
    assert "folds.weights=carried" not in command


def test_a_folder_takes_the_place_of_drawn_strips(tmp_path: Path) -> None:
    folder = write_severstal(tmp_path / "steel", kinds(3), (32, 64))
    words = [
        "--work",
        str(tmp_path / "work"),
        "--folder",
        str(folder),
        "--folds",
        "2",
        "--test-per-class",
        "1",
    ]
    options = steel_folds.parse(words)
    data, path = steel_folds.make_data(options, in_this_process)
    dataset, split = open_dataset(folder), load_split(path)
    assert data == folder and not (options.work / "data").exists()
    assert (len(split.part("test")), len(split.names())) == (5, 15)
    assert all(np.any(dataset[name].mask) for name in split.names()), "no clean strip, as in the thesis"
    command = steel_folds.train_command(options, "severstal-unet", "honest", 1.0)
    assert command[command.index("--data") + 1] == str(folder)


def test_the_unit_of_the_budget_is_told(tmp_path: Path) -> None:
    wanted = {
        (): {"quiet_minutes_a_fold": 5.0},
        ("--minutes", "3"): {"minutes_a_fold": 3.0},
        ("--minutes", "3", "--steps", "7"): {"steps_a_fold": 7},
    }
    for number, (words, told) in enumerate(wanted.items()):
        options = steel_folds.parse(["--work", str(tmp_path / str(number)), *words])
        assert steel_folds.budget(options) == told
