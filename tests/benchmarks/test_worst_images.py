"""Which images hold what a segmenter lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import worst_images
from inspection.toy_networks import dark_bundle
from worst_images import Hits, pooled, rank


def test_the_image_that_costs_most_comes_first() -> None:
    images = {
        "fine": Hits(100, 100, 100, 100),
        "too much": Hits(300, 100, 100, 100),
        "unseen": Hits(0, 0, 100, 0),
    }
    rows = rank(images)
    assert [row["image"] for row in rows] == ["too much", "unseen", "fine"]
    assert (rows[0]["beyond_2_px"], rows[0]["missed_px"]) == (200, 0)
    assert (rows[1]["beyond_2_px"], rows[1]["missed_px"], rows[1]["f1_tol2"]) == (0, 100, 0)
    assert rows[-1]["gain_if_perfect"] == 0
    everything = {name: Hits(100, 100, 100, 100) for name in images}
    assert rank(everything)[0]["f1_tol2"] == 1


def test_a_gain_is_what_the_pooled_figure_would_rise_by() -> None:
    images = {"a": Hits(80, 60, 100, 70), "b": Hits(50, 50, 60, 55)}
    mended = {**images, "a": Hits(100, 100, 100, 100)}
    row = next(row for row in rank(images) if row["image"] == "a")
    now, then = (pooled(list(some.values())).f1 for some in (images, mended))
    assert row["gain_if_perfect"] == pytest.approx(then - now) and then > now
    assert row["f1_tol2_of_the_others"] == images["b"].f1


def two_walls(folder: Path) -> Path:
    """Two walls with a dark line; on the second there is another that nobody labelled."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(2):
        wall, mask = np.full((40, 60, 3), 200, np.uint8), np.zeros((40, 60), np.uint8)
        wall[10:14, 5:55], mask[10:14, 5:55] = 20, 255
        if number:
            wall[30:34, 5:55] = 20
        Image.fromarray(wall).save(folder / "images" / f"w{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"w{number}.png")
    split = {"schema": 1, "parts": {"test": ["w0", "w1"]}}
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    return folder


def test_a_model_is_judged_image_by_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_walls(tmp_path / "data" / "walls")
    dark_bundle(tmp_path / "b")
    words = [str(tmp_path / "b"), "--data", str(tmp_path / "data"), "--set", "walls"]
    options = worst_images.parse([*words, "--top", "1", "--json", str(tmp_path / "r.json")])
    found = worst_images.run_all(options)[str(tmp_path / "b")]
    assert [row["image"] for row in found["images"]] == ["w1", "w0"]
    assert found["images"][0]["beyond_2_px"] == found["beyond_2_px"] > 150 and found["missed_px"] == 0
    assert found["images"][1]["f1_tol2"] == 1
    assert "w1: " in (told := capsys.readouterr().out) and "w0: " not in told
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["figures"]
