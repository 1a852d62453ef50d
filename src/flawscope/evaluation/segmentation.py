"""Rows of counts in, figures out, each under a name that says how it was averaged.

``*_pooled``: counts summed over all pixels of all images, then one ratio.
``*_image_mean``: a ratio an image, then the mean over the images whose truth holds the class; an image where
nothing is predicted scores 0 there. ``*_image_mean_empty1``: over all images, both empty = 1, one empty = 0.
Figures of several classes are means over the foreground classes that occur. A figure that the data do not
define (0 / 0) is NaN here and null in ``metrics.json``.

Every figure is a function of sums over images, so the bootstrap redraws sums, not images:
see :mod:`flawscope.evaluation.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.bootstrap import group_sums, resampled_limits
from flawscope.evaluation.counts import ClassCounts
from flawscope.evaluation.soft import SoftCounts, presence_figures, soft_figures

T = TypeVar("T")
Values = npt.NDArray[np.float64]
Sums = Mapping[str, Values]
"""Column name -> sums, shape (..., ) or (..., 99) for curves; leading axes are bootstrap draws."""

HEADLINE = (
    "iou_pooled", "f1_pooled", "precision_pooled", "recall_pooled",
    "iou_image_mean", "f1_image_mean", "precision_image_mean", "recall_image_mean",
    "iou_image_mean_empty1", "miou_image_mean", "mf1_image_mean",
    "dice_competition", "f1_tol2_pooled", "f1_tol5_pooled", "ods", "ois", "ods_tol2", "ois_tol2",
    "cldice", "cliou_tol4", "image_fp_rate", "image_fn_rate",
)  # fmt: skip
"""Figures that come with 95 % bootstrap limits over groups."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageRow:
    """One row of counts: what is kept of an image."""

    name: str
    classes: tuple[ClassCounts, ...]
    """In the order of the class names."""
    background: ClassCounts | None = None
    """Counts of "no class here"; None takes them from the only class."""
    source: str = ""
    group: str = ""
    seconds: float = 0.0
    soft: SoftCounts | None = None

    @property
    def group_key(self) -> str:
        """What the bootstrap draws as a whole."""
        return self.group or self.name


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and, for the headline figures, its 95 % limits."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a set of rows."""

    figures: dict[str, Figure]
    classes: dict[str, dict[str, Figure]]
    """Class name (and ``background``) -> figures."""


