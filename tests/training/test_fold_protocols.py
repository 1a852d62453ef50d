"""Both protocols of folds: the honest one and the thesis's, whose two leaks are measured apart."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, load_split
from flawscope.errors import ConfigError, DataError
from flawscope.evaluation.fold_files import protocol_in_words, training_of
from flawscope.evaluation.runs import FoldMetrics, evaluate_run, find_models
from flawscope.training.config import TrainConfig
from flawscope.training.fold_copies import original, with_copies
from flawscope.training.folds import train_folds
from flawscope.training.progress import Silent
from flawscope.training.session import build_network

from .small import settings
from .steel_strips import kinds, write_severstal


def small(**folds: str) -> TrainConfig:
    return settings(
        input={"mode": "resize", "size_hw": [32, 64]},
        data={"crop_px": 0, "balance": {"target": 6, "clean": 0}},
        validation={"figures": "dice", "threshold_rule": "half", "presence_px": 2},
        train={"steps": 2, "batch": 4, "ema_decay": 0.0, "monitor": "loss", "threads": 1, "workers": 0},
        augment={"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0},
        folds=folds,
    )


@pytest.fixture(scope="module")
def steel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Split]:
    """A set of 24 strips, and its split with four to test on."""
    root = write_severstal(tmp_path_factory.mktemp("steel") / "data", kinds(4), (32, 64))
    dataset = open_dataset(root)
    return dataset, Split(parts={"train": dataset.names[4:], "test": dataset.names[:4]})


def rows_of(root: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((root / "folds.csv").open(encoding="utf-8")))


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_the_honest_folds_share_no_photograph(tmp_path: Path, steel: tuple[Dataset, Split]) -> None:
    dataset, split = steel
    listener = Listener()
    runs = train_folds(small(), dataset, tmp_path, 2, split=split, reporter=listener)
    assert not any("leaks" in text for text in listener.said)
    for run in runs:
        assert run.config.data.balance.target == 3, "half of six: the other half is the other fold's"
        parts = load_split(run.folder / "split.json").parts
        assert not {original(n) for n in parts["train"]} & {original(n) for n in parts["val"]}
    rows = rows_of(tmp_path)
    assert [row["fold"] for row in rows] == ["0", "1", "mean", "sd"]
    wanted = {
        "minutes",
        "epochs",
        "train_loss",
        "val_loss",
        "train_dice",
        "val_dice",
        "test_loss",
        "test_dice",
    }
    assert wanted <= {name for name, cell in rows[0].items() if cell}
    assert "val_twins" not in rows[0] and "val_seen" not in rows[0]
    assert (tmp_path / "curves.png").is_file() and not protocol_in_words({"copies": "inside"})
    told = training_of(tmp_path)
    assert told["test_dice"]["value"] == pytest.approx(
        sum(float(row["test_dice"]) for row in rows[:2]) / 2, abs=1e-6
    )
    minutes = [float(row["minutes"]) for row in rows[:2]]
    assert told["minutes"]["value"] == pytest.approx(sum(minutes) / 2)
    assert told["minutes_all"] == {"value": pytest.approx(sum(minutes))}, "the time of a run of folds"

    before = [(run.folder / "bundle" / "manifest.json").stat().st_mtime_ns for run in runs]
    again = train_folds(small(), dataset, tmp_path, 2, split=split, resume=True, reporter=Silent())
    assert [(run.folder / "bundle" / "manifest.json").stat().st_mtime_ns for run in again] == before
    assert rows_of(tmp_path) == rows


def test_the_thesis_folds_leak_and_say_so(
    tmp_path: Path, steel: tuple[Dataset, Split], capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, split = steel
    listener = Listener()
    config = small(copies="before", weights="carried")
    runs = train_folds(config, dataset, tmp_path / "run", 2, split=split, reporter=listener)
    assert sum("this leaks" in text for text in listener.said) == 2
    first, second = rows_of(tmp_path / "run")[:2]
    assert float(first["val_twins"]) > 0 and float(second["val_twins"]) > 0
    assert float(first["val_seen"]) == 0 and float(second["val_seen"]) == 1
    assert first["val_dice_start"] == "" and 0 <= float(second["val_dice_start"]) <= 1
    assert runs[0].config.train.init == "" and runs[1].config.train.init == str(runs[0].bundle)
    assert (
        json.loads((tmp_path / "run" / "protocol.json").read_text(encoding="utf-8"))["weights"] == "carried"
    )

    models = find_models(tmp_path / "run")
    assert models.bundle == runs[1].bundle
    metrics = evaluate_run(models, dataset, part="test")
    assert not isinstance(metrics, FoldMetrics) and metrics.images == 4
    assert any("this leaks" in note for note in metrics.notes)
    told = training_of(tmp_path / "run")
    assert told["test_dice"]["value"] == pytest.approx(float(second["test_dice"]))

    assert main(["table", str(tmp_path / "run"), "--like", "thesis-61", "--out", str(tmp_path / "t")]) == 0
    shown = capsys.readouterr()
    assert "ResNet-34" in shown.out and "this leaks" in shown.err
    (ours, *_) = csv.DictReader((tmp_path / "t" / "thesis-61.csv").open(encoding="utf-8"))
    blank = {name for name, cell in ours.items() if not cell}
    assert not blank, "every column has a figure of ours"
    # All folds' time, as the printed one is: "to perform the training task".
    in_all = float(first["minutes"]) + float(second["minutes"])
    assert float(ours["Minutes"]) == pytest.approx(in_all, rel=1e-4)
    assert main(["table", str(tmp_path / "run"), "--like", "thesis-62", "--json"]) == 0
    size: dict[str, Any] = json.loads(capsys.readouterr().out)["thesis-62"][0]
    network = build_network(config, dataset.classes)
    assert size["Total"] >= size["Trainable"] == sum(part.numel() for part in network.parameters())
    command = ["table", str(tmp_path / "run"), "--data", str(dataset.root), "--like", "thesis-65"]
    assert main([*command, "--gallery", "0", "--json"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)["thesis-65"][0]
    assert row["TN 1"] + row["FP 1"] + row["FN 1"] + row["TP 1"] == 4 and 0 <= row["All right"] <= 1


def test_a_killed_fold_ends_the_same(tmp_path: Path, steel: tuple[Dataset, Split]) -> None:
    dataset, split = steel
    config = small(copies="before", weights="carried")
    whole = train_folds(config, dataset, tmp_path / "whole", 2, split=split, reporter=Silent())
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for name in ("metrics.json", "fold.json"):
        (tmp_path / "cut" / "fold-1" / name).unlink()
    shutil.rmtree(tmp_path / "cut" / "fold-1" / "bundle")
    again = train_folds(config, dataset, tmp_path / "cut", 2, resume=True, reporter=Silent())
    for one, other in zip(whole, again, strict=True):
        weights = [next((run.bundle).glob("*.safetensors")).read_bytes() for run in (one, other)]
        assert weights[0] == weights[1]
        assert Bundle.load(other.bundle).manifest.classes
    steady = {"seconds", "minutes"}
    for one_row, other_row in zip(
        rows_of(tmp_path / "whole")[:2], rows_of(tmp_path / "cut")[:2], strict=True
    ):
        assert {k: v for k, v in one_row.items() if k not in steady} == {
            k: v for k, v in other_row.items() if k not in steady
        }


def test_copies_are_dealt_like_images(steel: tuple[Dataset, Split]) -> None:
    dataset, split = steel
    more, cut = with_copies(small(copies="before"), dataset, split, 3)
    every = [name for fold in cut.folds for name in fold]
    assert len(every) == len(set(every)) == len(cut.part("train"))
    assert max(map(len, cut.folds)) - min(map(len, cut.folds)) <= 1
    assert any("#" in name for name in every) and set(split.part("test")) <= set(more.names)
    assert with_copies(small(copies="before"), dataset, split, 3)[1] == cut, "the same seed, the same folds"
    with pytest.raises(DataError, match="cannot be cut"):
        with_copies(small(copies="before"), dataset, split, 99)
    with pytest.raises(ConfigError, match=r"data\.balance\.target"):
        with_copies(settings(folds={"copies": "before"}), dataset, split, 3)


def test_a_folder_that_is_no_run_tells_nothing(tmp_path: Path) -> None:
    assert training_of(tmp_path) == {}
    (tmp_path / "folds.csv").write_text("fold\n", encoding="ascii")
    assert training_of(tmp_path) == {}
