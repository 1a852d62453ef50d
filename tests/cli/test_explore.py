"""``flawscope explore`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.cli.app import main


def image_mask_set(root: Path, count: int = 6) -> Path:
    """Images with masks that mark a square."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((20, 20), np.uint8)
        mask[4:9, number : number + 5] = 255
        pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{number:03d}.png")
        Image.fromarray(mask).save(root / f"masks/{number:03d}.png")
    return root


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = image_mask_set(tmp_path / "set"), tmp_path / "deep" / "out"
    assert main(["explore", str(root), "--out", str(out), "--workers", "1"]) == 0
    told = capsys.readouterr()
    assert "6 images of layout image-mask" in told.out and "crack: 6 images (100.0 %)" in told.out
    assert str(out / "report.html") in told.out
    assert main(["explore", str(root), "--out", str(out), "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suggestion"]["recipe"] == "crack-quick"


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = image_mask_set(tmp_path / "set", 3), str(tmp_path / "out")
    (root / "images/001.png").write_bytes(b"")
    assert main(["explore", str(root), "--out", out]) == 1
    assert "error: 001" in capsys.readouterr().err
    assert main(["explore", str(root), "--out", out, "--skip-bad"]) == 0
    for name in ("000", "002"):
        (root / f"images/{name}.png").write_bytes(b"")
    assert main(["explore", str(root), "--out", out, "--skip-bad"]) == 3
    assert (tmp_path / "out" / "report.html").is_file()
    assert main(["explore", str(root), "--out", out, "--layout", "crack"]) == 2
    assert main(["explore", str(root), "--out", out, "--workers", "0"]) == 2
