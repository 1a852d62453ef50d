from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from flawscope.reporting import plots
from flawscope.reporting.plots import plot_curves, plot_fold_curves

ROWS = [
    {"epoch": 0, "step": 10, "lr": 0.1, "train_loss": 1.0, "val_loss": None, "seconds": 1.0},
    {
        "epoch": 1,
        "step": 20,
        "lr": 0.05,
        "train_loss": 0.5,
        "val_loss": 0.7,
        "val_f1": 0.4,
        "val_iou": float("nan"),
    },
    {"epoch": 2, "step": 30, "lr": 0.01, "train_loss": float("inf"), "val_loss": 0.6, "val_f1": 0.6},
]


def test_curves_become_a_picture_without_a_window_system(tmp_path: Path) -> None:
    plot_curves(tmp_path / "run" / "curves.png", ROWS)
    with Image.open(tmp_path / "run" / "curves.png") as opened:
        assert opened.format == "PNG"
        colours = opened.convert("RGB").getcolors(1 << 20) or []
    assert (0, 114, 178) in {colour for _, colour in colours}
    assert "matplotlib.pyplot" not in sys.modules


def test_no_values_are_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []

    @contextmanager
    def kept(*_: object) -> Iterator[Figure]:
        drawn.append(Figure())
        yield drawn[-1]

    monkeypatch.setattr(plots, "_page", kept)
    rows = [{**row, "train_dice": 0.5 + n / 10, "val_dice": 0.4 + n / 10} for n, row in enumerate(ROWS)]
    plot_curves("curves.png", rows)
    lines = [line for axes in drawn[0].axes for line in axes.lines]
    values = [tuple(float(value) for value in line.get_ydata()) for line in lines]
    assert len(set(values)) == len(values)
    labels = {line.get_label(): line.get_linestyle() for line in lines}
    assert labels["train dice"] == "--" and labels["dice"] == "-", "what is trained on is dashed"


def test_a_run_without_rows_gives_empty_axes(tmp_path: Path) -> None:
    plot_curves(tmp_path / "curves.png", [])
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_folds_stand_one_after_another_with_dice_where_there_is_any(tmp_path: Path) -> None:
    dices = [{**row, "train_dice": 0.5, "val_dice": 0.4} for row in ROWS]
    sizes = {}
    for name, folds in {"loss": [ROWS, ROWS], "both": [dices, dices[:1], []], "none": []}.items():
        plot_fold_curves(tmp_path / f"{name}.png", folds)
        with Image.open(tmp_path / f"{name}.png") as opened:
            sizes[name] = opened.size
    assert sizes["both"][0] == 2 * sizes["loss"][0] == 2 * sizes["none"][0]
