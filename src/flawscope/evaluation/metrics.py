"""The result of an evaluation, and the files it becomes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flawscope.evaluation.class_gallery import ClassGallery
from flawscope.evaluation.gallery import GalleryItem, gallery_html
from flawscope.evaluation.segmentation import Figure, ImageRow, image_f1_tol2
from flawscope.images.atomic import make_folder, write_text_atomic

IMAGES_COLUMNS = (
    "image", "source", "group", "class", "status", "f1_tol2", "f1", "iou", "precision", "recall",
    "true_px", "predicted_px", "tp", "fp", "fn", "image_score", "seconds", "error",
)  # fmt: skip
"""Columns of ``images.csv`` of an evaluation: a row an image and class; figures empty where undefined."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An image that could not be evaluated, and why."""

    name: str
    error: str


@dataclass(frozen=True, eq=False)
class Metrics:
    """Every figure of one evaluation."""

    task: str
    images: int
    """Images that were counted."""
    part: str
    at: str
    figures: dict[str, Figure]
    classes: dict[str, dict[str, Figure]]
    """Class name (also ``background``) -> figures."""
    sources: dict[str, dict[str, Figure]]
    """Name of the set that images came from -> figures."""
    class_names: tuple[str, ...] = ()
    rows: tuple[ImageRow, ...] = field(default=(), repr=False)
    failed: tuple[Failed, ...] = ()
    unlabelled: int = 0
    """Images without a mask, which were passed over."""
    notes: tuple[str, ...] = ()
    model: str = ""
    gallery: tuple[GalleryItem, ...] = field(default=(), repr=False)
    pairs: ClassGallery | None = field(default=None, repr=False)
    """Truth and prediction in the colours of several classes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images that were counted."""
        return tuple(row.name for row in self.rows)

    def value(self, name: str) -> float:
        """The value of an overall figure; NaN where the data do not define it."""
        return self.figures[name].value

    def to_dict(self) -> dict[str, Any]:
        """The content of ``metrics.json``."""
        return {
            "schema": 1,
            "task": self.task,
            "images": self.images,
            "images_sha256": images_sha256(self.names),
            "part": self.part,
            "at": self.at,
            "figures": figures_dict(self.figures),
            "classes": {name: figures_dict(figures) for name, figures in self.classes.items()},
            "sources": {name: figures_dict(figures) for name, figures in self.sources.items()},
            "model": self.model,
            "unlabelled": self.unlabelled,
            "failed": [{"image": item.name, "error": item.error} for item in self.failed],
            "notes": list(self.notes),
        }

    def write(self, out: str | Path) -> Path:
        """Write ``metrics.json``, ``images.csv``, ``pr.png`` and ``gallery.html`` into the folder ``out``.

        With several classes also ``classes.html``. Raises OutputError.
        """
        from flawscope.evaluation.plots import draw_precision_recall

        folder = make_folder(out)
        write_text_atomic(folder / "images.csv", csv_text(IMAGES_COLUMNS, self.image_rows()))
        draw_precision_recall(folder / "pr.png", self.rows, self.class_names)
        write_text_atomic(folder / "gallery.html", gallery_html(self.gallery, self._headline()))
        if self.pairs is not None and self.pairs.wants():
            write_text_atomic(folder / "classes.html", self.pairs.page(self._headline()))
        write_text_atomic(folder / "metrics.json", json_text(self.to_dict()))
        return folder

    def image_rows(self) -> list[dict[str, Any]]:
        """Rows of ``images.csv``."""
        out = [
            {"image": row.name, "source": row.source, "group": row.group, "class": name, "status": "ok"}
            | _image_figures(row, k)
            for row in self.rows
            for k, name in enumerate(self.class_names)
        ]
        return out + [{"image": f.name, "status": "failed", "error": f.error} for f in self.failed]

    def _headline(self) -> str:
        return (
            f"{self.images} images, part {self.part}: F1 within 2 px {show(self.figures['f1_tol2_pooled'])}, "
            f"strict IoU {show(self.figures['iou_pooled'])} (pooled over all pixels)"
        )


def images_sha256(names: Iterable[str]) -> str:
    """Return the SHA-256 of images' names, each once, in order: the same for the same images."""
    return hashlib.sha256("\n".join(sorted(set(names))).encode("utf-8", "surrogatepass")).hexdigest()


def figures_dict(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | None]]:
    """Return figures as JSON takes them: NaN becomes None."""
    return {
        name: {"value": _finite(f.value), "low": _finite(f.low), "high": _finite(f.high)}
        for name, f in figures.items()
    }


def show(figure: Figure) -> str:
    """Return ``0.853 [0.841, 0.866]``, without limits where there are none, ``-`` where undefined."""
    if math.isnan(figure.value):
        return "-"
    text = f"{figure.value:.3f}" if not figure.value.is_integer() else f"{figure.value:g}"
    return text if figure.low is None else f"{text} [{figure.low:.3f}, {figure.high:.3f}]"


def json_text(content: Mapping[str, Any]) -> str:
    """Return strict JSON with a line end."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV with a header; missing values are empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _image_figures(row: ImageRow, k: int) -> dict[str, Any]:
    c = row.classes[k]
    return {
        "f1_tol2": f"{image_f1_tol2(c):.4f}",
        "f1": _share(2 * c.tp, 2 * c.tp + c.fp + c.fn),
        "iou": _share(c.tp, c.tp + c.fp + c.fn),
        "precision": _share(c.tp, c.predicted_pixels),
        "recall": _share(c.tp, c.true_pixels),
        "true_px": c.true_pixels,
        "predicted_px": c.predicted_pixels,
        "tp": c.tp,
        "fp": c.fp,
        "fn": c.fn,
        "image_score": f"{c.image_score:.4f}",
        "seconds": f"{row.seconds:.3f}",
    }


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else ""


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
