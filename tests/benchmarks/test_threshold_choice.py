"""What a threshold chosen by few images costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import threshold_choice
from flawscope.inspection.default_model import default_bundle_path
from threshold_choice import best_of, compare_rules, score


def drawn(images: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truths of one bar, and probabilities that are .6 on it, with noise everywhere."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(images):
        truth = np.zeros((40, 40), bool)
        truth[18:22, 5:35] = True
        noise = generator.normal(0, 0.12, truth.shape)
        pairs.append((np.clip(0.6 * truth + noise, 0, 1).astype(np.float32), truth))
    return pairs


def test_a_perfect_prediction_scores_one_and_an_empty_one_nothing() -> None:
    truth = drawn(1)[0][1]
    assert score([(truth.astype(np.float32), truth)], 0.5, 0) == (1.0, 1.0)
    assert score([(np.zeros(truth.shape, np.float32), truth)], 0.5, 0) == (0.0, 0.0)
    assert score([(truth.astype(np.float32), truth)], 0.5, 1000) == (0.0, 0.0), "smaller than the least area"


def test_the_best_threshold_lies_between_noise_and_crack() -> None:
    best = best_of(drawn(3))
    assert 0.25 <= best["threshold"] <= 0.5 and best["f1_tol2"] > 0.9


def test_every_rule_is_scored_on_the_images_that_did_not_choose() -> None:
    pairs = drawn(6)
    table = compare_rules(pairs, few=3, draws=4, seed=1)
    assert set(table) == set(threshold_choice.RULES)
    assert all(0 < row["iou"] <= row["f1_tol2"] <= 1 for row in table.values())
    assert table["f1_tol2, middle of all within .01, no area"]["min_area_px"] == 0
    assert compare_rules(pairs, few=3, draws=4, seed=1) == table, "the same draws, the same table"


def test_a_run_is_compared_from_its_folder(tmp_path: Path) -> None:
    data = tmp_path / "data" / "own"
    (data / "images").mkdir(parents=True)
    (data / "masks").mkdir()
    names = [f"p{number}" for number in range(4)]
    for name, (_, truth) in zip(names, drawn(4), strict=True):
        grey = np.where(truth, 40, 170).astype(np.uint8)
        Image.fromarray(np.repeat(np.kron(grey, np.ones((4, 4), np.uint8))[..., None], 3, axis=2)).save(
            data / "images" / f"{name}.png"
        )
        Image.fromarray(np.kron(truth * 255, np.ones((4, 4))).astype(np.uint8)).save(
            data / "masks" / f"{name}.png"
        )
    run = tmp_path / "run"
    run.mkdir()
    (run / "bundle").symlink_to(default_bundle_path())
    split = {"schema": 1, "parts": {"train": names[:1], "val": names[1:]}}
    (run / "split.json").write_text(json.dumps(split), encoding="utf-8")
    words = [str(run), "--data", str(tmp_path / "data"), "--set", "own", "--few", "1", "--draws", "2"]
    options = threshold_choice.parse([*words, "--sizes", "0.5", "--json", str(tmp_path / "r.json")])
    figures = threshold_choice.run_all(options)
    assert figures["run"]["images"] == 3 and set(figures["run"]["sizes"]) == {"0.5"}
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["figures"]
    assert told["run"]["sizes"]["0.5"]["f1_tol2"] > 0.5, "a dark bar, four pixels a pixel, is a crack"
    assert set(told["run"]["rules"]) == set(threshold_choice.RULES)


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        threshold_choice.parse([str(tmp_path), "--data", str(tmp_path)])
