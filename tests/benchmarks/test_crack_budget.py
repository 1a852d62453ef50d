"""Training to a budget of quiet minutes: the arithmetic, the commands, and the file after each seed."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from crack_budget import Command, budget, parse, run_all, run_command, summarise, train_command, wall_minutes


@pytest.fixture
def options(tmp_path: Path) -> Namespace:
    """Options for a set that has a split with train and test."""
    (tmp_path / "data" / "masonry").mkdir(parents=True)
    split = {"schema": 1, "parts": {"train": ["a"], "test": ["b"]}}
    (tmp_path / "data" / "masonry" / "split.json").write_text(json.dumps(split), encoding="utf-8")
    words = ["--set", "masonry", "--quiet-minutes", "2", "--seeds", "5", "6", "7", "--work"]
    words += [str(tmp_path / "work"), "--data", str(tmp_path / "data"), "--set-option", "train.batch=4"]
    return parse([*words, "--json", str(tmp_path / "result.json")])


class FakeRun:
    """Stands for the two commands; writes what they would write."""

    def __init__(self, fail_at: int = 99) -> None:
        self.calls: list[list[str]] = []
        self.fail_at = fail_at

    def __call__(self, command: Command) -> None:
        words = [str(word) for word in command]
        self.calls.append(words)
        if len(self.calls) == self.fail_at:
            raise SystemExit(3)
        out = Path(words[words.index("--out") + 1])
        if words[3] == "train":
            (out / "checkpoints").mkdir(parents=True)
            progress = {"elapsed_s": 90.0, "step": 10, "stopped": ""}
            text = json.dumps({"progress": progress})
            (out / "checkpoints" / "last.json").write_text(text, encoding="utf-8")
            return
        out.mkdir()
        value = 0.8 + 0.01 * len(self.calls)
        figures = {"f1_tol2_pooled": {"value": value}, "iou_pooled": {"value": 0.5}, "precision_pooled": {}}
        metrics = {"images": 48, "figures": figures}
        (out / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def clock(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_budget_arithmetic() -> None:
    assert wall_minutes(8, 30) == 4
    found = budget(used_s=100, before_s=40, after_s=60)
    assert found["quiet_minutes_used"] == 2 and found["seconds_used"] == 100


def test_seeds_become_medians_and_the_file_grows(options: Namespace) -> None:
    run = FakeRun()
    measured = clock(30, 60, 40, 40, 45, 45)
    figures = run_all(options, run, lambda: next(measured))
    content = json.loads(options.json.read_text(encoding="utf-8"))
    assert set(content) == {"figures", "machine"}
    rows = content["figures"]["seeds"]
    assert [row["seed"] for row in rows] == [5, 6, 7]
    assert [row["quiet_minutes_used"] for row in rows] == [2.0, 2.25, 2.0]
    assert [row["minutes_given"] for row in rows] == pytest.approx([1, 4 / 3, 1.5], abs=1e-4)
    assert figures["over_seeds"]["f1_tol2_pooled"]["median"] == pytest.approx(0.84)
    assert rows[0]["precision_pooled"] is None
    train, evaluate = run.calls[0], run.calls[1]
    assert train[1:4] == ["-m", "flawscope", "train"] and "train.batch=4" in train
    assert evaluate[evaluate.index("--part") + 1] == "test"
    assert evaluate[evaluate.index("--split") + 1] == str(options.data / "masonry" / "split.json")


def test_runs_are_scored_on_parts_of_other_sets_too(options: Namespace) -> None:
    options.also, options.seeds = ["crack_sc:train"], [5]
    run = FakeRun()
    row = run_all(options, run, lambda: 40.0)["seeds"][0]
    assert set(row["also"]) == {"crack_sc:train"}
    assert row["also"]["crack_sc:train"]["f1_tol2_pooled"] == pytest.approx(0.83)
    last = run.calls[-1]
    assert last[last.index("--part") + 1] == "train" and str(options.data / "crack_sc") in last


def test_other_sets_are_named_with_their_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("crack_sc", "kolektor_sdd:test"):
        with pytest.raises(SystemExit):
            parse(["--work", str(tmp_path / "w"), "--also", text])
        assert "SET:PART" in capsys.readouterr().err


def test_synthetic_images_first_share_the_budget(options: Namespace) -> None:
    options.synthetic_share, options.quiet_minutes, options.seeds = 0.25, 8.0, [5]
    run = FakeRun()
    rows = run_all(options, run, lambda: 60.0)["seeds"]
    synthetic, real = run.calls[0], run.calls[1]
    assert "--data" not in synthetic and "data.synth.images=500" in synthetic
    assert float(synthetic[synthetic.index("--minutes") + 1]) == 2.0
    # The first part took 90 s instead of 120: what it left goes to the second.
    assert float(real[real.index("--minutes") + 1]) == 6.5
    assert real[real.index("--init") + 1] == str(Path(synthetic[synthetic.index("--out") + 1]) / "bundle")
    assert rows[0]["seconds_used"] == 180.0


def test_a_first_share_of_the_budget_has_options_of_its_own(options: Namespace) -> None:
    options.first_share, options.quiet_minutes, options.seeds = 0.5, 8.0, [5]
    options.first_option, options.then_option = ["data.synth.images=30"], ["optimiser.lr=0.002"]
    run = FakeRun()
    figures = run_all(options, run, lambda: 60.0)
    first, second = run.calls[0], run.calls[1]
    assert "data.synth.images=30" in first and "optimiser.lr=0.002" not in first
    assert "--data" in first and "train.batch=4" in first
    assert (
        "data.synth.images=30" not in second and "optimiser.lr=0.002" in second and "train.batch=4" in second
    )
    assert [float(words[words.index("--minutes") + 1]) for words in (first, second)] == [4.0, 6.5]
    assert second[second.index("--init") + 1] == str(Path(first[first.index("--out") + 1]) / "bundle")
    assert figures["first"] == {
        "share": 0.5, "set_options": ["data.synth.images=30"], "then": ["optimiser.lr=0.002"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--first-share", "0.5", "--synthetic-share", "0.5"], "two ways to begin"),
        (["--first-option", "train.batch=2"], "needs a --first-share"),
        (["--then-option", "train.batch=2"], "needs something before it"),
    ],
)
def test_ways_to_begin_that_contradict_are_refused(words, told, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        parse(["--work", str(tmp_path / "w"), *words])
    assert told in capsys.readouterr().err


def test_a_run_that_is_cut_leaves_the_seeds_before(options: Namespace) -> None:
    with pytest.raises(SystemExit):
        run_all(options, FakeRun(fail_at=3), lambda: 30.0)
    content = json.loads(options.json.read_text(encoding="utf-8"))
    assert [row["seed"] for row in content["figures"]["seeds"]] == [5]


def test_a_carved_part_is_looked_up_in_the_run(options: Namespace) -> None:
    options.part, options.seeds = "val", [0]
    run = FakeRun()
    run_all(options, run, lambda: 30.0)
    assert "seed0/split.json" in run.calls[1][run.calls[1].index("--split") + 1].replace("\\", "/")


def test_the_training_command_is_a_valid_one(options: Namespace) -> None:
    words = train_command(options, options.data / "masonry", 3, 1.5, options.work / "run")
    assert words[words.index("--minutes") + 1] == "1.500" and words[words.index("--seed") + 1] == "3"


def test_a_failing_command_ends_the_program() -> None:
    import sys

    with pytest.raises(SystemExit) as stop:
        run_command([sys.executable, "-c", "raise SystemExit(4)"])
    assert stop.value.code == 4


def test_missing_figures_are_left_out_of_the_medians() -> None:
    row = {
        "f1_tol2_pooled": 0.5, "iou_pooled": None, "precision_pooled": None, "recall_pooled": None,
        "precision_tol2_pooled": None, "recall_tol2_pooled": None, "quiet_minutes_used": 8.0,
        "seconds_used": 1.0,
    }  # fmt: skip
    found = summarise([row, {**row, "f1_tol2_pooled": 0.7}])
    assert found["f1_tol2_pooled"] == {"median": 0.6, "min": 0.5, "max": 0.7} and "iou_pooled" not in found
