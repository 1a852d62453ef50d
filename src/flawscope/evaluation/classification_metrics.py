"""The result of evaluating a classifier, and the files it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flawscope.evaluation.classification import Answers, LabelSummary, image_losses, summarise_answers
from flawscope.evaluation.metrics import Failed, csv_text, figures_dict, images_sha256, json_text
from flawscope.evaluation.segmentation import Figure
from flawscope.images.atomic import make_folder, write_text_atomic

LABEL_COLUMNS = (
    "image",
    "source",
    "group",
    "status",
    "truth",
    "label",
    "label_score",
    "right",
    "loss",
    "error",
)
"""Columns of ``images.csv``; several classes of an image are separated by ``;``."""


@dataclass(frozen=True, eq=False)
class LabelMetrics:
    """Every figure of one evaluation of a classifier."""

    answers: Answers = field(repr=False)
    summary: LabelSummary = field(repr=False)
    sources: dict[str, dict[str, Figure]]
    """Name of the set that images came from -> figures; empty where there is only one."""
    part: str = ""
    at: str = "original"
    model: str = ""
    failed: tuple[Failed, ...] = ()
    unlabelled: int = 0
    """Images without a label, which were passed over."""
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """As `Metrics` of masks has it."""
        return "classification"

    @property
    def images(self) -> int:
        """Images that were counted."""
        return len(self.answers.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images that were counted."""
        return self.answers.names

    @property
    def figures(self) -> dict[str, Figure]:
        """Overall figures."""
        return self.summary.figures

    @property
    def classes(self) -> dict[str, dict[str, Figure]]:
        """Class name -> figures."""
        return self.summary.classes

    def value(self, name: str) -> float:
        """The value of an overall figure; NaN where the data do not define it."""
        return self.summary.figures[name].value

    def to_dict(self) -> dict[str, Any]:
        """The content of ``metrics.json``."""
        names, summary = self.answers.class_names, self.summary
        return {
            "schema": 1,
            "task": "classification",
            "head": self.answers.head,
            "images": len(self.answers.names),
            "images_sha256": images_sha256(self.names),
            "part": self.part,
            "at": self.at,
            "figures": figures_dict(summary.figures),
            "classes": {name: figures_dict(figures) for name, figures in summary.classes.items()},
            "sources": {name: figures_dict(figures) for name, figures in self.sources.items()},
            "class_names": list(names),
            "confusion": None if summary.confusion is None else summary.confusion.tolist(),
            "tables": {name: summary.tables[k].tolist() for k, name in enumerate(names)},
            "model": self.model,
            "unlabelled": self.unlabelled,
            "failed": [{"image": item.name, "error": item.error} for item in self.failed],
            "notes": list(self.notes),
        }

    def write(self, out: str | Path) -> Path:
        """Write ``metrics.json``, three tables (CSV) and three plots into the folder ``out``.

        ``images.csv``: `LABEL_COLUMNS`. ``scores.csv``: a column a class. ``confusion.csv`` and its plot hold
        the classes against each other for softmax, a 2 x 2 table a class for sigmoid. Raises OutputError.
        """
        from flawscope.evaluation.classification_plots import draw_calibration, draw_confusion, draw_roc

        folder = make_folder(out)
        write_text_atomic(folder / "images.csv", csv_text(LABEL_COLUMNS, self.image_rows()))
        write_text_atomic(folder / "scores.csv", self._scores_csv())
        write_text_atomic(folder / "confusion.csv", self._confusion_csv())
        draw_confusion(folder / "confusion.png", self.summary, self.answers.class_names)
        draw_roc(folder / "roc.png", self.answers, self.summary)
        draw_calibration(folder / "calibration.png", self.answers, self.value("calibration_error"))
        write_text_atomic(folder / "metrics.json", json_text(self.to_dict()))
        return folder

    def image_rows(self) -> list[dict[str, Any]]:
        """Rows of ``images.csv``."""
        answers = self.answers
        predicted, losses = answers.predicted, image_losses(answers)
        right = (predicted == answers.truth).all(axis=1)
        out = []
        for k, name in enumerate(answers.names):
            said = np.flatnonzero(predicted[k])
            score = f"{answers.scores[k, said].max():.4f}" if len(said) else ""
            out.append(
                {
                    "image": name,
                    "source": answers.sources[k],
                    "group": answers.groups[k],
                    "status": "ok",
                    "truth": self._joined(np.flatnonzero(answers.truth[k]).tolist()),
                    "label": self._joined(said.tolist()),
                    "label_score": score,
                    "right": int(right[k]),
                    "loss": f"{losses[k]:.4f}",
                }
            )
        return out + [{"image": f.name, "status": "failed", "error": f.error} for f in self.failed]

    def _joined(self, classes: Sequence[int]) -> str:
        return ";".join(self.answers.class_names[k] for k in classes)

    def _scores_csv(self) -> str:
        names = self.answers.class_names
        rows = [
            {"image": image, **{name: f"{score:.6f}" for name, score in zip(names, row, strict=True)}}
            for image, row in zip(self.answers.names, self.answers.scores.tolist(), strict=True)
        ]
        return csv_text(("image", *names), rows)

    def _confusion_csv(self) -> str:
        names, summary = self.answers.class_names, self.summary
        if summary.confusion is None:
            cells = ("tp", "fp", "fn", "tn")
            counts = [{cell: int(summary.classes[name][cell].value) for cell in cells} for name in names]
            return csv_text(
                ("class", *cells), [{"class": n, **row} for n, row in zip(names, counts, strict=True)]
            )
        rows = [
            {"truth": name, **dict(zip(names, row, strict=True))}
            for name, row in zip(names, summary.confusion.tolist(), strict=True)
        ]
        return csv_text(("truth", *names), rows)


def measure_answers(
    answers: Answers,
    *,
    part: str = "",
    model: str = "",
    failed: Sequence[Failed] = (),
    notes: Sequence[str] = (),
    draws: int = 1000,
    seed: int = 0,
) -> LabelMetrics:
    """Every figure of the answers, overall with 95 % limits and, without them, of each source."""
    names = sorted(set(answers.sources))
    sources = {
        name: summarise_answers(answers.of_source(name), draws=0).figures for name in names if len(names) > 1
    }
    summary = summarise_answers(answers, draws=draws, seed=seed)
    return LabelMetrics(
        answers, summary, sources, part=part, model=model, failed=tuple(failed), notes=tuple(notes)
    )
