"""Budgets of classifiers: which recipe, which split, which figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classify_budget import SETS, SHOWN, parse
from crack_budget import Command, run_all
from flawscope.training.config_load import load_config


class FakeRun:
    """Stands for the two commands; writes what they would write."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, command: Command) -> None:
        words = [str(word) for word in command]
        self.calls.append(words)
        out = Path(words[words.index("--out") + 1])
        if "train" in words:
            (out / "checkpoints").mkdir(parents=True)
            progress = {"progress": {"elapsed_s": 55.0, "step": 10, "stopped": ""}}
            (out / "checkpoints" / "last.json").write_text(json.dumps(progress), encoding="utf-8")
            return
        out.mkdir()
        metrics = {"images": 9, "figures": {name: {"value": 0.99} for name in SHOWN[:2]}}
        (out / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_its_recipe_and_budget(name: str, tmp_path: Path) -> None:
    (tmp_path / "data" / name).mkdir(parents=True)
    if name == "neu_cls":
        split = {"schema": 1, "parts": {"train": ["a"], "test": ["b"]}}
        (tmp_path / "data" / name / "split.json").write_text(json.dumps(split), encoding="utf-8")
    words = ["--set", name, "--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")]
    options = parse([*words, "--seeds", "3", "4", "--json", str(tmp_path / "out.json")])
    run = FakeRun()
    figures = run_all(options, run, lambda: 30.0)
    train, evaluate = run.calls[0], run.calls[1]
    assert SETS[name][0] in train and train[train.index("--minutes") + 1] == f"{SETS[name][1] / 2:.3f}"
    # MNIST's files are its split; the run writes down what it carved from them.
    assert ("--split" in train) == (name == "neu_cls")
    scored = Path(evaluate[evaluate.index("--split") + 1])
    assert scored.parent.name == ("mnist-mnist-lab-1-seed3" if name == "mnist" else "neu_cls")
    assert figures["over_seeds"]["accuracy"]["median"] == 0.99 and "loss" not in figures["over_seeds"]
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["figures"]
    assert [row["seed"] for row in written["seeds"]] == [3, 4] and written["seeds"][0]["loss"] is None


def test_the_recipes_exist_and_another_may_be_named(tmp_path: Path) -> None:
    for recipe, _ in SETS.values():
        assert load_config(recipe).task == "classification"
    (tmp_path / "mnist").mkdir()
    words = ["--data", str(tmp_path), "--work", str(tmp_path / "work"), "--recipe", "mnist-best"]
    options = parse([*words, "--quiet-minutes", "10"])
    assert (options.recipe_name, options.quiet_minutes, options.set) == ("mnist-best", 10, "mnist")
