"""``flawscope split`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.cli.app import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten images with masks, two of them equal."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data set"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(10):
        pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{number}.png")
        Image.fromarray((pixels[..., 0] > 200).astype(np.uint8) * 255).save(root / f"masks/{number}.png")
    (root / "images/7.png").write_bytes((root / "images/3.png").read_bytes())
    return root


def test_writes_a_split_and_says_what_it_tied(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "split.json"
    assert main(["split", str(data), "--out", str(out), "--test", "0.3", "--seed", "2"]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert sorted(name for names in parts.values() for name in names) == sorted(map(str, range(10)))
    assert sum({"3", "7"} <= set(names) for names in parts.values()) == 1
    assert "tied 2 images that show 1 photograph;" in capsys.readouterr().out


def test_json_and_folds(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.json"
    assert main(["split", str(data), "--out", str(out), "--folds", "3", "--no-tie-copies", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parts"] == {"train": 8, "test": 2}
    assert sum(told["folds"]) == 8
    assert told["tied"] == 0


def test_notes_go_to_stderr(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "masks/9.png").unlink()
    assert main(["split", str(data), "--out", str(tmp_path / "s.json")]) == 0
    assert "9.png: has no mask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--test", "1.5"], 2, "no share"),
        (["--mask-value", "crack"], 2, "V=CLASS"),
        (["--layout", "cracks"], 2, "no layout 'cracks'"),
        (["--group", "regex:^."], 0, ""),
        (["--group", "regex:^"], 0, ""),
    ],
)
def test_wrong_use(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    out = tmp_path / "s.json"
    assert main(["split", str(data), "--out", str(out), *options]) == code
    assert says in capsys.readouterr().err
    assert out.exists() == (code == 0)


def test_a_protocol_by_name(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.json"
    assert main(["split", str(data), "--out", str(out), "--protocol", "coredeep", "--val", "0.3"]) == 0
    assert "train 7, val 3" in capsys.readouterr().out
    assert json.loads(out.read_text())["stratify_by"] == "protocol coredeep"
    few = ["--protocol", "thesis-test", "--per-class", "4", "--several", "0", "--folds", "3"]
    assert main(["split", str(data), "--out", str(out), *few, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parts"] == {"train": 6, "test": 4} and sum(told["folds"]) == 6


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--protocol", "coredep"], 2, "Did you mean 'coredeep'"),
        (["--protocol", "coredeep", "--folds", "3"], 2, "has no such option"),
        (["--protocol", "coredeep", "--stratify", "class"], 2, "has no such option"),
        (["--protocol", "capstone-classes"], 3, "needs 180 images of class 1 alone; 10 were found"),
        (["--per-class", "9"], 2, "--per-class 9 is for protocols"),
    ],
)
def test_protocols_refuse(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    assert main(["split", str(data), "--out", str(tmp_path / "s.json"), *options]) == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_a_given_split_is_checked(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "given.json"
    parts = {"train": ["0", "1", "3"], "test": ["2", "7", "gone"]}
    given.write_text(json.dumps({"schema": 1, "parts": parts}))
    assert main(["split", str(data), "--check", str(given)]) == 0
    told = capsys.readouterr()
    assert "1 groups of copies or near-copies (2 images) cross the parts of the split" in told.out
    assert "3 (train), 7 (test)" in told.out
    assert "1 names are not in the data set" in told.err
    assert main(["split", str(data), "--check", str(given), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tied"] == 2 and found["missing"] == 1 and len(found["leaks"]) == 1
    given.write_text(json.dumps({"schema": 1, "parts": {"train": ["0", "3", "7"], "test": ["2"]}}))
    assert main(["split", str(data), "--check", str(given)]) == 0
    assert "no copy and no group crosses it" in capsys.readouterr().out


def test_a_given_split_is_checked_by_groups(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By ``--group``, else by what the split says it was made by; copies and groups are told apart."""
    for old, new in (("3", "wall_a"), ("7", "wall_b")):
        for folder in ("images", "masks"):
            (data / folder / f"{old}.png").rename(data / folder / f"{new}.png")
    content = {"schema": 1, "parts": {"train": ["0", "wall_a"], "test": ["1", "wall_b"]}}
    given = tmp_path / "given.json"
    given.write_text(json.dumps(content))
    check = ["split", str(data), "--check", str(given), "--json"]

    def leaks(*options: str) -> list[str]:
        assert main([*check, *options]) == 0
        found: list[str] = json.loads(capsys.readouterr().out)["leaks"]
        return found

    assert len(leaks()) == 1
    copies, groups = leaks("--group", "prefix")
    assert "1 groups of copies" in copies and "1 groups (2 images)" in groups
    assert leaks("--group", "prefix", "--no-tie-copies") == [groups]
    assert leaks("--no-tie-copies") == []
    given.write_text(json.dumps(content | {"group_by": "prefix"}))
    assert leaks("--no-tie-copies") == [groups]
    assert main([*check, "--group", "nonsense"]) == 2
    assert "no grouping 'nonsense'" in capsys.readouterr().err
