"""Plots of a classifier's evaluation: confusion, ROC with precision and recall, calibration; as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flawscope.evaluation.classification import Answers, Counts, LabelSummary
from flawscope.evaluation.label_curves import calibration, steps
from flawscope.evaluation.plots import new_plot, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 12
"""More classes than this get no legend: it would hide the plot."""


def draw_confusion(path: Path, summary: LabelSummary, names: Sequence[str]) -> None:
    """Draw truth against model: all classes at once, or for sigmoid a 2 x 2 table a class."""
    if summary.confusion is not None:
        edge_in = min(16.0, max(5.0, 0.62 * len(names) + 2.4))
        plot, axes = new_plot(1, panel_in=(edge_in, edge_in))
        _matrix(axes[0], summary.confusion, names)
        axes[0].set_title("Images; colour: share of the true class")
    else:
        columns = min(4, len(names))
        plot, axes = new_plot(ceil(len(names) / columns) * columns, columns, panel_in=(3.2, 3.2))
        for one, name, table in zip(axes, names, summary.tables, strict=False):
            _matrix(one, table, ("no", "yes"))
            one.set_title(name)
        for unused in axes[len(names) :]:
            unused.set_axis_off()
    save_plot(plot, path)


def _matrix(axes: Axes, counts: Counts, names: Sequence[str]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.grid(False)
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    places = range(len(names))
    turned = max(map(len, names)) > 3
    axes.set_xticks(places, list(names), rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(places, list(names))
    axes.set(xlabel="model", ylabel="truth")
    size = 10 if len(names) <= 15 else 6
    for row in places:
        for column in places:
            if counts[row, column]:
                colour = "white" if share[row, column] > 0.55 else "black"
                axes.text(
                    column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, size=size
                )


def draw_roc(path: Path, answers: Answers, summary: LabelSummary) -> None:
    """Draw the ROC curve, and precision over recall, of each class against all others."""
    plot, (left, right) = new_plot(2, 2, panel_in=(5.6, 5.0))
    for k, name in enumerate(answers.class_names):
        curve, figures = steps(answers.scores[:, k], answers.truth[:, k]), summary.classes[name]
        if not answers.truth[:, k].any():
            continue
        left.plot(curve.false_rate, curve.recall, label=f"{name}, area {figures['roc_area'].value:.4f}")
        right.step(
            curve.recall[1:], curve.precision[1:], where="pre",
            label=f"{name}, area {figures['pr_area'].value:.4f}",
        )  # fmt: skip
    left.plot([0, 1], [0, 1], color="k", lw=0.8, ls=":")
    left.set(
        xlabel="false positive rate", ylabel="recall", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), title="ROC"
    )
    right.set(
        xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02),
        title="Precision and recall",
    )  # fmt: skip
    if len(answers.class_names) <= _NAMED and answers.truth.any():
        left.legend(loc="lower right", fontsize=8)
        right.legend(loc="lower left", fontsize=8)
    save_plot(plot, path)


def draw_calibration(path: Path, answers: Answers, error: float) -> None:
    """Draw how often it is so over the probability that was said; the share of images in each bin below."""
    if answers.head == "softmax":
        right = (answers.predicted == answers.truth).all(axis=1)
        said = calibration(answers.named_scores, right)
    else:
        said = calibration(answers.scores.ravel(), answers.truth.ravel())
    plot, axes = new_plot(1)
    axes[0].bar(
        (np.arange(len(said.images)) + 0.5) / len(said.images),
        said.images / max(said.images.sum(), 1.0),
        width=0.9 / len(said.images), color="C0", alpha=0.25, label="share of what was said",
    )  # fmt: skip
    known = said.images > 0
    axes[0].plot(said.said[known], said.seen[known], "o-", color="C0", label="seen")
    axes[0].plot([0, 1], [0, 1], color="k", lw=0.8, ls=":", label="perfect")
    which = "" if answers.head == "softmax" else ", mean of the classes"
    axes[0].set(
        xlabel="probability said", ylabel="share that is so", xlim=(0, 1), ylim=(0, 1.02),
        title=f"Calibration error {error:.4f}{which}",
    )  # fmt: skip
    axes[0].legend(loc="best", fontsize=8)
    save_plot(plot, path)
