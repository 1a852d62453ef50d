"""Curves of an evaluation and of a choice of thresholds, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.connectivity import HIGH, ConnectivityChoice
from flawscope.evaluation.counts import THRESHOLDS
from flawscope.evaluation.curves import pooled_curves
from flawscope.evaluation.segmentation import ImageRow
from flawscope.images.atomic import write_bytes_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

    from flawscope.evaluation.chooser import ThresholdChoice
    from flawscope.evaluation.gate_threshold import GateCut
    from flawscope.evaluation.risk import RiskChoice
    from flawscope.evaluation.width_report import WidthChoice


def draw_precision_recall(path: Path, rows: Sequence[ImageRow], names: Sequence[str]) -> None:
    """Draw precision over recall of each class, strict and within 2 px, with the model's own point."""
    plot, axes = new_plot(1)
    for k, name in enumerate(names):
        counts = [row.classes[k] for row in rows]
        curves = pooled_curves(counts)
        for suffix, style, label in (("", "-", "strict"), ("_tol2", "--", "within 2 px")):
            axes[0].plot(
                curves[f"recall{suffix}"],
                curves[f"precision{suffix}"],
                style,
                color=f"C{k}",
                label=f"{name}, {label}",
            )
        tp, predicted = sum(c.tp for c in counts), sum(c.predicted_pixels for c in counts)
        true = sum(c.true_pixels for c in counts)
        if predicted and true:
            axes[0].plot(tp / true, tp / predicted, "o", color=f"C{k}", label=f"{name}, as thresholded")
    axes[0].set(
        xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Pooled over all pixels"
    )
    axes[0].legend(loc="lower left", fontsize=8)
    save_plot(plot, path)


def draw_thresholds(path: Path, choices: Sequence[ThresholdChoice]) -> None:
    """Draw F1, precision and recall over the threshold, and the score over the minimum area."""
    plot, axes = new_plot(2 * len(choices), 2)
    for k, choice in enumerate(choices):
        left, right = axes[2 * k], axes[2 * k + 1]
        for name in ("f1", "f1_tol2", "precision", "recall"):
            left.plot(THRESHOLDS, choice.curves[name], label=name, alpha=1 if name.startswith("f1") else 0.45)
        left.axvline(choice.threshold, color="k", lw=1, ls=":")
        left.set(
            xlabel="threshold", ylim=(0, 1.02), title=f"{choice.class_name}: threshold {choice.threshold:g}"
        )
        left.legend(fontsize=8)
        areas = list(choice.areas)
        right.plot(range(len(areas)), [choice.areas[a] for a in areas], "o-")
        right.set_xticks(range(len(areas)), [str(a) for a in areas])
        right.set(
            xlabel="minimum area, px", ylabel=choice.measure, title=f"minimum area {choice.min_area_px} px"
        )
    save_plot(plot, path)


def draw_connectivity(path: Path, choices: Sequence[ConnectivityChoice]) -> None:
    """Draw a histogram of the thresholds of all images, and of those above .899 (CoreDeep, figure 7)."""
    plot, axes = new_plot(2 * len(choices), 2)
    for k, choice in enumerate(choices):
        left, right = axes[2 * k], axes[2 * k + 1]
        left.hist(choice.values, bins=list(choice.edges), color="C0", edgecolor="white")
        left.axvline(choice.threshold, color="k", lw=1, ls=":")
        left.set_title(f"{choice.class_name}: {len(choice.images)} images, threshold {choice.threshold:g}")
        right.hist(choice.values, bins=10, range=(HIGH, 1.0), color="C1", edgecolor="white")
        right.set_title(f"{choice.above_high} of them above {HIGH}")
        if not choice.above_high:
            right.text(0.5, 0.5, "none", transform=right.transAxes, ha="center", va="center")
        for one, most in ((left, max(choice.counts)), (right, choice.above_high)):
            one.set(xlabel="threshold of an image", ylabel="images")
            _count_axis(one, most)
    save_plot(plot, path)


