"""Classes of whole images: answers in, figures out, each under a name that says how it was averaged.

Two kinds of model. ``softmax``: an image has one class, the model's is the most probable one (of equals the
first). ``sigmoid``: an image has any number of classes, the model's are those at or above their threshold.

``accuracy``: softmax, the share of images whose class is right; sigmoid, the share of right (image, class)
pairs. ``exact_match``: the share of images of which everything is right. ``loss``: the mean cross entropy in
nats, for sigmoid of the pairs; probabilities are kept 1e-7 away from 0 and 1. ``*_macro``: the mean over the
classes that occur in the truth; a class that is never predicted has precision 0 there.
``calibration_error``: softmax, of the class that is named; sigmoid, the mean over the classes. A figure that
the data do not define (0 / 0) is NaN here and null in ``metrics.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from flawscope.errors import DataError
from flawscope.evaluation.bootstrap import group_sums, resampled_limits
from flawscope.evaluation.label_curves import calibration, roc_area
from flawscope.evaluation.segmentation import Figure, average_precision, ratio

Head = Literal["softmax", "sigmoid"]
Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Sums = Mapping[str, Values]

THRESHOLD = 0.5
_LEAST = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model says of one image, and the truth."""

    name: str
    scores: npt.NDArray[np.floating]
    """K probabilities."""
    labels: tuple[int, ...]
    """True classes, 0 to K - 1: exactly one for softmax, any number for sigmoid."""
    source: str = ""
    group: str = ""
    said: tuple[int, ...] | None = None
    """The model's classes where it decides by a rule of its own; None: the head's rule."""


@dataclass(frozen=True, eq=False)
class Answers:
    """All answers of a model to a set of images. What is kept of an image is one row."""

    head: Head
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    """What the bootstrap draws as a whole: the group of an image, or its name."""
    scores: npt.NDArray[np.float32]
    """N x K."""
    truth: npt.NDArray[np.bool_]
    """N x K."""
    thresholds: npt.NDArray[np.float32]
    """K; sigmoid only."""
    said: npt.NDArray[np.bool_] | None = None
    """N x K, what a model with a rule of its own decided."""

    @property
    def predicted(self) -> npt.NDArray[np.bool_]:
        """The model's classes, N x K."""
        if self.said is not None:
            return self.said
        if self.head == "sigmoid":
            said: npt.NDArray[np.bool_] = self.scores >= self.thresholds
            return said
        out = np.zeros(self.scores.shape, dtype=bool)
        if len(out):
            out[np.arange(len(out)), self.scores.argmax(axis=1)] = True
        return out

    @property
    def named_scores(self) -> npt.NDArray[np.float32]:
        """The probability of the (most probable) class that is named, N; 0 where none is."""
        named: npt.NDArray[np.float32] = np.where(self.predicted, self.scores, 0.0).max(axis=1, initial=0.0)
        return named

    def of_source(self, source: str) -> Answers:
        """The answers to the images of one source."""
        keep = np.array([one == source for one in self.sources], dtype=bool)
        kept = [k for k, yes in enumerate(keep) if yes]
        return Answers(
            self.head,
            self.class_names,
            tuple(self.names[k] for k in kept),
            tuple(self.sources[k] for k in kept),
            tuple(self.groups[k] for k in kept),
            self.scores[keep],
            self.truth[keep],
            self.thresholds,
            None if self.said is None else self.said[keep],
        )