def summarise(
    rows: Sequence[ImageRow], class_names: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> Summary:
    """Turn rows into every figure of the design's section 6.

    ``draws`` bootstrap draws over groups give the limits (0: none); the same ``seed`` gives the same limits.
    """
    tables = [_columns([row.classes[k] for row in rows]) for k in range(len(class_names))]
    tables.append(_columns([_background(row) for row in rows]))
    any_class = _image_columns(
        np.array([any(c.true_pixels for c in row.classes) for row in rows], dtype=bool),
        np.array([any(c.predicted_pixels for c in row.classes) for row in rows], dtype=bool),
    )
    keys = [row.group_key for row in rows]
    flat: dict[str, Values] = {f"any/{name}": column for name, column in any_class.items()}
    for k, table in enumerate(tables):
        flat |= {f"{k}/{name}": column for name, column in table.items()}

    def figures_of(sums: Sums) -> dict[str, Values]:
        per_class = [class_figures(_part(sums, f"{k}/")) for k in range(len(tables))]
        out = {f"any/{name}": value for name, value in _overall(per_class, _part(sums, "any/")).items()}
        for k, figures in enumerate(per_class):
            out |= {f"{k}/{name}": value for name, value in figures.items()}
        return out

    grouped = group_sums(flat, keys)
    point = figures_of({name: np.asarray(column.sum(axis=0)) for name, column in grouped.items()})
    limits = _limits(grouped, figures_of, draws, seed)
    named = {name: Figure(float(value), *limits.get(name, (None, None))) for name, value in point.items()}
    classes = {name: _part(named, f"{k}/") for k, name in enumerate([*class_names, "background"])}
    aps = []
    for k, name in enumerate(class_names):
        counts = [row.classes[k] for row in rows]
        ap = average_precision([c.image_score for c in counts], [c.true_pixels > 0 for c in counts])
        classes[name]["image_ap"] = Figure(ap)
        aps.append(ap)
    figures = _part(named, "any/")
    figures["image_ap"] = Figure(float(_mean_defined(np.array(aps))))
    extra = presence_figures([row.classes for row in rows])
    soft = [row.soft for row in rows if row.soft is not None]
    extra |= soft_figures(soft) if len(soft) == len(rows) else {}
    figures |= {name: Figure(value) for name, value in extra.items()}
    return Summary(figures, classes)


def class_figures(sums: Sums) -> dict[str, Values]:
    """Return the figures of one class from the sums of its columns; vectorised over leading axes."""
    tp, fp, fn = sums["tp"], sums["fp"], sums["fn"]
    holds, images = sums["holds"], sums["images"]
    out = {
        "iou_pooled": ratio(tp, tp + fp + fn),
        "f1_pooled": ratio(2 * tp, 2 * tp + fp + fn),
        "precision_pooled": ratio(tp, tp + fp),
        "recall_pooled": ratio(tp, tp + fn),
    }
    for name in ("iou", "f1", "precision", "recall"):
        out[f"{name}_image_mean"] = ratio(sums[name], holds)
    out["iou_image_mean_empty1"] = ratio(sums["iou_empty1"], images)
    out["dice_competition"] = ratio(sums["dice_empty1"], images)
    out |= _image_figures(sums)
    if "predicted_at" in sums:
        out |= _thin_figures(sums)
    return out


def _thin_figures(sums: Sums) -> dict[str, Values]:
    true, predicted = sums["tp"] + sums["fn"], sums["tp"] + sums["fp"]
    out: dict[str, Values] = {}
    for tol in ("tol2", "tol5"):
        hit_p, hit_t = sums[f"predicted_hit_{tol}"], sums[f"true_hit_{tol}"]
        out[f"f1_{tol}_pooled"] = f1_of_hits(hit_p, predicted, hit_t, true)
        out[f"precision_{tol}_pooled"] = ratio(hit_p, predicted)
        out[f"recall_{tol}_pooled"] = ratio(hit_t, true)
    predicted_at, true_column = sums["predicted_at"], true[..., None]
    strict = ratio(2 * sums["true_positive_at"], predicted_at + true_column)
    tolerant = f1_of_hits(
        sums["predicted_hit_at"],
        predicted_at,
        sums["true_hit_at"],
        np.broadcast_to(true_column, predicted_at.shape),
    )
    out["ods"], out["ods_tol2"] = np.max(strict, axis=-1), np.max(tolerant, axis=-1)
    out["ois"], out["ois_tol2"] = ratio(sums["ois"], sums["holds"]), ratio(sums["ois_tol2"], sums["holds"])
    out["cldice"] = f1_of_hits(
        sums["predicted_skeleton_hit"],
        sums["predicted_skeleton"],
        sums["true_skeleton_hit"],
        sums["true_skeleton"],
    )
    out["cldice_image_mean"] = ratio(sums["cldice"], sums["holds"])
    out["cliou_tol4"] = ratio(sums["cliou_tp"], sums["cliou_tp"] + sums["cliou_fp"] + sums["cliou_fn"])
    return out


def _image_figures(sums: Sums) -> dict[str, Values]:
    tp, fp, fn, tn = (sums[f"image_{cell}"] for cell in ("tp", "fp", "fn", "tn"))
    return {
        "image_tp": tp,
        "image_fp": fp,
        "image_fn": fn,
        "image_tn": tn,
        "image_fp_rate": ratio(fp, fp + tn),
        "image_fn_rate": ratio(fn, fn + tp),
        "image_precision": ratio(tp, tp + fp),
        "image_recall": ratio(tp, tp + fn),
        "image_f1": ratio(2 * tp, 2 * tp + fp + fn),
        "image_accuracy": ratio(tp + tn, tp + fp + fn + tn),
    }


def _overall(per_class: Sequence[Mapping[str, Values]], any_sums: Sums) -> dict[str, Values]:
    *foreground, background = per_class
    out = {
        name: _mean_defined(np.stack([figures[name] for figures in foreground]))
        for name in foreground[0]
        if not name.startswith("image_")
    }
    out |= _image_figures(any_sums)
    for name in ("iou", "f1"):
        key = f"{name}_image_mean"
        out[f"m{key}"] = _mean_defined(np.stack([figures[key] for figures in per_class]))
        out[f"{key}_background"] = background[key]
    return out


def ratio(numerator: Values, denominator: Values) -> Values:
    """Return numerator / denominator, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    out: Values = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def f1_of_hits(hit_predicted: Values, predicted: Values, hit_true: Values, true: Values) -> Values:
    """Return the harmonic mean of hit_predicted / predicted and hit_true / true.

    0 where only one side is empty or nothing hits, NaN where both sides are empty.
    """
    precision, recall = np.nan_to_num(ratio(hit_predicted, predicted)), np.nan_to_num(ratio(hit_true, true))
    f1 = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
    return np.where(np.asarray(predicted) + np.asarray(true) == 0, np.nan, f1)


def image_f1_tol2(counts: ClassCounts) -> float:
    """Return the F1 within 2 px of one image; both empty = 1."""
    value = f1_of_hits(
        np.asarray(float(counts.predicted_hit_tol2)),
        np.asarray(float(counts.predicted_pixels)),
        np.asarray(float(counts.true_hit_tol2)),
        np.asarray(float(counts.true_pixels)),
    )
    return 1.0 if np.isnan(value) else float(value)


def average_precision(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Return the area under the precision-recall staircase; ties are one step; NaN if all negative."""
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if not truth.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last_of_tie = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    precision = hits[last_of_tie] / (last_of_tie + 1)
    gained = np.diff(hits[last_of_tie], prepend=0)
    return float(np.sum(precision * gained) / truth.sum())


def _columns(counts: Sequence[ClassCounts]) -> dict[str, Values]:
    """Return name -> one number (or curve) an image."""
    plain = (
        "tp", "fp", "fn", "tn", "predicted_hit_tol2", "true_hit_tol2", "predicted_hit_tol5", "true_hit_tol5",
        "predicted_skeleton", "predicted_skeleton_hit", "true_skeleton", "true_skeleton_hit",
        "cliou_tp", "cliou_fp", "cliou_fn",
    )  # fmt: skip
    out = {name: np.array([getattr(c, name) for c in counts], dtype=np.float64) for name in plain}
    tp, fp, fn = out["tp"], out["fp"], out["fn"]
    true, predicted = tp + fn > 0, tp + fp > 0
    out |= _image_columns(true, predicted)
    out["holds"] = true.astype(np.float64)
    ratios = {
        "iou": ratio(tp, tp + fp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
    }
    for name, values in ratios.items():
        out[name] = np.where(true, np.nan_to_num(values), 0.0)
    both_empty = ~true & ~predicted
    out["iou_empty1"] = np.where(both_empty, 1.0, np.nan_to_num(ratios["iou"]))
    out["dice_empty1"] = np.where(both_empty, 1.0, np.nan_to_num(ratios["f1"]))
    if counts and all(c.curves is not None for c in counts):
        out |= _curve_columns(counts, out)
    return out


def _curve_columns(counts: Sequence[ClassCounts], plain: Sums) -> dict[str, Values]:
    curves = [c.curves for c in counts if c.curves is not None]
    out = {
        "predicted_at": np.array([c.predicted for c in curves], dtype=np.float64),
        "true_positive_at": np.array([c.true_positive for c in curves], dtype=np.float64),
        "predicted_hit_at": np.array([c.predicted_hit_tol2 for c in curves], dtype=np.float64),
        "true_hit_at": np.array([c.true_hit_tol2 for c in curves], dtype=np.float64),
    }
    true = plain["tp"] + plain["fn"]
    true_at = np.broadcast_to(true[:, None], out["predicted_at"].shape)
    strict = np.nan_to_num(ratio(2 * out["true_positive_at"], out["predicted_at"] + true_at))
    tolerant = np.nan_to_num(
        f1_of_hits(out["predicted_hit_at"], out["predicted_at"], out["true_hit_at"], true_at)
    )
    cldice = f1_of_hits(
        plain["predicted_skeleton_hit"],
        plain["predicted_skeleton"],
        plain["true_skeleton_hit"],
        plain["true_skeleton"],
    )
    holds = true > 0
    out["ois"] = np.where(holds, strict.max(axis=1), 0.0)
    out["ois_tol2"] = np.where(holds, tolerant.max(axis=1), 0.0)
    out["cldice"] = np.where(holds, np.nan_to_num(cldice), 0.0)
    return out


def _image_columns(true: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> dict[str, Values]:
    cells = {
        "image_tp": true & predicted,
        "image_fp": ~true & predicted,
        "image_fn": true & ~predicted,
        "image_tn": ~true & ~predicted,
        "images": np.ones(true.shape, dtype=bool),
    }
    return {name: cell.astype(np.float64) for name, cell in cells.items()}


def _background(row: ImageRow) -> ClassCounts:
    if row.background is not None:
        return row.background
    if len(row.classes) != 1:
        raise ValueError("rows of several classes need the counts of their background")
    only = row.classes[0]
    return ClassCounts(tp=only.tn, fp=only.fn, fn=only.fp, tn=only.tp)


def _limits(
    grouped: Sums, figures_of: Callable[[Sums], dict[str, Values]], draws: int, seed: int
) -> dict[str, tuple[float, float]]:
    groups = len(next(iter(grouped.values())))
    if draws < 1 or groups < 2:
        return {}

    def headline(sums: Sums) -> dict[str, Values]:
        return {n: v for n, v in figures_of(sums).items() if n.partition("/")[2] in HEADLINE}

    return resampled_limits(grouped, headline, draws=draws, seed=seed)


def _mean_defined(values: Values) -> Values:
    """Return the mean over the first axis of what is not NaN; NaN where all is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _part(named: Mapping[str, T], prefix: str) -> dict[str, T]:
    return {name[len(prefix) :]: value for name, value in named.items() if name.startswith(prefix)}
