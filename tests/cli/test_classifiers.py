"""Labels of whole images from the command line: train, evaluate, inspect, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from flawscope.cli.app import main
from flawscope.training.toml_writer import to_toml
from training.labelled import KINDS, settings, sigmoid, write_set
from training.small import write_set as write_masks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class."""
    return write_set(tmp_path_factory.mktemp("data") / "set é")


def recipe(folder: Path, text: str = "") -> str:
    path = folder / "stripes.toml"
    path.write_text(text or to_toml(settings().model_dump(mode="json")), encoding="utf-8")
    return str(path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_train_evaluate_inspect(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, figures, out = (str(tmp_path / name) for name in ("run", "figures", "out"))
    assert main(["train", recipe(tmp_path), "--data", str(data), "--out", run]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main(["evaluate", run, str(data), "--part", "all", "--out", figures]) == 0
    shown = capsys.readouterr().out
    assert "24 images, part all" in shown and "calibration_error" in shown and "plain:" in shown
    assert {"confusion.png", "roc.png", "calibration.png"} <= {p.name for p in Path(figures).iterdir()}
    assert main(["evaluate", run, str(data), "--part", "all", "--out", figures, "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["figures"]["accuracy"]["value"]
    assert main(["inspect", str(data), "--model", run, "--out", out]) == 0
    captured = capsys.readouterr()
    assert "24 images inspected" in captured.out and "across" in captured.err
    images = rows(Path(out) / "images.csv")
    right = [row["label"] == row["image"].partition("/")[0] for row in images]
    assert sum(right) / 24 == pytest.approx(accuracy), "inspection labels as the evaluation counts"
    assert list(rows(Path(out) / "scores.csv")[0]) == ["image", *KINDS]
    assert main(["inspect", str(data), "--model", run, "--out", out, "--threshold", "0.7"]) == 2
    assert "most probable class" in capsys.readouterr().err


def test_a_wrong_pair_of_head_and_loss_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["train", recipe(tmp_path), "--data", str(data), "--out", str(tmp_path / "run")]
    assert main([*call, "--set", "input.activation=sigmoid"]) == 2
    assert "probabilities that sum to 1" in capsys.readouterr().err
    other = to_toml(sigmoid().model_dump(mode="json"))
    assert main(["train", recipe(tmp_path, other), *call[2:], "--set", "input.activation=softmax"]) == 2
    assert "share one probability" in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.toml").exists()


def test_data_without_labels_or_with_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks, out = write_masks(tmp_path / "masks", 4), str(tmp_path / "run")
    assert main(["train", recipe(tmp_path), "--data", str(masks), "--out", out]) in (2, 3)
    assert "no labels of whole images" in capsys.readouterr().err
    assert main(["train", "crack-quick", "--data", str(write_set(tmp_path / "labels", 9)), "--out", out]) in (
        2,
        3,
    )
    assert "classify-quick" in capsys.readouterr().err
    one = write_set(tmp_path / "one", 12)
    for name in KINDS[1:]:
        for path in (one / name).iterdir():
            path.unlink()
        (one / name).rmdir()
    call = ["train", recipe(tmp_path), "--data", str(one), "--layout", "image-folder", "--out", out]
    assert main(call) in (2, 3)
    assert "one class only: across" in capsys.readouterr().err
    (one / "along").mkdir()
    assert main(call) in (2, 3)
    assert "along: the class folder holds no image" in capsys.readouterr().err