def gather(
    answers: Iterable[Answer],
    class_names: Sequence[str],
    head: Head,
    thresholds: Sequence[float] | None = None,
) -> Answers:
    """Take in answers one by one. ``thresholds``: one a class for sigmoid, .5 by default.

    Raises DataError, naming the image, for probabilities and labels that do not fit the head or the classes.
    """
    classes = len(class_names)
    names, sources, groups, scores, truth = [], [], [], [], []
    said: list[npt.NDArray[np.bool_]] = []
    for one in answers:
        row = np.asarray(one.scores, dtype=np.float32)
        _check(one, row, classes, head)
        names.append(one.name)
        sources.append(one.source)
        groups.append(one.group or one.name)
        scores.append(row)
        held = np.zeros(classes, dtype=bool)
        held[list(one.labels)] = True
        truth.append(held)
        if one.said is not None:
            named = np.zeros(classes, dtype=bool)
            named[list(one.said)] = True
            said.append(named)
    cuts = np.full(classes, THRESHOLD) if thresholds is None else np.asarray(thresholds)
    if cuts.shape != (classes,):
        raise DataError(f"{cuts.size} thresholds for {classes} classes; expected one a class.")
    return Answers(
        head,
        tuple(class_names),
        tuple(names),
        tuple(sources),
        tuple(groups),
        np.array(scores, dtype=np.float32).reshape(-1, classes),
        np.array(truth, dtype=bool).reshape(-1, classes),
        cuts.astype(np.float32),
        np.array(said) if said and len(said) == len(names) else None,
    )


