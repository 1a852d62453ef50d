"""What a run folder says of its own training: ``folds.csv`` of a run of folds, ``history.csv`` of one run."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TABLE, PROTOCOL = "folds.csv", "protocol.json"

_HISTORY = ("train_loss", "val_loss", "train_dice", "val_dice")

Told = dict[str, dict[str, float | None]]
"""Name -> ``value`` and ``sd``, as in ``metrics.json``."""


def protocol_of(path: Path) -> dict[str, Any]:
    """Return how the folds of a run were made; empty where the folder does not say."""
    try:
        found = json.loads((path / PROTOCOL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_carried(path: Path) -> bool:
    """Whether one set of weights went through all folds, so that the last fold's is the run's model."""
    return protocol_of(path).get("weights") == "carried"


def protocol_in_words(facts: Mapping[str, Any]) -> list[str]:
    """Return what leaks in such folds, a line each; none where nothing does."""
    lines = []
    if facts.get("copies") == "before":
        lines.append(
            "this leaks: copies were made before the folds, so that copies of one photograph train and "
            "validate on each other; see val_twins and val_dice_twins in folds.csv"
        )
    if facts.get("weights") == "carried":
        lines.append(
            "this leaks: each fold goes on with weights that were trained on its validation images; see "
            "val_seen and val_dice_start in folds.csv"
        )
    if lines:
        lines.append("only its test figures say how it does on images that it never saw")
    return lines


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run, with or without folds."""
    return (path / TABLE).is_file() or (path / "history.csv").is_file()


def is_evaluation(path: Path) -> bool:
    """Whether a folder is what ``flawscope evaluate`` wrote, and no run, which has figures of its own."""
    return (path / "metrics.json").is_file() and not (path / "config.toml").is_file()


def training_of(path: Path) -> Told:
    """Return time, epochs, loss and Dice of a run's training; of folds the mean and standard deviation.

    ``minutes_all`` is the time of all folds together. Where weights were carried through the folds, the test
    figures are those of the last fold. Empty for a folder that is no run, or for a damaged one.
    """
    try:
        if (path / TABLE).is_file():
            return _of_folds(path)
        return _of_history(path) if (path / "history.csv").is_file() else {}
    except (OSError, ValueError, KeyError, IndexError):
        return {}


def _of_folds(path: Path) -> Told:
    rows = _rows(path / TABLE)
    *folds, mean, sd = rows
    told: Told = {
        name: {"value": _number(mean[name]), "sd": _number(sd[name])} for name in mean if name != "fold"
    }
    if "minutes" in mean:
        told["minutes_all"] = {"value": sum(_number(row["minutes"]) or 0.0 for row in folds)}
    if is_carried(path):
        told |= {name: {"value": _number(folds[-1][name])} for name in told if name.startswith("test_")}
    return told


def _of_history(path: Path) -> Told:
    rows = _rows(path / "history.csv")
    config = tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    header = json.loads((path / "checkpoints" / "last.json").read_text(encoding="utf-8"))
    progress = header["progress"]
    best = [row for row in rows if int(row["epoch"]) == progress["best_epoch"]]
    kept = best[0] if config["train"]["keep"] == "best" and best else rows[-1]
    told: Told = {name: {"value": _number(kept[name])} for name in _HISTORY if name in kept}
    told["epochs"] = {"value": float(len(rows))}
    told["minutes"] = told["minutes_all"] = {"value": progress["elapsed_s"] / 60}
    return told


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float | None:
    return float(text) if text else None
