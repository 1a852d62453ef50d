"""``coco.json``: findings as COCO instances with compressed run-length masks.

Format: Lin et al., "Microsoft COCO", ECCV 2014 (``instances``). Runs go down the columns of the whole
photograph; they are computed from each finding's own box, so a large photograph costs no large mask.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.images.atomic import write_text_atomic
from flawscope.images.rle_coco import compress
from flawscope.reporting.json_records import json_text
from flawscope.reporting.raster import Patch, patch_of
from flawscope.types import ClassInfo, Finding, Inspection


def write_coco(path: str | Path, inspections: Iterable[Inspection], classes: Sequence[ClassInfo]) -> None:
    """Write ``coco.json``: the images that could be read and their findings. Raises OutputError."""
    write_text_atomic(path, json_text(dataset(inspections, classes)))


def dataset(inspections: Iterable[Inspection], classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """The COCO data set as JSON values. Classes that only findings name get further ids."""
    ids = {item.name: item.id for item in classes}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for item in inspections:
        if item.status != "ok":
            continue
        height, width = item.size_hw
        images.append({"id": len(images) + 1, "file_name": item.image, "width": width, "height": height})
        for finding in item.findings:
            category = ids.setdefault(finding.class_name, max(ids.values(), default=0) + 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": category,
                    **_shape(finding, item.size_hw),
                }
            )
    return {
        "info": {
            "description": "findings of flawscope",
            "date_created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": v, "name": k, "supercategory": "defect"} for k, v in ids.items()],
    }


def _shape(finding: Finding, size_hw: tuple[int, int]) -> dict[str, Any]:
    counts = column_counts(patch_of(finding), size_hw)
    shape: dict[str, Any] = {
        "segmentation": {"size": list(size_hw), "counts": compress(counts)},
        "area": sum(counts[1::2]),
        "bbox": [finding.x_px, finding.y_px, finding.w_px, finding.h_px],
        "iscrowd": 0,
        "finding_id": finding.finding_id,
    }
    if finding.score_mean is not None:
        shape["score"] = round(float(finding.score_mean), 4)
    return shape


def column_counts(patch: Patch, size_hw: tuple[int, int]) -> list[int]:
    """Lengths of runs, off and on in turn from off, down the columns of a picture of ``size_hw``."""
    height, width = size_hw
    h, w = patch.pixels.shape
    y0, x0 = max(0, patch.y_px), max(0, patch.x_px)
    y1, x1 = min(height, patch.y_px + h), min(width, patch.x_px + w)
    if y1 <= y0 or x1 <= x0:
        return [height * width]
    cut = patch.pixels[y0 - patch.y_px : y1 - patch.y_px, x0 - patch.x_px : x1 - patch.x_px].T
    # An empty row before and after each column makes every run begin and end inside the array.
    edges = np.diff(np.pad(cut, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts = _places(edges == 1, x0, y0, height)
    ends = _places(edges == -1, x0, y0, height)
    # A run at the foot of a column goes on at the head of the next.
    joined = starts[1:] == ends[:-1]
    starts, ends = starts[np.r_[True, ~joined]], ends[np.r_[~joined, True]]
    if len(starts) == 0:
        return [height * width]
    borders = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], borders, [height * width]]))
    return [int(value) for value in (counts if counts[-1] else counts[:-1])]


def _places(marks: npt.NDArray[np.bool_], x0: int, y0: int, height: int) -> npt.NDArray[np.int64]:
    columns, rows = np.nonzero(marks)
    return (columns + x0).astype(np.int64) * height + rows + y0
