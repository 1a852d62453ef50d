"""The verification experiment at a tiny size: its parts, its calls, its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import attention_isbi
from flawscope.data.open import open_dataset
from inspection.toy_networks import dark_bundle

from . import pretend


def write_cells(root: Path, count: int = 10) -> Path:
    folder = root / attention_isbi.SET
    for kind in ("image", "label"):
        (folder / "train" / kind).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        label = np.full((48, 64), 255, np.uint8)
        label[number + 3 :: 12] = 0
        image = rng.integers(120, 200, label.shape, dtype=np.uint8)
        image[label == 0] = 50
        Image.fromarray(image).save(folder / "train" / "image" / f"{number}.png")
        Image.fromarray(label).save(folder / "train" / "label" / f"{number}.png")
    names = [str(number) for number in range(count)]
    parts = {"train": names[:-2], "test": names[-2:]}
    folds = [names[k : k + 2] for k in range(0, count, 2)]
    (folder / "split.json").write_text(json.dumps({"schema": 1, "parts": parts, "folds": folds}))
    return root


def options(tmp_path: Path, *more: str) -> Any:
    words = ["--data", str(write_cells(tmp_path / "data")), "--work", str(tmp_path / "work"), *more]
    return attention_isbi.parse([*words, "--json", str(tmp_path / "r.json")])


def test_every_image_may_train_because_a_drawn_one_validates(tmp_path: Path) -> None:
    root = attention_isbi.prepare(options(tmp_path).data, tmp_path / "set")
    dataset = open_dataset(root)
    assert len(dataset) == 11 and attention_isbi.FILLER in dataset.names


def test_the_parts_of_each_protocol(tmp_path: Path) -> None:
    plans = attention_isbi.protocols(options(tmp_path).data, ["all", "held-out", "folds"])
    assert list(plans) == ["all", "held-out", *(f"fold-{k}" for k in range(5))]
    assert plans["all"]["train"] == plans["all"]["test"] and len(plans["all"]["train"]) == 10
    for name, parts in plans.items():
        if name != "all":
            assert len(parts["train"]) == 8 and not set(parts["train"]) & set(parts["test"])
    assert sorted(name for k in range(5) for name in plans[f"fold-{k}"]["test"]) == sorted("0123456789")


def test_runs_calls_and_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(attention_isbi, "draw_gallery", lambda _options, protocol: drawn.append(protocol))
    chosen = options(tmp_path, "--networks", "U-net", "Full Attention U-net", "--quiet-minutes", "2")
    calls: list[list[str]] = []

    def run(command: Any) -> None:
        words = [str(word) for word in command]
        calls.append(words)
        if len(calls) == 2:
            raise SystemExit(137)  # killed before the first evaluation
        if words[3] == "train":
            out = pretend.begin(words)
            if len(calls) == 30:
                raise SystemExit(137)  # killed in the first training with a budget
            pretend.end(out, step=5)
        else:
            write_scores(Path(words[words.index("--out") + 1]), better="full" in words[4])

    for _ in range(2):
        with pytest.raises(SystemExit):
            attention_isbi.run_all(chosen, run, lambda: 30.0)
    assert len(json.loads((tmp_path / "r.json").read_text())["figures"]["runs"]) == 14
    figures = attention_isbi.run_all(chosen, run, lambda: 45.0)
    assert len(figures["runs"]) == 2 * (1 + 1 + 5 + 1)
    sane = [words for words in calls if "--minutes" in words]
    assert len(sane) == 3 and sane[0][sane[0].index("--minutes") + 1] == "1.000"
    assert sane[1] == [*sane[0], "--resume"]
    assert [row["went_on"] for row in figures["runs"]] == [0] * 14 + [1, 0]
    written = json.loads((tmp_path / "r.json").read_text())["figures"]
    ours = dict.fromkeys(("all", "held-out", "sane", "folds_mean"), 80.0)
    assert written["table"]["Full Attention U-net"] == {
        "printed": 90.02, **ours, "folds": 5, "folds_sd": 0.0
    }  # fmt: skip
    both = {name: pytest.approx(60.0) for name in ours}
    assert written["table_with_background"]["Full Attention U-net"] == {**both, "folds": 5, "folds_sd": 0.0}
    best = written["sane_best"]
    assert best["best"] == "Full Attention U-net" and best["images"] == 2
    assert best["others"]["U-net"]["difference"] == pytest.approx(-10.0)
    assert drawn == ["held-out", "sane"]
    count = len(calls)
    assert attention_isbi.run_all(chosen, run, lambda: 45.0)["sane_best"] == best and len(calls) == count


def write_scores(out: Path, better: bool) -> None:
    out.mkdir()
    figure = {"value": 0.8, "low": 0.7, "high": 0.9}
    content: dict[str, Any] = {"figures": dict.fromkeys(attention_isbi.SHOWN, figure)}
    content["figures"]["miou_image_mean"] = {"value": 0.6, "low": None, "high": None}
    (out / "metrics.json").write_text(json.dumps(content))
    lines = ["image,iou", *(f"{name},{0.6 + 0.1 * better + 0.1 * name}" for name in (0, 1)), "2,"]
    (out / "images.csv").write_text("\n".join(lines) + "\n")


def test_networks_are_drawn_side_by_side_on_images_that_were_held_out(tmp_path: Path) -> None:
    chosen = options(tmp_path, "--networks", "U-net", "Full Attention U-net")
    chosen.prepared = attention_isbi.prepare(chosen.data, chosen.work / "set")
    parts = attention_isbi.protocols(chosen.data, ["held-out"])["held-out"]
    attention_isbi.write_splits(parts, chosen.work / "splits" / "held-out")
    for name in chosen.networks:
        dark_bundle(attention_isbi.run_folder(chosen, name, "held-out") / "bundle")
    page = attention_isbi.draw_gallery(chosen, "held-out").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 2 * 4 and "<th>Full Attention U-net</th>" in page


def test_networks_are_compared_on_the_same_images() -> None:
    """Images differ far more than networks: alone their limits overlap, their differences do not."""
    hard = np.linspace(0.5, 0.9, 6)
    ious = {
        "best": dict(enumerate(hard + 0.02)),
        "worse": dict(enumerate(hard)),
        "as good": dict(enumerate(hard + 0.019 * np.array([2, 0, 2, 0, 2, 0]))),
    }
    named = {name: {str(k): v for k, v in one.items()} for name, one in ious.items()}
    found = attention_isbi.less_than_best(named)
    assert found["best"] == "best" and found["images"] == 6
    worse, good = found["others"]["worse"], found["others"]["as good"]
    assert worse["told_apart"] and worse["low"] == pytest.approx(-2) == worse["high"]
    assert not good["told_apart"] and good["low"] < good["difference"] < 0 < good["high"]


@pytest.mark.slow
def test_one_real_run(tmp_path: Path) -> None:
    chosen = options(
        tmp_path, "--networks", "Attention U-net", "--protocols", "all", "--width", "2", "--epochs", "1",
        "--set-option", "input.size_hw=[48, 64]", "--set-option", "train.workers=0",
    )  # fmt: skip
    (row,) = attention_isbi.run_all(chosen)["runs"]
    assert row["steps"] == 5 and 0.0 <= row["miou_image_mean"] <= 1.0