def _count_axis(axes: Axes, most: int) -> None:
    """Whole numbers from 0 upwards; up to 1 where there is nothing to count (``most`` 0)."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0, top=None if most else 1)


def draw_risk(path: Path, choices: Sequence[RiskChoice]) -> None:
    """Draw the mean loss of the units over the threshold, the level and the choice."""
    plot, axes = new_plot(len(choices))
    for choice, one in zip(choices, axes, strict=True):
        one.plot(THRESHOLDS, choice.curve, label=f"mean over {choice.units} units")
        one.axhline(choice.options.level, color="C3", lw=1, label=f"level {choice.options.level:g}")
        one.axvline(choice.threshold, color="k", lw=1, ls=":", label=f"threshold {choice.threshold:g}")
        one.set(
            xlabel="threshold", ylabel=f"share of {choice.options.risk} missed", ylim=(0, 1.02),
            title=f"{choice.class_name}: {choice.options.words}",
        )  # fmt: skip
        one.legend(fontsize=8)
    save_plot(plot, path)


def draw_gate(
    path: Path, scores: npt.NDArray[np.float64], defective: npt.NDArray[np.bool_], cut: GateCut
) -> None:
    """Draw which share of defective images is missed, and of clean ones spared, over the gate's threshold."""
    plot, (one,) = new_plot(1)
    for truth, colour, name in ((True, "C3", "defective, missed"), (False, "C0", "clean, spared")):
        some = np.sort(scores[defective == truth])
        share = np.arange(1, len(some) + 1) / max(len(some), 1)
        one.step([0.0, *some, 1.0], [0.0, *share, 1.0], where="post", color=colour, label=name)
    one.axhline(cut.level, color="C3", lw=1, ls="--", label=f"level {cut.level:g}")
    one.axvline(cut.threshold, color="k", lw=1, ls=":", label=f"threshold {cut.threshold:.4g}")
    one.set(
        xlabel="threshold of the gate", ylabel="share of images below", ylim=(0, 1.02), xlim=(0, 1),
        title=f"{cut.missed} of {cut.defective} missed, {cut.spared} of {cut.clean} spared",
    )  # fmt: skip
    one.legend(fontsize=8)
    save_plot(plot, path)


def draw_widths(path: Path, choices: Sequence[WidthChoice]) -> None:
    """Draw how much wider than the truth lines are marked, and its spread, over the threshold."""
    plot, axes = new_plot(len(choices))
    for one, choice in zip(axes, choices, strict=True):
        errors = choice.errors
        bias, spread = np.asarray(errors.bias_px), np.asarray(errors.u_px)
        one.fill_between(errors.thresholds, bias - spread, bias + spread, color="C0", alpha=0.2, lw=0)
        one.plot(errors.thresholds, bias, "o-", color="C0", label="median, with the standard uncertainty")
        one.axvline(choice.threshold, color="k", lw=1, ls=":", label=f"threshold {choice.threshold:g}")
        one.axhline(0.0, color="k", lw=0.8)
        one.set(
            xlabel="threshold", ylabel="marked less true width, px", xlim=(0, 1),
            title=f"{choice.class_name}: {choice.bias_px:+.2f} px on {errors.points} places",
        )  # fmt: skip
        one.legend(fontsize=8)
    save_plot(plot, path)


def new_plot(
    count: int, columns: int = 1, *, panel_in: tuple[float, float] = (6.4, 4.8)
) -> tuple[Plot, list[Axes]]:
    """A drawing of ``count`` panels, each ``panel_in`` inches wide and high, and their axes row by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = count // columns
    plot = Figure(figsize=(panel_in[0] * columns, panel_in[1] * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(plot)
    axes = plot.subplots(rows, columns, squeeze=False)
    for one in axes.ravel():
        one.grid(alpha=0.3)
    return plot, list(axes.ravel())


def save_plot(plot: Plot, path: Path) -> None:
    """Write a drawing as PNG, whole or not at all. Raises OutputError."""
    stream = io.BytesIO()
    plot.savefig(stream, format="png")
    write_bytes_atomic(path, stream.getvalue())
