"""The experiment with handwriting, chalk and weld seams at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import attention_cracks
from flawscope.bundle import Bundle
from flawscope.data.open import open_dataset

TINY = ("train.steps=2", "train.batch=2", "train.device='cpu'", "train.workers=0", "train.threads=1")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_cracks, "TRAIN_HW", (32, 48))
    monkeypatch.setattr(attention_cracks, "TEST_HW", (32, 86))


def options(tmp_path: Path, *more: str) -> Any:
    words = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "r.json"), "--width", "2"]
    words += ["--train", "3", "--test", "2", "--clean", "1", "--epochs", "1", "2", "--times", "3", *more]
    for text in (*TINY, "input.size_hw=[32, 48]", "bundle.size_hw=[32, 86]"):
        words += ["--set-option", text]
    return attention_cracks.parse(words)


def test_the_set_has_cracks_to_find_and_clean_pictures_with_one_mark_each(tmp_path: Path) -> None:
    root = attention_cracks.draw_set(tmp_path / "set", 3, 2, 2, times=3)
    dataset = open_dataset(root)
    assert {part: len(dataset.part(part)) for part in ("train", "test")} == {"train": 3, "test": 2}
    for part in ("train", "test", *attention_cracks.MARKS, "none"):
        for sample in dataset.part(part):
            assert sample.image().shape == (96, 144, 3)
            assert sample.mask is not None and bool(sample.mask.any()) == (part in ("train", "test"))
    plain, marked = (
        np.asarray(Image.open(root / "images" / f"{kind}_000.png")) for kind in ("none", "handwriting")
    )
    changed = (np.abs(plain.astype(int) - marked) > 25).any(axis=2).mean()
    assert 0 < changed < 0.5  # the same surface, with writing on it


def test_two_steps_of_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {name: attention_cracks.NETWORKS[name] for name in ("U-net", attention_cracks.FULL)}
    monkeypatch.setattr(attention_cracks, "NETWORKS", two)
    chosen = options(tmp_path)
    calls: list[list[str]] = []

    def run(command: Any) -> None:
        from flawscope.cli.app import main

        words = [str(word) for word in command]
        calls.append(words)
        if len(calls) == 2:
            raise SystemExit(137)  # killed
        assert main(words[3:]) == 0

    with pytest.raises(SystemExit):
        attention_cracks.run_all(chosen, run)
    assert len(json.loads((tmp_path / "r.json").read_text())["figures"]["runs"]) == 1
    figures = attention_cracks.run_all(chosen, run)
    assert len(calls) == 4 and calls[2] == calls[1]
    trained = [(row["network"], row["epochs"]) for row in figures["runs"]]
    assert trained == [(attention_cracks.FULL, 1), (attention_cracks.FULL, 2), ("U-net", 2)]
    assert "model.name=attention-unet-full" in calls[0]
    row = json.loads((tmp_path / "r.json").read_text())["figures"]["runs"][0]
    for size in ("at_386x256", "at_682x256"):
        assert set(row[size]["false_per_mille"]) == {*attention_cracks.MARKS, "none"}
        assert 0 <= row[size]["iou"] <= 1 and 0 <= row[size]["miou_with_background"] <= 1
        assert len(row[size]["iou_limits"]) == 2
    (run_folder,) = tmp_path.glob("work/attention-unet-full-epochs2-*-seed0")
    sizes = [Bundle.load(run_folder / name).manifest.input.size_hw for name in ("bundle", "bundle-386x256")]
    assert sizes == [(32, 86), (32, 48)]
    page = (tmp_path / "work" / "side-by-side.html").read_text(encoding="utf-8")
    assert page.count("<th>Full Attention U-net") == 2


def test_a_half_drawn_set_is_drawn_again_and_another_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = options(tmp_path)
    draw = attention_cracks._draw

    def cut(out: Path, name: str, *more: Any, **marks: Any) -> bool:
        if name.startswith("test"):
            raise KeyboardInterrupt
        return draw(out, name, *more, **marks)

    monkeypatch.setattr(attention_cracks, "_draw", cut)
    with pytest.raises(KeyboardInterrupt):
        attention_cracks.run_all(chosen)
    assert not (chosen.work / "photographs").exists()
    with pytest.raises(SystemExit):
        options(tmp_path, "--test", "9")


def test_epochs_rise(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        attention_cracks.parse(["--work", str(tmp_path), "--epochs", "5", "2"])
