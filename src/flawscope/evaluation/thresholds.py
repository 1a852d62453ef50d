"""Which probability counts as a defect: chosen on labelled images, and written into the bundle."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawscope.bundle import Bundle, Chosen, write_bundle_folder, zip_bundle
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import ImageError, UsageError
from flawscope.evaluation.chooser import MEASURES, Chooser, Measure, ThresholdChoice
from flawscope.evaluation.classes import match_classes
from flawscope.evaluation.evaluate import (
    EvaluateOptions,
    ModelLike,
    Progress,
    as_predictor,
    choose_part,
    compare,
)
from flawscope.evaluation.metrics import Failed, json_text
from flawscope.images.atomic import make_folder, write_text_atomic


@dataclass(frozen=True, eq=False)
class ThresholdReport:
    """The choices for all classes of a model."""

    choices: tuple[ThresholdChoice, ...]
    images: int
    part: str
    data: str
    """Data set and part, as the bundle will name them."""
    method: str = "f1"
    failed: tuple[Failed, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The content of ``thresholds.json``."""
        return {
            "schema": 1,
            "method": self.method,
            "data": self.data,
            "images": self.images,
            "part": self.part,
            "classes": {choice.class_name: choice.to_dict() for choice in self.choices},
            "failed": [{"image": item.name, "error": item.error} for item in self.failed],
            "notes": list(self.notes),
        }

    def write(self, out: str | Path) -> Path:
        """Write ``thresholds.json`` and ``thresholds.png`` into the folder ``out``. Raises OutputError."""
        from flawscope.evaluation.plots import draw_thresholds

        folder = make_folder(out)
        draw_thresholds(folder / "thresholds.png", self.choices)
        write_text_atomic(folder / "thresholds.json", json_text(self.to_dict()))
        return folder

    def apply(self, bundle: Bundle) -> Bundle:
        """Write the choices into the bundle, where it lies, and return it loaded again.

        No graph changes: thresholds and areas live in the manifest. Raises OutputError and BundleError.
        """
        old = bundle.manifest
        rule = f"largest {_WORDS[self.choices[0].measure]} on {self.images} images"
        values = {c.class_name: Chosen(value=c.threshold, rule=rule, data=self.data) for c in self.choices}
        areas = {c.class_name: Chosen(value=c.min_area_px, rule=rule, data=self.data) for c in self.choices}
        manifest = old.model_copy(
            update={
                "thresholds": {**old.thresholds, **values},
                "min_area_px": {**old.min_area_px, **areas},
            }
        )
        files: dict[str, bytes | Path] = {name: bundle.root / name for name in old.sha256}
        if bundle.source.is_dir():
            return write_bundle_folder(bundle.root, manifest, files)
        temporary = Path(tempfile.mkdtemp(prefix="flawscope-threshold-"))
        try:
            folder = write_bundle_folder(temporary / "bundle", manifest, files).root
            zip_bundle(folder, bundle.source)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return Bundle.load(bundle.source)


_WORDS = {
    "f1": "pooled strict F1",
    "f1_tol2": "pooled F1 within 2 px",
    "mean": "mean of pooled strict F1 and F1 within 2 px",
}


def choose_threshold(
    model: ModelLike,
    dataset: Dataset,
    split: Split | None = None,
    part: str = "val",
    method: str = "f1",
    *,
    measure: Measure = "mean",
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> ThresholdReport:
    """Choose threshold and minimum area of each class on a part of a data set.

    ``measure``: strict F1, F1 within 2 px, or their mean, pooled over all pixels. A set without any split is
    used whole. Raises UsageError for an unknown method or measure, DataError when no image shows a class.
    """
    if method != "f1":
        raise UsageError(f"There is no method {method!r} yet.\nExpected: f1.")
    if measure not in MEASURES:
        raise UsageError(f"There is no measure {measure!r}.\nExpected one of: {', '.join(MEASURES)}.")
    options = options or EvaluateOptions()
    without_split = split is None and dataset.default_split is None
    chosen, part, notes = choose_part(dataset, split, "all" if without_split and part == "val" else part)
    predictor, _ = as_predictor(model, options)
    match = match_classes(
        dataset.classes, predictor.classes, options.mapping, truth_named=dataset.classes_named
    )
    failed: list[Failed] = []
    unlabelled: list[str] = []
    with Chooser(match.names, measure) as chooser:
        for one in compare(predictor, match, chosen, failed=failed, unlabelled=unlabelled, progress=progress):
            try:
                chooser.add([one.prediction.probability[plane] for plane in match.planes], one.truth)
            except ImageError as error:
                failed.append(Failed(one.sample.name, str(error)))
        choices, images = chooser.choose(), chooser.images
        if chooser.absent:
            notes.append(f"in no image, so left as they were: {', '.join(chooser.absent)}")
    return ThresholdReport(
        choices,
        images,
        part,
        f"{dataset.root.name}, part {part}",
        method,
        tuple(failed),
        (*notes, *match.notes),
    )
