"""How much too wide the bundled model marks cracks, on a few small pictures."""

from __future__ import annotations

import json
from pathlib import Path

import model_widths
from crack_budget import Command
from flawscope.cli.app import main


def in_this_process(command: Command) -> None:
    assert main([str(word) for word in command[3:]]) == 0


def test_the_rim_of_the_bundled_model(tmp_path: Path) -> None:
    words = [
        "--work",
        str(tmp_path),
        "--pictures",
        "4",
        "--size",
        "192x192",
        "--json",
        str(tmp_path / "r.json"),
    ]
    figures = model_widths.run_all(model_widths.parse(words), in_this_process)
    assert 1 < figures["crack"]["bias_px"] < 4, "it marks wider than it is drawn"
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["figures"]["crack"]["bands"]
