"""Findings made by hand, whose pixels are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import find_contours

from flawscope.types import Centreline, ClassInfo, Finding, Inspection, Scale

CRACK = ClassInfo(1, "crack")
SPALL = ClassInfo(2, "spall", kind="area")
CLASSES = (CRACK, SPALL)
SCALE = Scale(0.5, "given", 0.02)


def finding_of(pixels: npt.NDArray[np.bool_], **values: Any) -> Finding:
    """A finding that covers exactly the marked pixels (H x W bool)."""
    rows, columns = np.nonzero(pixels)
    x, y = int(columns.min()), int(rows.min())
    rings = [ring[:, ::-1] - 1 for ring in find_contours(np.pad(pixels, 1).astype(float), 0.5)]
    rings.sort(key=lambda ring: -np.ptp(ring[:, 0]) * np.ptp(ring[:, 1]))
    line = np.stack([np.linspace(x, columns.max(), 5), np.linspace(y, rows.max(), 5)], axis=1)
    made = Finding(
        image="a.jpg", finding_id=1, class_name="crack", score_mean=0.81234567, score_max=0.99,
        x_px=x, y_px=y, w_px=int(np.ptp(columns)) + 1, h_px=int(np.ptp(rows)) + 1,
        area_px=int(pixels.sum()), length_px=40.123456, width_mean_px=3.0, width_p95_px=4.0,
        width_max_px=5.0, orientation_deg=45.04, contour_xy_px=tuple(rings),
        centreline=Centreline(line, np.full(5, 3.0), np.zeros(5, dtype=np.int64)),
    )  # fmt: skip
    return replace(made, **values)


def bar(size_hw: tuple[int, int] = (60, 80), **values: Any) -> Finding:
    """A bar of 4 x 40 pixels."""
    pixels = np.zeros(size_hw, dtype=bool)
    pixels[20:24, 10:50] = True
    return finding_of(pixels, **values)


def scaled(finding: Finding, mm: float = 0.5) -> Finding:
    """The finding with its millimetres."""
    return replace(
        finding, area_mm2=finding.area_px * mm**2, length_mm=finding.length_px * mm, width_mean_mm=1.5,
        width_p95_mm=2.0, width_max_mm=2.5, width_u_mm=0.4,
    )  # fmt: skip


def inspected(*findings: Finding, **values: Any) -> Inspection:
    """A photograph of 60 x 80 pixels with these findings."""
    made = Inspection("a.jpg", "ok", (60, 80), tuple(findings), seconds=0.5)
    return replace(made, **values)


FAILED = Inspection("bad.jpg", "failed", (0, 0), error="bad.jpg is cut off.\nExpected a whole JPEG.")
