"""The capstone's tables at a tiny size: splits, calls, and a gate before a segmenter."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import two_step
from flawscope.cli.app import main
from flawscope.data.mask_labels import as_labels
from flawscope.data.open import open_dataset
from flawscope.training.config_load import load_config
from training.steel_strips import kinds, write_severstal

TINY = [
    "--strips", "48", "--strip-size", "64x128", "--size", "16", "32", "--epochs", "1", "--batches", "4",
    "--per-class", "1", "--levels", "0.5", "--repeats", "1", "--set-option", "train.device=cpu",
    "--set-option", "model.options={widths=[2], hidden=0}",
]  # fmt: skip


def in_process(command: Any) -> None:
    words = [str(word) for word in command]
    assert words[1:3] == ["-m", "flawscope"]
    assert main(words[3:]) == 0


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Any:
    work = tmp_path_factory.mktemp("bench")
    made = two_step.parse(["--work", str(work / "work"), "--json", str(work / "r.json"), *TINY])
    made.data_set = two_step.strips_of(made, in_process)
    return made


def test_the_split_takes_what_the_rarest_class_has(options: Any) -> None:
    dataset = open_dataset(options.data_set)
    split, per_class = two_step.capstone_split(dataset, 0)
    labels = [sample.labels for sample in as_labels(dataset)]
    assert per_class == min(min(labels.count((kind,)) for kind in (1, 2, 3, 4)), labels.count((0,)) // 4)
    assert sum(len(names) for names in split.parts.values()) == 8 * per_class


def test_fewer_images_train_and_the_same_test(options: Any) -> None:
    dataset = open_dataset(options.data_set)
    split, _ = two_step.capstone_split(dataset, 0)
    fewer = two_step.with_fewer(split, dataset, 1)
    assert fewer.parts["test"] == split.parts["test"] and fewer.parts["val"] == split.parts["val"]
    labels = [sample.labels for sample in as_labels(dataset.subset(fewer.part("train")))]
    assert sorted(labels) == [(0,)] * 4 + [(1,), (2,), (3,), (4,)]


def test_tables_and_gate(options: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options.parts = ["tables", "gate"]
    figures = two_step.run_all(options, in_process)
    written = json.loads(Path(options.json).read_text(encoding="utf-8"))["figures"]
    assert len(written["gate"]) == 1 and written["tables"][0]["run"] == "capstone"
    row = figures["tables"][0]
    assert set(row["train"]) == set(row["test"]) == {"accuracy_together", "gate", "classes"}
    assert 0 <= row["test"]["classes"]["accuracy"] <= 1 and row["test"]["gate"]["loss"] > 0
    gate = figures["gate"][0]
    assert gate["ms_an_image_without"] > 0 and 0 <= gate["missed"] <= gate["defective"]
    assert "ms a strip" in capsys.readouterr().out
    assert "| 0.500 |" in (options.work / "tables" / "gate.md").read_text(encoding="utf-8")


def pretend_into(asked: list[list[str]]) -> Any:
    """A runner that keeps the calls and leaves what `evaluate` would."""

    def pretend(command: Any) -> None:
        words = [str(word) for word in command]
        asked.append(words)
        if words[3] == "evaluate":
            out = Path(words[words.index("--out") + 1])
            out.mkdir(parents=True, exist_ok=True)
            step = {"images": 4, "figures": {name: {"value": 0.5} for name in two_step.SHOWN}}
            content = {"figures": {"accuracy": {"value": 0.5}}, "steps": {"gate": step, "classes": step}}
            (out / "metrics.json").write_text(json.dumps(content), encoding="utf-8")

    return pretend


def test_a_folder_is_taken_as_it_is_and_no_more_than_the_capstone_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_config("two-step-capstone").two_step.per_class == two_step.MOST_PER_CLASS
    monkeypatch.setattr(two_step, "MOST_PER_CLASS", 3)
    folder = write_severstal(tmp_path / "steel", [*kinds(4), *[()] * 12], (32, 64))
    words = ["--folder", str(folder), "--work", str(tmp_path / "work"), "--json", str(tmp_path / "r.json")]
    options = two_step.parse([*words, *TINY, "--parts", "tables", "sweep", "curve"])
    asked: list[list[str]] = []
    figures = two_step.run_all(options, pretend_into(asked))
    assert figures["per_class"] == 3 and sum(figures["parts"].values()) == 24
    assert (figures["strips"], figures["drawn"]) == (36, False)
    assert {words[3] for words in asked} == {"train", "evaluate"}, "nothing is drawn"
    trained = [words[words.index("--data") + 1] for words in asked if words[3] == "train"]
    assert trained == [str(folder)] * 3
    rows = {}
    for path in (tmp_path / "work" / "tables").glob("*.csv"):
        rows[path.stem] = list(csv.DictReader(path.open(encoding="utf-8")))
        assert len(path.with_suffix(".md").read_text(encoding="utf-8").splitlines()) == 2 + len(
            rows[path.stem]
        )
    assert {name: len(found) for name, found in rows.items()} == {
        "steps": 4, "batch-sweep": 4, "learning-curve": 8,
    }  # fmt: skip
    assert [(row["run"], row["step"], row["on"]) for row in rows["batch-sweep"]] == [
        ("batch-4", step, on) for step in ("gate", "classes") for on in ("train", "test")
    ]
    assert [row["run"] for row in rows["learning-curve"][::4]] == ["images-1", "capstone"]
    assert all(row["accuracy"] == "0.500000" and row["images"] == "4" for row in rows["steps"])


def test_sweep_and_curve_ask_for_their_runs(options: Any) -> None:
    asked: list[list[str]] = []
    pretend = pretend_into(asked)
    options.parts = ["sweep", "curve"]
    figures = two_step.run_all(options, pretend)
    assert [row["run"] for part in ("sweep", "curve") for row in figures[part]] == ["batch-4", "images-1"]
    trained = [" ".join(words) for words in asked if words[3] == "train"]
    assert "two_step.gate.train.batch=4" in trained[0] and "train.batch=4" in trained[0]
    assert "train.batch=16" in trained[1] and "images-1.json" in trained[1]
    # Called again in the same folder it takes what is there, and trains what was not measured.
    (options.work / "images-1" / "figures-train" / "metrics.json").unlink()
    asked.clear()
    assert two_step.run_all(options, pretend) == figures
    assert [words[3] for words in asked] == ["train", "evaluate", "evaluate"]
    assert "images-1.json" in " ".join(asked[0])
