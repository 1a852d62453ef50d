"""The tables ``findings.csv`` and ``images.csv``: their columns, their rows, and how numbers are rounded."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flawscope.images.atomic import write_text_atomic
from flawscope.types import IGNORE_INDEX, Finding, Inspection

Cell = str | int | float | None
Row = dict[str, Cell]

FINDINGS_COLUMNS: tuple[str, ...] = (
    "image", "finding_id", "class", "score_mean", "score_max", "x_px", "y_px", "w_px", "h_px", "area_px",
    "length_px", "width_mean_px", "width_p95_px", "width_max_px", "orientation_deg", "area_mm2", "length_mm",
    "width_mean_mm", "width_p95_mm", "width_max_mm", "width_u_mm", "severity", "standard", "clause", "kind",
    "diameter_eq_px", "aspect", "at_border", "crack_type", "branch_points", "decision", "reason",
)  # fmt: skip
"""Columns of ``findings.csv``, in order."""

IMAGES_COLUMNS: tuple[str, ...] = (
    "image", "status", "verdict", "findings", "defect_fraction", "length_px", "length_mm", "worst_severity",
    "seconds", "error", "label", "label_score", "decision", "crack_type", "density_m_per_m2", "spacing_mm",
    "tiles_not_inspected",
)  # fmt: skip
"""Columns of ``images.csv``, in order."""

# Hundredths of a pixel and a thousandth of a millimetre are finer than most photographs resolve; through a
# microscope _places says what is.
_DECIMALS = {"_px": 2, "_mm": 3, "_mm2": 2, "_deg": 1, "_mean": 4, "_max": 4, "_score": 4, "aspect": 3}
_DECIMALS |= {"seconds": 3, "defect_fraction": 6, "density_m_per_m2": 4}


def _places(column: str, mm_per_px: float | None) -> int:
    """Decimals of a column: those of its unit, and as many as a tenth of a pixel and the area of a whole one
    need."""
    places = next((places for end, places in _DECIMALS.items() if column.endswith(end)), 6)
    if not mm_per_px or not column.endswith(("_mm", "_mm2")):
        return places
    # 1e-9: a scale of a round power of ten needs no decimal more for its last bit.
    finest = math.ceil(-2 * math.log10(mm_per_px) - 1e-9)
    if column.endswith("_mm"):
        finest = 1 + math.ceil(-math.log10(mm_per_px) - 1e-9)
    return max(places, finest)


def _rounded(column: str, value: object, mm_per_px: float | None = None) -> Cell:
    """A cell: numbers rounded by the unit of their column, NaN and infinity as empty, truth as 0 or 1."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return None
        return round(number, _places(column, mm_per_px))
    return None if value is None else str(value)


def finding_row(finding: Finding) -> Row:
    """A row of ``findings.csv``: every column, None where there is nothing to say."""
    row: Row = {}
    area_mm2 = finding.area_mm2
    mm_per_px = math.sqrt(area_mm2 / finding.area_px) if area_mm2 and finding.area_px else None
    for column in FINDINGS_COLUMNS:
        value = getattr(finding, "class_name" if column == "class" else column)
        row[column] = _rounded(column, value, mm_per_px)
    if finding.kind == "image":
        row["area_px"] = None  # a label covers the image; it has no area of its own
    return row


def score_row(names: Sequence[str], inspection: Inspection) -> Row:
    """A row of ``scores.csv``: the image and the probability of each class; empty for a failed image."""
    scores = inspection.scores or (None,) * len(names)
    shown = (None if score is None else round(score, 6) for score in scores)
    return {"image": inspection.image, **dict(zip(names, shown, strict=True))}


def image_row(inspection: Inspection) -> Row:
    """A row of ``images.csv``.

    ``length_px`` and ``length_mm`` add up the findings of kind ``line``; ``density_m_per_m2`` is that length
    over the area of the whole photograph. All figures of a failed image are None.
    """
    if inspection.status != "ok":
        failed: Row = dict.fromkeys(IMAGES_COLUMNS)
        return failed | {"image": inspection.image, "status": inspection.status, "error": inspection.error}
    length_px, length_mm = total_length(inspection.findings)
    known: dict[str, object] = {
        "image": inspection.image,
        "status": inspection.status,
        "verdict": inspection.verdict,
        "findings": len(inspection.findings),
        "defect_fraction": defect_fraction(inspection),
        "length_px": length_px,
        "length_mm": length_mm if inspection.scale else None,
        "worst_severity": worst_severity(inspection.findings),
        "seconds": inspection.seconds,
        "error": inspection.error,
        "label": inspection.label,
        "label_score": inspection.label_score,
        "density_m_per_m2": _density(inspection, length_mm),
        "tiles_not_inspected": inspection.tiles_not_inspected,
    }
    mm_per_px = inspection.scale.mm_per_px if inspection.scale else None
    return {column: _rounded(column, known.get(column), mm_per_px) for column in IMAGES_COLUMNS}


def total_length(findings: Iterable[Finding]) -> tuple[float, float]:
    """Length of all findings of kind ``line``, in pixels and in millimetres (0 where no scale is known)."""
    lines = [item for item in findings if item.kind == "line"]
    length_px = sum((item.length_px or 0.0 for item in lines), 0.0)
    return length_px, sum((item.length_mm or 0.0 for item in lines), 0.0)


def defect_fraction(inspection: Inspection) -> float:
    """Share of the photograph's pixels that belong to any finding, 0..1.

    Counted on the mask where it is still held, else as it was counted then; where nobody did, added up from
    the findings' areas, which counts a pixel of two overlapping classes twice.
    """
    height, width = inspection.size_hw
    if height * width == 0:
        return 0.0
    prediction = inspection.prediction
    if prediction is None and inspection.defect_fraction is not None:
        return inspection.defect_fraction
    if prediction is None:
        return min(1.0, sum(item.area_px for item in inspection.findings) / (height * width))
    if prediction.stack is not None:
        return float(np.count_nonzero(prediction.stack.any(axis=0)) / (height * width))
    marked = np.count_nonzero(prediction.mask) - np.count_nonzero(prediction.mask == IGNORE_INDEX)
    return float(marked / (height * width))


def worst_severity(findings: Iterable[Finding]) -> str:
    """Severity of the widest graded finding: within one standard a wider crack never grades better."""
    graded = [item for item in findings if item.severity]
    if not graded:
        return ""
    return max(graded, key=lambda item: (item.width_max_mm or 0.0, item.width_max_px or 0.0)).severity


def _density(inspection: Inspection, length_mm: float) -> float | None:
    """Metres of crack on a square metre of the photographed surface."""
    area_px = inspection.size_hw[0] * inspection.size_hw[1]
    if inspection.scale is None or area_px == 0:
        return None
    return (length_mm / 1e3) / (area_px * inspection.scale.mm_per_px**2 / 1e6)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The table as text: a head line, commas, ``\\n`` line ends, empty cells for None.

    Raises ValueError when a row has a key that is no column.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as UTF-8 CSV, whole or not at all. Raises OutputError."""
    write_text_atomic(path, csv_text(columns, rows))
