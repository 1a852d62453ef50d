"""Folds: a run each, and their figures side by side."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest

from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, load_split
from flawscope.errors import OutputError, UsageError
from flawscope.training.folds import train_folds
from flawscope.training.progress import Silent
from flawscope.training.run import train

from .small import settings, write_set


def test_folds_validate_each_other_and_share_no_image(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "set", 9))
    config = settings(train={"steps": 2})
    runs = train_folds(config, dataset, tmp_path / "run", 3, reporter=Silent())
    assert [run.folder.name for run in runs] == ["fold-0", "fold-1", "fold-2"]
    seen: list[str] = []
    for run in runs:
        split = load_split(run.folder / "split.json")
        assert not set(split.part("train")) & set(split.part("val"))
        seen += split.part("val")
        assert (run.folder / "bundle" / "manifest.json").is_file()
    assert sorted(seen) == sorted(dataset.names)
    assert not (tmp_path / "run" / "bundle").exists()

    rows = list(csv.DictReader((tmp_path / "run" / "folds.csv").open(encoding="utf-8")))
    assert [row["fold"] for row in rows] == ["0", "1", "2", "mean", "sd"]
    values = [float(row["f1_pooled"]) for row in rows[:3]]
    assert all(float(row["val_loss"]) > 0 for row in rows[:3])
    assert float(rows[3]["f1_pooled"]) == pytest.approx(statistics.fmean(values))

    again = train_folds(config, dataset, tmp_path / "run", 3, resume=True, reporter=Silent())
    assert [run.progress.step for run in again] == [2, 2, 2]


def test_refit_adds_a_bundle_on_top(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "set", 6))
    config = settings(train={"steps": 1, "refit": True})
    runs = train_folds(config, dataset, tmp_path / "run", 2, reporter=Silent())
    assert len(runs) == 3 and (tmp_path / "run" / "bundle" / "manifest.json").is_file()
    assert (tmp_path / "run" / "folds.csv").is_file()
    held_out = [load_split(run.folder / "split.json").part("val") for run in runs[:2]]
    assert list(load_split(tmp_path / "run" / "split.json").folds) == held_out
    again = train_folds(config, dataset, tmp_path / "run", 2, resume=True, reporter=Silent())
    assert [run.progress.step for run in again] == [1, 1, 1]


def test_a_folder_that_holds_a_run_keeps_its_split(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "set", 6))
    config = settings(train={"steps": 1})
    folds, single = tmp_path / "folds", tmp_path / "single"
    train_folds(config, dataset, folds, 2, reporter=Silent())
    train(config, dataset, single, reporter=Silent())
    before = {path: path.read_bytes() for root in (folds, single) for path in root.glob("*.*")}
    for root in (folds, single):
        with pytest.raises(OutputError, match="already holds a run"):
            train_folds(config, dataset, root, 3, seed=1, reporter=Silent())
        with pytest.raises(OutputError, match="already holds a run"):
            train(config, dataset, root, seed=1, reporter=Silent())
    assert {path: path.read_bytes() for path in before} == before


def test_folds_of_a_split_file_without_a_training_part(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 8)
    (root / "images/006.png").write_bytes((root / "images/001.png").read_bytes())
    dataset = open_dataset(root)
    names = dataset.names
    given = Split(parts={"test": names[6:]}, folds=(names[:3], names[3:6]))
    config = settings(train={"steps": 1, "refit": True})
    runs = train_folds(config, dataset, tmp_path / "run", 2, split=given, reporter=Silent())
    whole = load_split(runs[-1].folder / "split.json").parts
    assert sorted((*whole["train"], *whole["val"])) == list(names[:6])
    assert whole["test"] == names[6:]


def test_copies_stay_in_one_fold_and_are_told(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 8)
    (root / "images/006.png").write_bytes((root / "images/001.png").read_bytes())
    said: list[str] = []

    class Listener(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    config = settings(train={"steps": 1})
    train_folds(config, open_dataset(root), tmp_path / "run", 2, reporter=Listener())
    folds = load_split(tmp_path / "run" / "split.json").folds
    assert sum({"001", "006"} <= set(fold) for fold in folds) == 1
    assert any("tied 2 images that show 1 photograph" in text for text in said)


@pytest.mark.parametrize("folds", [0, 1])
def test_one_fold_is_refused(folds: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 2 folds"):
        train_folds(settings(), None, tmp_path, folds)
