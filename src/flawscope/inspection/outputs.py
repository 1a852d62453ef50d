"""Which files a run writes: those of each image as it is done, those of the whole run at its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flawscope.errors import UsageError
from flawscope.images.atomic import write_text_atomic
from flawscope.images.listing import EXPLAIN_FOLDER, MASKS_FOLDER, OVERLAYS_FOLDER
from flawscope.inspection.bands import RowSource
from flawscope.inspection.mask_files import mask_name, plane_stem, write_masks
from flawscope.inspection.preprocess import scaled_size_hw
from flawscope.inspection.record import RunRecord
from flawscope.inspection.report import write_html
from flawscope.inspection.resample import shrink_source
from flawscope.inspection.submission import SUBMISSIONS, marks_path, write_marks, write_submission
from flawscope.reporting.coco import write_coco
from flawscope.reporting.geojson import write_geojson
from flawscope.reporting.json_records import write_json
from flawscope.reporting.overlay import MAX_SIDE_PX, draw_overlay, write_overlay
from flawscope.reporting.tables import (
    FINDINGS_COLUMNS,
    IMAGES_COLUMNS,
    finding_row,
    image_row,
    score_row,
    write_csv,
)
from flawscope.types import ClassInfo, Inspection, RgbImage, Task

_PICTURE_SIDE_PX = 1600

DEFAULT_FORMATS = ("csv", "masks", "overlays", "html")

_RUN_FILES: dict[str, tuple[str, Callable[[Path, RunRecord], None]]] = {
    "geojson": ("findings.geojson", lambda path, run: write_geojson(path, run.inspections)),
    "coco": ("coco.json", lambda path, run: write_coco(path, run.inspections, run.inspector.classes)),
    "json": ("findings.json", lambda path, run: write_json(path, run.inspections)),
}
"""Format -> file and its writer, for formats with one file a run."""

_TABLES = ("findings.csv", "images.csv")
_SCORES = "scores.csv"
_REPORT = "report.html"
_RECORD = "run.json"

FORMATS = (*DEFAULT_FORMATS, *_RUN_FILES, *SUBMISSIONS)
OF_MASKS = ("masks", *SUBMISSIONS)
"""Formats that a classifier has nothing for."""


def check_formats(formats: Sequence[str]) -> None:
    """UsageError for a format that does not exist, naming those that do."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UsageError(
            f"--format {', '.join(unknown) or '(none)'} is not known.\nExpected: {', '.join(FORMATS)}."
        )


def image_files(
    out: Path,
    stem_path: str,
    size_hw: tuple[int, int],
    overlapping: Sequence[int],
    formats: Sequence[str],
    picture: Path,
) -> list[Path]:
    """The files of one image that `write_image` writes.

    ``overlapping``: ids of the classes that have a mask each; ``picture``: its small overlay for the report.
    """
    files = []
    if "masks" in formats:
        stems = [stem_path, *(plane_stem(stem_path, class_id) for class_id in overlapping)]
        files += [out / MASKS_FOLDER / mask_name(stem, size_hw) for stem in stems]
    if "overlays" in formats:
        files.append(out / OVERLAYS_FOLDER / f"{stem_path}.jpg")
    if "html" in formats:
        files.append(picture)
    if SUBMISSIONS.keys() & set(formats):
        files.append(marks_path(picture))
    return files


def explained_path(out: Path, stem_path: str) -> Path:
    """Where what the network looks at in an image is drawn."""
    return out / EXPLAIN_FOLDER / f"{stem_path}.png"


def run_files(formats: Sequence[str], task: Task) -> list[str]:
    """Names of the files of the whole run that `write_run` writes."""
    files = [_RECORD]
    if "csv" in formats:
        files += [*_TABLES, *([_SCORES] if task == "classification" else [])]
    if "html" in formats:
        files.append(_REPORT)
    named = {name: file for name, (file, _) in _RUN_FILES.items()} | SUBMISSIONS
    return files + [file for name, file in named.items() if name in formats]


