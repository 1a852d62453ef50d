"""``flawscope synth``: what it prints and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flawscope.cli.synth import parse_mix, parse_size_hw, synth
from flawscope.errors import UsageError


def test_json_tells_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synth("concrete", 2, tmp_path / "set", size="64x96", seed=4, workers=1, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 2
    assert told["size_hw"] == [64, 96]
    assert len(list((tmp_path / "set" / "images").iterdir())) == 2


def test_a_line_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synth("concrete", 1, tmp_path / "set", size="64", clean_share=1.0, workers=1)
    assert "1 images (1 clean)" in capsys.readouterr().out


def test_unknown_kind_lists_the_kinds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="concrete"):
        synth("marble", 1, tmp_path / "set")


@pytest.mark.parametrize("text", ["", "12y13", "1x2x3", "-4x4", "a", "4.5x5"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="--size"):
        parse_size_hw(text)


def test_sizes() -> None:
    assert parse_size_hw("480x320") == (480, 320)
    assert parse_size_hw("64X96") == (64, 96)
    assert parse_size_hw("512") == (512, 512)


def test_steel_is_written_as_severstal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synth("steel", 3, tmp_path / "set", size="64x200", mix="2=1,1+3=1", workers=1, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["clean"]) == (3, 0)
    names = {path.name for path in (tmp_path / "set" / "train_images").iterdir()}
    rows = (tmp_path / "set" / "train.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == names
    assert {row.split(",")[1] for row in rows} <= {"1", "2", "3"}


def test_mixes() -> None:
    assert parse_mix("none=50, 3=30,3+1=2.5") == (((), 50.0), ((3,), 30.0), ((1, 3), 2.5))


@pytest.mark.parametrize("text", ["3", "a=1", "3=x", "=2", "1+=3", "3=1,3=2", "1+3=1,3+1=1", "none=1,"])
def test_wrong_mixes(text: str) -> None:
    with pytest.raises(UsageError, match="--mix"):
        parse_mix(text)


@pytest.mark.parametrize(
    ("kind", "mix", "words"),
    [
        ("steel", "7=1", "no class 7"),
        ("steel", "3=0", "no positive"),
        ("steel", "3=-1", "no positive"),
        ("steel", "3=nan", "no positive"),
        ("concrete", "1=1", "one class"),
    ],
)
def test_mixes_that_cannot_be_drawn(tmp_path: Path, kind: str, mix: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        synth(kind, 1, tmp_path / "set", mix=mix)
    assert not (tmp_path / "set").exists()
