"""Panels of attention maps: colours from closed to open, a title and a range each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.reporting.attention import (
    _limits,
    draw_attention,
    draw_maps,
    heat_colours,
    write_attention,
)


def test_colours_run_from_dark_to_light() -> None:
    colours = heat_colours(np.linspace(0, 1, 9, dtype=np.float32)[None])
    light = colours @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(light[0]) > 0).all()
    assert colours[0, 0].tolist() == [68, 1, 84] and colours[0, -1].tolist() == [253, 231, 37]
    assert np.array_equal(heat_colours(np.array([[-1.0, 2.0]], np.float32))[0], colours[0, [0, -1]])


def test_the_open_part_is_the_light_one_and_the_photograph_stays() -> None:
    image = np.full((60, 200, 3), 120, np.uint8)
    image[:, 150] = (200, 30, 40)
    opening = np.zeros((60, 200), np.float32)
    opening[20:40, 50:100] = 0.4
    sheet = draw_attention(image, {"level-2-from-1": opening, "level-2-from-2": opening * 0})
    found = np.argwhere((sheet[:-60] == (200, 30, 40)).all(axis=2))
    assert len(found) == 60  # the photograph, unchanged
    top, left = found.min(axis=0)[0], found.min(axis=0)[1] - 150
    assert (sheet[top : top + 60, left : left + 200] == image).all()
    # The panel below or beside it: light where the gate is open, and darker elsewhere.
    bright = np.argwhere(sheet[..., 1].astype(int) - sheet[..., 2] > 60)
    assert len(bright) >= 20 * 50


@pytest.mark.parametrize("level", [0.0, 0.5, 0.88, 1.0])
def test_a_flat_map_looks_flat(level: float) -> None:
    """A thousandth more or less is no contrast from full dark to full bright, and the bar's ends differ."""
    image = np.full((60, 200, 3), 120, np.uint8)
    opening = np.full((60, 200), level, np.float32)
    opening[:, 100:] -= 0.001 * np.sign(level - 0.01)
    sheet = draw_maps(image, {"a": np.clip(opening, 0, 1)})
    panel = sheet[-96:-36, 12:212].astype(int)  # the lower of two
    assert np.ptp(panel.reshape(-1, 3), axis=0).max() < 15
    low, high = _limits(opening)
    assert 0 <= low < high <= 1 and f"{low:.2f}" != f"{high:.2f}"


def test_many_panels_make_a_sheet_about_as_wide_as_a_screen() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    sheet = draw_attention(image, {f"level-{n}": np.ones((100, 100), np.float32) for n in range(10)})
    assert 0.8 < sheet.shape[1] / sheet.shape[0] < 2.5


def test_the_file_is_a_png(tmp_path: Path) -> None:
    write_attention(tmp_path / "deep" / "a.png", np.zeros((10, 20, 3), np.uint8))
    with Image.open(tmp_path / "deep" / "a.png") as picture:
        assert picture.format == "PNG" and picture.size == (20, 10)
