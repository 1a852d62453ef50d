"""Inspections as plain JSON: the rows of the tables, with contours and centrelines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.images.atomic import write_text_atomic
from flawscope.reporting.tables import finding_row, image_row
from flawscope.types import Finding, Inspection

SCHEMA = 1


def finding_record(finding: Finding, *, geometry: bool = True) -> dict[str, Any]:
    """A row of ``findings.csv`` as JSON values.

    With ``geometry``: ``contour_xy_px`` (rings of [x, y], the outer first) and ``centreline`` with
    ``points_xy_px``, ``width_px`` and ``branch`` (None where the finding has no centreline).
    """
    record: dict[str, Any] = dict(finding_row(finding))
    record["at_border"] = bool(finding.at_border)
    if geometry:
        line = finding.centreline
        record["contour_xy_px"] = [_numbers(ring) for ring in finding.contour_xy_px]
        record["centreline"] = line and {
            "points_xy_px": _numbers(line.points_xy_px),
            "width_px": _numbers(line.width_px),
            "branch": [int(value) for value in line.branch],
        }
    return record


def inspection_record(inspection: Inspection, *, geometry: bool = True) -> dict[str, Any]:
    """A row of ``images.csv`` as JSON values, with the size, the scale, the notes and all findings."""
    record: dict[str, Any] = dict(image_row(inspection))
    scale = inspection.scale
    record["findings_count"] = record.pop("findings")
    record["size_hw"] = list(inspection.size_hw)
    record["scale"] = scale and {
        "mm_per_px": scale.mm_per_px,
        "source": scale.source,
        "u_rel": scale.u_rel,
    }
    record["notes"] = list(inspection.notes)
    record["findings"] = [finding_record(item, geometry=geometry) for item in inspection.findings]
    return record


def json_text(value: Any) -> str:
    """Compact JSON that every reader takes: ASCII, no NaN."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"


def write_json(path: str | Path, inspections: Iterable[Inspection]) -> None:
    """Write ``findings.json``: all images with their findings and geometry. Raises OutputError."""
    images = [inspection_record(item) for item in inspections]
    write_text_atomic(path, json_text({"schema": SCHEMA, "images": images}))


def _numbers(values: npt.NDArray[np.float64]) -> Any:
    return np.round(np.asarray(values, dtype=np.float64), 2).tolist()