def write_image(
    out: Path,
    stem_path: str,
    source: RowSource,
    inspection: Inspection,
    classes: Sequence[ClassInfo],
    formats: Sequence[str],
    picture: Path,
) -> None:
    """Write the files of one image: its mask, its overlay, and the small overlay for the report.

    Raises OutputError.
    """
    if "masks" in formats and inspection.prediction is not None:
        write_masks(out / MASKS_FOLDER, stem_path, inspection.prediction)
    if SUBMISSIONS.keys() & set(formats) and inspection.prediction is not None:
        write_marks(marks_path(picture), inspection.prediction)
    drawn: RgbImage | None = None
    if "overlays" in formats:
        drawn = _drawn(source, inspection, classes, MAX_SIDE_PX)
        write_overlay(out / OVERLAYS_FOLDER / f"{stem_path}.jpg", drawn)
    if "html" in formats:
        if drawn is None or max(drawn.shape) > _PICTURE_SIDE_PX:
            # Drawn anew at its own size: outlines of a large overlay would vanish when it is made small.
            drawn = _drawn(source, inspection, classes, _PICTURE_SIDE_PX)
        write_overlay(picture, drawn)


def _pictures_by_image(stems: Sequence[str], record: RunRecord) -> dict[str, list[str]]:
    """Image -> its masks and overlay below the output folder: where two stems clash the names alone do not
    tell. Images that failed are left out."""
    inspector = record.inspector
    overlapping = inspector.class_ids if inspector.overlapping else ()
    formats = [name for name in ("masks", "overlays") if name in record.formats]
    here = Path()
    return {
        item.image: [
            path.as_posix() for path in image_files(here, stem, item.size_hw, overlapping, formats, here)
        ]
        for item, stem in zip(record.inspections, stems, strict=True)
        if item.status == "ok"
    }


def _drawn(source: RowSource, inspection: Inspection, classes: Sequence[ClassInfo], side_px: int) -> RgbImage:
    size_hw = source.size_hw
    factor = min(1.0, side_px / max(size_hw))
    whole = factor == 1.0
    picture = source.read(0, size_hw[0]) if whole else shrink_source(source, scaled_size_hw(size_hw, factor))
    return draw_overlay(picture, inspection.findings, classes, inspection.scale, size_hw=size_hw)


def write_run(
    out: Path, stems: Sequence[str], pictures: Sequence[Path], record: RunRecord
) -> Mapping[str, str]:
    """Write the tables, the report and ``run.json``; returns format -> file or folder. Raises OutputError."""
    files: dict[str, str] = {}
    if "csv" in record.formats:
        rows = [finding_row(finding) for item in record.inspections for finding in item.findings]
        write_csv(out / _TABLES[0], FINDINGS_COLUMNS, rows)
        write_csv(out / _TABLES[1], IMAGES_COLUMNS, [image_row(item) for item in record.inspections])
        files["csv"] = _TABLES[0]
        if record.inspector.task == "classification":
            names = [item.name for item in record.inspector.classes]
            write_csv(out / _SCORES, ["image", *names], map(partial(score_row, names), record.inspections))
            files["scores"] = _SCORES
    for name, folder in (("masks", MASKS_FOLDER), ("overlays", OVERLAYS_FOLDER)):
        if name in record.formats:
            files[name] = folder
    for name, (file, write) in _RUN_FILES.items():
        if name in record.formats:
            write(out / file, record)
            files[name] = file
    images = [
        (item.image, marks_path(picture)) for item, picture in zip(record.inspections, pictures, strict=True)
    ]
    for name, file in SUBMISSIONS.items():
        if name in record.formats:
            ids = [info.id for info in record.inspector.classes]
            write_submission(out / file, images, ids, joined=name == "submission-joined")
            files[name] = file
    if "html" in record.formats:
        write_html(out / _REPORT, stems, pictures, record, list(files.values()))
        files["html"] = _REPORT
    content: dict[str, Any] = record.to_json() | {"outputs": _pictures_by_image(stems, record)}
    write_text_atomic(out / _RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    files["run"] = _RECORD
    return files
