"""Each of two steps by itself: the gate on all images, the classes on the defective ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from flawscope.data.mask_labels import DEFECT
from flawscope.evaluation.classification import (
    Answers,
    Bools,
    LabelSummary,
    summarise_answers,
)
from flawscope.evaluation.classification_metrics import LabelMetrics
from flawscope.evaluation.metrics import figures_dict
from flawscope.inspection.inspector import Inspector
from flawscope.types import ClassInfo, FloatArray, RgbImage, Scores

GATE, CLASSES = "gate", "classes"


class StepRecorder:
    """An inspector that labels in two steps, and keeps what each step said."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector
        self.classes: tuple[ClassInfo, ...] = inspector.classes
        self.first: list[FloatArray] = []
        self.second: list[FloatArray] = []

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Of the inspector's classes."""
        return self.inspector.thresholds

    def label_scores(self, images: Iterable[RgbImage]) -> Scores:
        """Probabilities of both steps together, N x (1 + K)."""
        both, first, second = self.inspector.step_scores(images)
        assert first is not None  # it labels in two steps
        self.first.append(first)
        self.second.append(second)
        return both

    def named(self, scores: Scores) -> list[int]:
        """Places of the classes that an image is given."""
        return self.inspector.named(scores)


@dataclass(frozen=True, eq=False)
class StepMetrics(LabelMetrics):
    """Figures of both steps together, and of each by itself."""

    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``gate`` and ``classes``: ``images``, ``figures``, ``classes`` and ``confusion`` as in
    ``metrics.json``."""

    def to_dict(self) -> dict[str, Any]:
        """The content of ``metrics.json``, with ``steps``."""
        return {**super().to_dict(), "steps": dict(self.steps)}


def with_steps(metrics: LabelMetrics, recorder: StepRecorder, draws: int, seed: int) -> StepMetrics:
    """The metrics of both steps together with those of each.

    ``recorder`` labelled the images of ``metrics``, in the same order. The gate is measured on all of them,
    as one class ``defect`` with a sigmoid head; the classes on those that truly have a defect, whatever the
    gate said.
    """
    first, second = np.concatenate(recorder.first), np.concatenate(recorder.second)
    answers = metrics.answers
    bad: Bools = np.asarray(answers.truth[:, 1:].any(axis=1), dtype=np.bool_)
    limit = np.array([recorder.inspector.gate_threshold], dtype=np.float32)
    gate = replace(
        answers,
        head="sigmoid",
        class_names=(DEFECT.name,),
        scores=first[:, None],
        truth=bad[:, None],
        thresholds=limit,
        said=None,
    )
    rest = _only(answers, bad)
    classes = replace(
        rest,
        class_names=answers.class_names[1:],
        scores=second[bad],
        truth=rest.truth[:, 1:],
        thresholds=answers.thresholds[1:],
        said=None,
    )
    steps = {GATE: _step(gate, draws, seed)}
    if bad.any():
        steps[CLASSES] = _step(classes, draws, seed)
    given = {one.name: getattr(metrics, one.name) for one in fields(LabelMetrics)}
    return StepMetrics(**given, steps=steps)


def _only(answers: Answers, keep: Bools) -> Answers:
    def chosen(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(value for value, yes in zip(values, keep, strict=True) if yes)

    return replace(
        answers,
        names=chosen(answers.names),
        sources=chosen(answers.sources),
        groups=chosen(answers.groups),
        scores=answers.scores[keep],
        truth=answers.truth[keep],
        said=None if answers.said is None else answers.said[keep],
    )


def _step(answers: Answers, draws: int, seed: int) -> dict[str, Any]:
    summary: LabelSummary = summarise_answers(answers, draws=draws, seed=seed)
    return {
        "images": len(answers.names),
        "head": answers.head,
        "figures": figures_dict(summary.figures),
        "classes": {name: figures_dict(figures) for name, figures in summary.classes.items()},
        "confusion": None if summary.confusion is None else summary.confusion.tolist(),
    }
