"""The verb ``train`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flawscope.cli.app import main
from flawscope.data.split_file import Split, load_split, write_split
from flawscope.training.toml_writer import to_toml

from .small import settings, write_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of eight drawn pictures."""
    return write_set(tmp_path_factory.mktemp("data") / "set of cracks é", 8)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The small configuration as a file."""
    path = tmp_path / "small.toml"
    path.write_text(to_toml(settings(train={"steps": 2}).model_dump(mode="json")), encoding="utf-8")
    return path


def test_train_resume_and_json(
    data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a run"
    call = ["train", str(recipe), "--data", str(data), "--out", str(out), "--set", "train.batch=2", "--json"]
    assert main(call) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 2 and Path(result["bundle"]).is_dir()
    assert main(call) == 3, "the folder is taken"
    assert "already holds a run" in capsys.readouterr().err
    assert main([*call, "--resume"]) == 0


def test_folds(data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["train", str(recipe), "--data", str(data), "--out", str(out), "--folds", "2"]) == 0
    assert (out / "folds.csv").is_file()
    assert "fold-1" in capsys.readouterr().out


def test_skip_bad_with_a_split_that_names_a_bad_image(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set(tmp_path / "set", 8)
    for name in ("003", "007"):
        file = root / "images" / f"{name}.png"
        file.write_bytes(file.read_bytes()[:200])
    names = [f"{number:03d}" for number in range(8)]
    split = tmp_path / "split.json"
    write_split(split, Split(parts={"train": names[:4], "val": names[4:6], "test": names[6:]}))
    run = tmp_path / "run"
    call = ["train", str(recipe), "--data", str(root), "--split", str(split), "--out", str(run)]
    assert main(call) == 3
    assert "--skip-bad" in capsys.readouterr().err
    assert main([*call, "--skip-bad"]) == 0
    assert load_split(run / "split.json").part("train") == ("000", "001", "002")
    assert main(["evaluate", str(run), str(root), "--out", str(tmp_path / "figures"), "--skip-bad"]) == 0
    assert "1 images, part test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--set", "train.bach=2"], "Did you mean 'batch'"),
        (["--set", "train.batch=0"], "greater than or equal to 1"),
        (["--mask-value", "255"], "V=CLASS"),
        (["--split", "/nowhere/split.json"], "split"),
        (["--init", "/nowhere/bundle"], "no model bundle"),
        (["--minutes", "0"], "greater than 0"),
    ],
)
def test_wrong_use_is_named(
    arguments: list[str],
    expected: str,
    data: Path,
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    assert main(["train", str(recipe), "--data", str(data), "--out", str(out), *arguments]) in (2, 3)
    assert expected in capsys.readouterr().err
    assert not (out / "config.toml").exists()


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("loss.0.options.smooth=-1", "no option 'smooth'"),
        ("loss.1.options.smooth=0", "options.smooth is 0; expected a number above 0"),
        ("loss.0.name=bcee", "unknown loss 'bcee'"),
        ("schedule.name=linear", "unknown schedule 'linear'"),
        ("optimiser.name=lion", "unknown optimiser 'lion'"),
        ("optimiser.options.nesterov=true", "no option 'nesterov'"),
        ("model.options.dropout=5", "dropout is 5; expected at least 0 and below 1"),
        ("model.options.dropout=much", "dropout = 'much'"),
        ("model.options.deep_supervision=off", "deep_supervision is 'off'; expected true or false"),
        ("data.protocol=coredip", "Did you mean 'coredeep'"),
    ],
)
def test_wrong_configurations_are_refused_before_the_data_is_opened(
    pair: str, expected: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["train", str(recipe), "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]
    assert main([*call, "--set", pair]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_unknown_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "crack-quik", "--out", str(tmp_path / "run")]) == 2
    assert "Did you mean 'crack-quick'" in capsys.readouterr().err
