"""``flawscope synth``: what it prints and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flawscope.cli.synth import parse_size_hw, synth
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
