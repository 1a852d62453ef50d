"""``flawscope bench`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Chosen
from flawscope.cli.app import main
from flawscope.inspection.gate import with_gate


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(np.full((64, 64, 3), 230, np.uint8)).save(folder / f"{name}.png")
    return folder


def test_the_bundled_model_on_own_photographs(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(photos), "--repeats", "1", "--limit", "1e9", "--limit", "network=0.001"]) == 3
    text = capsys.readouterr().out
    assert text.startswith("2 images of 0.00 megapixels, onnx")
    rows = [line.split()[0] for line in text.splitlines()[2:]]
    assert rows == ["read", "prepare", "network", "measure", "write", "other", "total", "limit", "limit"]
    assert "limit total 1e+09 ms: kept" in text and "limit network 0.001 ms: NOT kept" in text


def test_the_samples_where_nothing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--repeats", "1", "--format", "csv", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == 1 and result["images"] >= 3 and result["exceeded"] == []
    assert result["stages"]["network"]["median_ms"] > 0 and result["gate"] is None


def test_what_a_gate_saves_is_told(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    from inspection.gates import dark_gate
    from inspection.toy_networks import dark_bundle

    half = Chosen(value=0.5, rule="half", data="none")
    gated = with_gate(dark_bundle(tmp_path / "plain"), dark_gate(tmp_path / "gate"), half, tmp_path / "both")
    assert main(["bench", str(photos), "--model", str(gated.source), "--repeats", "1"]) == 0
    assert "gate: 2 of 2 images spared" in capsys.readouterr().out


def test_a_failed_photograph_is_named(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "c.jpg").write_text("no picture", encoding="utf-8")
    assert main(["bench", str(photos), "--repeats", "1"]) == 1
    assert "failed: c.jpg: " in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["network=fast", "", "cooking=3"])
def test_limits_that_say_nothing_are_refused(
    limit: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(photos), "--limit", limit]) == 2
    assert "--limit" in capsys.readouterr().err