def _check(one: Answer, scores: npt.NDArray[np.float32], classes: int, head: Head) -> None:
    if scores.shape != (classes,):
        raise DataError(
            f"{one.name}: {scores.size} probabilities for {classes} classes; expected one a class."
        )
    # A comparison with NaN is false, so this refuses NaN as well.
    if not np.all((scores >= 0.0) & (scores <= 1.0 + 1e-5)):
        raise DataError(f"{one.name}: probabilities must lie between 0 and 1; found {scores.tolist()}.")
    if head == "softmax" and abs(float(scores.sum()) - 1.0) > 1e-3:
        raise DataError(
            f"{one.name}: probabilities add up to {scores.sum():.4f}; expected 1 for head = 'softmax'."
        )
    if any(not 0 <= label < classes for label in one.labels):
        raise DataError(f"{one.name}: labels {one.labels}; expected 0 to {classes - 1}.")
    if head == "softmax" and len(set(one.labels)) != 1:
        raise DataError(
            f"{one.name} has {len(set(one.labels))} classes; head = 'softmax' expects exactly one.\n"
            "For images with none or several, use head = 'sigmoid'."
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelSummary:
    """Figures of a set of answers."""

    figures: dict[str, Figure]
    classes: dict[str, dict[str, Figure]]
    confusion: Counts | None
    """K x K images, rows truth, columns the model; softmax only."""
    tables: Counts
    """K x 2 x 2 images: for each class [[tn, fp], [fn, tp]]."""


def summarise_answers(answers: Answers, *, draws: int = 1000, seed: int = 0) -> LabelSummary:
    """Turn answers into every classification figure of the design's section 6.

    ``draws`` bootstrap draws over groups give 95 % limits of all but areas and calibration (0: none); the
    same ``seed`` gives the same limits.
    """
    grouped = group_sums(_columns(answers), answers.groups)
    point = _figures({name: np.asarray(column.sum(axis=0)) for name, column in grouped.items()})
    limits: dict[str, tuple[float, float]] = {}
    if draws > 0 and len(set(answers.groups)) > 1:
        limits = resampled_limits(grouped, _figures, draws=draws, seed=seed)
    named = {name: Figure(float(value), *limits.get(name, (None, None))) for name, value in point.items()}
    tables = _tables(answers)
    classes: dict[str, dict[str, Figure]] = {}
    for k, name in enumerate(answers.class_names):
        (tn, fp), (fn, tp) = tables[k].tolist()
        cells = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        classes[name] = {
            **{key.partition("/")[0]: figure for key, figure in named.items() if key.endswith(f"/{k}")},
            **_class_areas(answers, k),
            **{cell: Figure(float(images)) for cell, images in cells.items()},
        }
    figures = {name: figure for name, figure in named.items() if "/" not in name}
    for area in ("roc_area", "pr_area"):
        figures[f"{area}_macro"] = Figure(_mean_of_known([known[area].value for known in classes.values()]))
    figures["calibration_error"] = Figure(_calibration_error(answers, classes))
    return LabelSummary(figures, classes, confusion_matrix(answers), tables)


def confusion_matrix(answers: Answers) -> Counts | None:
    """Return K x K images, rows truth, columns the model; None for sigmoid."""
    if answers.head == "sigmoid":
        return None
    classes = len(answers.class_names)
    out = np.zeros((classes, classes), dtype=np.int64)
    if len(answers.names):
        np.add.at(out, (answers.truth.argmax(axis=1), answers.predicted.argmax(axis=1)), 1)
    return out


def _tables(answers: Answers) -> Counts:
    truth, said = answers.truth, answers.predicted
    cells = [[~truth & ~said, ~truth & said], [truth & ~said, truth & said]]
    return np.array([[cell.sum(axis=0) for cell in row] for row in cells], dtype=np.int64).transpose(2, 0, 1)


def image_losses(answers: Answers) -> Values:
    """Return the cross entropy of each image in nats; for sigmoid the mean over its classes."""
    scores = np.clip(answers.scores.astype(np.float64), _LEAST, 1.0 - _LEAST)
    if answers.head == "softmax":
        losses: Values = -np.log(scores[answers.truth])
        return losses
    pairs: Values = -np.where(answers.truth, np.log(scores), np.log1p(-scores))
    mean: Values = pairs.mean(axis=1)
    return mean


def _columns(answers: Answers) -> dict[str, Values]:
    """One number, or one a class, an image."""
    truth, said = answers.truth, answers.predicted
    right = truth == said
    exact = right.all(axis=1)
    out = {
        "images": np.ones(len(truth)),
        "exact": exact,
        "accuracy": exact if answers.head == "softmax" else right.mean(axis=1),
        "loss": image_losses(answers),
        "tp": truth & said,
        "fp": ~truth & said,
        "fn": truth & ~said,
        "right": right,
    }
    return {name: np.asarray(column, dtype=np.float64) for name, column in out.items()}


def _per_class(sums: Sums) -> dict[str, Values]:
    """Figures of each class, (..., K), from the sums of its columns."""
    tp, fp, fn = sums["tp"], sums["fp"], sums["fn"]
    return {
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "accuracy": ratio(sums["right"], sums["images"][..., None]),
    }


def _overall(sums: Sums, per_class: Mapping[str, Values]) -> dict[str, Values]:
    occurs = sums["tp"] + sums["fn"] > 0
    out = {
        "accuracy": ratio(sums["accuracy"], sums["images"]),
        "exact_match": ratio(sums["exact"], sums["images"]),
        "loss": ratio(sums["loss"], sums["images"]),
    }
    for name, values in per_class.items():
        known = np.where(occurs, np.nan_to_num(values), 0.0)
        out[f"{name}_macro"] = ratio(known.sum(axis=-1), occurs.sum(axis=-1))
    return out


def _figures(sums: Sums) -> dict[str, Values]:
    """Overall figures by name, those of class k as ``name/k``; leading axes are bootstrap draws."""
    per_class = _per_class(sums)
    apart = {
        f"{name}/{k}": values[..., k] for name, values in per_class.items() for k in range(values.shape[-1])
    }
    return _overall(sums, per_class) | apart


def _class_areas(answers: Answers, k: int) -> dict[str, Figure]:
    scores, truth = answers.scores[:, k], answers.truth[:, k]
    return {
        "roc_area": Figure(roc_area(scores, truth)),
        "pr_area": Figure(average_precision(scores.tolist(), truth.tolist())),
        "calibration_error": Figure(calibration(scores, truth).error),
    }


def _calibration_error(answers: Answers, classes: Mapping[str, Mapping[str, Figure]]) -> float:
    """Of the class that is named for softmax, the mean of all classes for sigmoid."""
    if answers.head == "sigmoid":
        return float(np.mean([figures["calibration_error"].value for figures in classes.values()]))
    right = (answers.truth == answers.predicted).all(axis=1)
    return calibration(answers.named_scores, right).error


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
