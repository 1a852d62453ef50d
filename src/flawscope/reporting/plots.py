"""Curves of a training run, drawn without a display and without matplotlib's global state."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flawscope.images.atomic import write_bytes_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444")
"""Okabe and Ito, "Color Universal Design" (2008), darker ones first."""

_NOT_FIGURES = {"epoch", "step", "lr", "seconds", "train_loss", "val_loss", "val_threshold"}


def plot_curves(path: str | Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Draw loss, learning rate and validation figures over the steps as PNG (``curves.png``).

    history: rows of ``history.csv``; missing and NaN values are left out. Raises OutputError.
    """
    with _page(path, (10.0, 4.0)) as figure:
        left, right = figure.subplots(1, 2)
        for number, name in enumerate(("train_loss", "val_loss")):
            _line(left, _series(history, name), name.replace("_", " "), number)
        _dress(left, "step", "loss")
        rates = _series(history, "lr")
        if rates[0]:
            twin = left.twinx()
            twin.plot(*rates, color="#999999", linewidth=1.0, linestyle=":")
            twin.set_ylabel("learning rate (dotted)", color="#777777", fontsize=8)
            twin.tick_params(labelsize=7, colors="#777777")
            twin.spines["top"].set_visible(False)
        names = dict.fromkeys(key for row in history for key in row if key not in _NOT_FIGURES)
        shown = [name for name in names if name.startswith("val_")]
        for number, name in enumerate(shown):
            _line(right, _series(history, name), name.removeprefix("val_"), number)
            seen = name.replace("val_", "train_", 1)
            if seen in names:
                _line(right, _series(history, seen), seen.replace("_", " "), number, "--")
        right.set_ylim(0.0, 1.0)
        _dress(right, "step", "validation figure")


def plot_fold_curves(path: str | Path, histories: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Draw loss and, where it is there, Dice of training and validation, fold after fold, as PNG.

    histories: rows of ``history.csv`` a fold. The axis counts epochs through all folds. Raises OutputError.
    """
    folds: list[list[dict[str, Any]]] = []
    ends = [0]
    for history in histories:
        folds.append([{**row, "step": ends[-1] + number} for number, row in enumerate(history, start=1)])
        ends.append(ends[-1] + len(history))
    figures = ["loss"] + (["dice"] if any("val_dice" in row for rows in folds for row in rows) else [])
    with _page(path, (5.0 * len(figures), 4.0)) as figure:
        axes = figure.subplots(1, len(figures), squeeze=False)[0]
        for one, name in zip(axes, figures, strict=True):
            for number, part in enumerate(("train", "val")):
                for fold, rows in enumerate(folds):
                    # A line a fold: what one ends with and the next begins with are not joined.
                    label = f"{part} {name}" if fold == 0 else "_"
                    _line(one, _series(rows, f"{part}_{name}"), label, number)
            for end in ends[1:-1]:
                one.axvline(end + 0.5, color="#999999", linewidth=1.0, linestyle=":")
            _dress(one, "epoch, through all folds", name)


@contextmanager
def _page(path: str | Path, size_inch: tuple[float, float]) -> Iterator[Figure]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_inch, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    yield figure
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    write_bytes_atomic(path, stream.getvalue())


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    steps: list[float] = []
    values: list[float] = []
    for number, row in enumerate(rows):
        value = row.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            steps.append(float(row.get("step", number)))
            values.append(float(value))
    return steps, values


def _line(
    axes: Axes, series: tuple[list[float], list[float]], label: str, number: int, style: str = "-"
) -> None:
    if series[0]:
        marker = "o" if len(series[0]) < 3 else ""
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            *series, color=colour, linewidth=1.6, label=label, marker=marker, markersize=4, linestyle=style
        )


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
