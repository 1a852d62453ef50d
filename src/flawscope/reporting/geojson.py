"""``findings.geojson``: the outline of each finding as a polygon (RFC 7946), in pixels of its photograph.

GeoJSON knows degrees only; photographs are not on the globe. The coordinates are therefore pixels: x to the
right, y downward, whole numbers at pixel centres. Geographic programs open the file as a plane drawing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.images.atomic import write_text_atomic
from flawscope.reporting.json_records import finding_record, json_text
from flawscope.types import Finding, Inspection

Ring = npt.NDArray[np.float64]


def feature(finding: Finding) -> dict[str, Any]:
    """A GeoJSON feature: the polygon with its holes, and the row of ``findings.csv`` as properties."""
    rings = [closed for ring in finding.contour_xy_px if (closed := _closed(ring)) is not None]
    if not rings:
        rings = [_box(finding)]
    coordinates = [_turned(ring, positive=number == 0) for number, ring in enumerate(rings)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [np.round(r, 2).tolist() for r in coordinates]},
        "properties": finding_record(finding, geometry=False),
    }


def collection(inspections: Iterable[Inspection]) -> dict[str, Any]:
    """All findings as a GeoJSON feature collection; ``images`` lists the photographs and their sizes."""
    features: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for item in inspections:
        images.append({"image": item.image, "status": item.status, "size_hw": list(item.size_hw)})
        features += [feature(finding) for finding in item.findings]
    return {
        "type": "FeatureCollection",
        "axes": "pixels of each photograph: x to the right, y downward, pixel centres on whole numbers",
        "images": images,
        "features": features,
    }


def write_geojson(path: str | Path, inspections: Iterable[Inspection]) -> None:
    """Write ``findings.geojson``. Raises OutputError."""
    write_text_atomic(path, json_text(collection(inspections)))


def _closed(ring: Ring) -> Ring | None:
    """The ring with its first point again at its end; None when it is no area (RFC 7946: four positions)."""
    points = np.asarray(ring, dtype=np.float64).reshape(-1, 2)
    if len(points) and not np.array_equal(points[0], points[-1]):
        points = np.concatenate([points, points[:1]])
    return points if len(points) >= 4 else None


def _turned(ring: Ring, *, positive: bool) -> Ring:
    """The ring with its signed area above zero (outer ring, right-hand rule) or below (hole)."""
    x, y = ring[:, 0], ring[:, 1]
    area = float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
    return ring if (area >= 0) == positive else ring[::-1]


def _box(finding: Finding) -> Ring:
    x0, y0 = finding.x_px - 0.5, finding.y_px - 0.5
    x1, y1 = x0 + finding.w_px, y0 + finding.h_px
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
