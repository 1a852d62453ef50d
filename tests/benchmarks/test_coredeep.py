"""The stochastic-width experiment at a tiny size: merged set, figures of a cut, sums over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import coredeep
from flawscope.data.open import open_dataset
from flawscope.types import Sample
from inspection.toy_networks import dark_bundle

from . import pretend


def write_real(root: Path) -> Path:
    for number, name in enumerate(coredeep.REAL):
        for folder in ("images", "masks"):
            (root / name / folder).mkdir(parents=True)
        for k in range(4):
            mask = np.zeros((40, 48), np.uint8)
            mask[10 + k, 5:40] = 255 * (k != 3 or number != 1)
            image = np.full((40, 48, 3), 200, np.uint8)
            image[mask > 0] = 30
            Image.fromarray(image).save(root / name / "images" / f"{k}.png")
            Image.fromarray(mask).save(root / name / "masks" / f"{k}.png")
        parts = {"train": ["0", "1"], "test": ["2", "3"]}
        (root / name / "split.json").write_text(json.dumps({"schema": 1, "parts": parts}))
    return root


def options(tmp_path: Path, *more: str) -> Any:
    words = ["--data", str(write_real(tmp_path / "data")), "--work", str(tmp_path / "work"), *more]
    return coredeep.parse([*words, "--synthetic", "5", "--json", str(tmp_path / "r.json")])


def test_the_merged_set_is_a_kaggle_set_with_sources_and_clean_images(tmp_path: Path) -> None:
    root = coredeep.merge(options(tmp_path).data, tmp_path / "kaggle", 5, 48)
    dataset = open_dataset(root)
    assert dataset.layout == "kaggle-cracks"
    assert set(dataset.sources) == {"CFD", "CrackSC", "masonry", "synthetic", "noncrack"}
    assert {part: len(dataset.part(part)) for part in ("train", "test")} == {"train": 14, "test": 8}
    clean = [sample.name for sample in dataset if not sample.mask.any()]  # type: ignore[union-attr]
    assert all(Path(name).name.startswith("noncrack") for name in clean) and len(clean) == 6


class Dark:
    """Sure of what is dark, less so in the right half."""

    def predict_probability(self, image: np.ndarray) -> np.ndarray:
        dark = (image.mean(axis=2) < 100).astype(np.float32)
        dark[:, image.shape[1] // 2 :] *= 0.8
        return dark[None]


def test_components_are_counted_at_every_cut() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[5, 3:37] = mask[15, 30:35] = 1
    image = np.where(mask[..., None] > 0, 20, 200).astype(np.uint8).repeat(3, axis=2)
    sample = Sample("a", lambda: image, lambda: mask)
    low, high = coredeep.components(Dark(), [sample], (0.5, 0.9))  # type: ignore[arg-type]
    assert (low["components"], high["components"], low["components_true"]) == (2, 1, 2)


def test_widths_of_a_perfect_answer_are_right() -> None:
    class Perfect:
        def predict_probability(self, image: np.ndarray) -> np.ndarray:
            from flawscope.data.synthetic.concrete import ConcreteOptions, render_concrete

            drawn = render_concrete(self.seed, (256, 256), ConcreteOptions(clean_share=0.0))
            return (drawn.mask == 1).astype(np.float32)[None]

    model = Perfect()
    model.seed = 3  # type: ignore[attr-defined]
    (figures,) = coredeep.width_errors(model, [3], (0.5,))  # type: ignore[arg-type]
    assert figures["width_points"] > 20 and abs(figures["width_error_median_px"]) < 0.6


def test_a_half_written_set_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = options(tmp_path)
    chosen.seeds = []
    put = coredeep._put

    def cut(out: Path, part: str, *more: Any) -> None:
        if part == "test":
            raise KeyboardInterrupt
        put(out, part, *more)

    monkeypatch.setattr(coredeep, "_put", cut)
    with pytest.raises(KeyboardInterrupt):
        coredeep.run_all(chosen)
    monkeypatch.setattr(coredeep, "_put", put)
    coredeep.run_all(chosen)
    assert len(open_dataset(tmp_path / "work" / "kaggle")) == 22
    with pytest.raises(SystemExit):  # the set would not be the one that was asked for
        coredeep.parse(["--data", str(chosen.data), "--work", str(chosen.work), "--synthetic", "9"])


def test_runs_seeds_and_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = options(tmp_path, "--seeds", "4", "5", "--network", "resnet18", "--set-option", "train.batch=2")
    calls: list[list[str]] = []

    def run(command: Any) -> None:
        words = [str(word) for word in command]
        if words[3] == "table":
            (out := Path(words[words.index("--out") + 1])).mkdir()
            (out / "side-by-side.html").write_text(" ".join(words), encoding="utf-8")
            return
        calls.append(words)
        out = pretend.begin(words)
        if len(calls) == 3:
            raise SystemExit(137)  # killed
        pretend.end(out)

    def tried(model: Path, _data: Path, cuts: Any, _count: int) -> Any:
        seed = int(model.name[-1])
        return {
            f"{100 * cut:g}": {"c_iou": cut + seed, "fp": seed, "cldice": None, "c_iou_of": {"CFD": seed}}
            for cut in cuts
        }

    monkeypatch.setattr(coredeep, "try_cuts", tried)
    with pytest.raises(SystemExit):
        coredeep.run_all(chosen, run, lambda: 30.0)
    assert len(json.loads((tmp_path / "r.json").read_text())["figures"]["runs"]) == 2
    figures = coredeep.run_all(chosen, run, lambda: 60.0)
    assert len(calls) == 7 and [row["seed"] for row in figures["runs"]] == [4, 4, 4, 5, 5, 5]
    assert "coredeep-resnet50-sw" in calls[2] and calls[2][calls[2].index("--minutes") + 1] == "5.000"
    assert calls[3] == [*calls[2], "--resume"]
    assert [(row["went_on"], row["quiet_minute_before_s"]) for row in figures["runs"]][:4] == [
        (0, 30.0), (0, 30.0), (1, 30.0), (0, 60.0),
    ]  # fmt: skip
    assert calls[0][-2:] == ["--set", "train.batch=2"]
    rows = figures["over_seeds"]
    assert list(rows) == ["Baseline", "Baseline+", "SW", *(f"SW{t}" for t in range(90, 99))]
    assert rows["SW95"]["c_iou"] == {"median": 5.45, "min": 4.95, "max": 5.95}
    assert "cldice" not in rows["SW"] and rows["SW"]["c_iou_of"]["CFD"]["median"] == 4.5
    table = (chosen.work / "tables-seed4" / "side-by-side.html").read_text(encoding="utf-8")
    assert f"Baseline+={chosen.work / 'baseline-plus-seed4'}@0.5 " in table and "sw-seed4@0.9:0.98 " in table
    written = json.loads((tmp_path / "r.json").read_text())["figures"]
    assert written["runs"][0]["quiet_minutes_used"] == 2.0
    # All is there: nothing is run, and one more seed alone loses no row.
    assert coredeep.run_all(chosen, run, lambda: 30.0)["runs"] == figures["runs"] and len(calls) == 7
    chosen.seeds = [6]
    assert len(coredeep.run_all(chosen, run, lambda: 30.0)["runs"]) == 9


def test_a_model_is_tried_at_every_cut(tmp_path: Path) -> None:
    data = coredeep.merge(options(tmp_path).data, tmp_path / "kaggle", 5, 48)
    dark_bundle(tmp_path / "run" / "bundle")
    low, high = coredeep.try_cuts(tmp_path / "run", data, (0.5, 0.95), 2).values()
    assert low["c_r"] > 0.5 and low["components_ratio"] > 0 and low["fp"] <= 6 and low["fn"] <= 2
    for name in coredeep.SHOWN:
        first, last = low[f"{name}_limits"]
        assert first <= low[name] <= last
    for name in ("c_iou_of", "c_r_of", "f1_tol2_of", "cldice_of"):
        assert set(low[name]) == {"CFD", "CrackSC", "masonry", "synthetic", "noncrack"}
    assert high["c_r"] <= low["c_r"] and "width_points" in low
    coredeep.tell({"50": low}, "SW", lambda text: None)
