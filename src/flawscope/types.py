"""The values that travel between rooms: plain, immutable, shapes documented.

Axis order is always (row, column) for arrays and (x, y) for points in files; names say which.
This module imports nothing of flawscope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

RgbImage = npt.NDArray[np.uint8]
"""H x W x 3 uint8, RGB order."""

Mask = npt.NDArray[Any]
"""H x W uint8 class index (0 background, 255 ignore), or H x W x C bool when classes overlap."""

FloatArray = npt.NDArray[np.float32]

Scores = npt.NDArray[np.floating]
"""Probabilities of whole images: float32 as a network gives them, float64 of two steps together."""

IGNORE_INDEX = 255
"""Mask value of pixels that count nowhere: not in losses, figures or measurement."""

ClassKind = Literal["line", "area", "image"]
"""How findings of a class are measured: along a centreline, as a blob, or as a label of the image."""

Task = Literal["segmentation", "classification"]

CLEAN_NAMES = frozenset(
    {"background", "clean", "good", "negative", "no-crack", "no-defect", "noncrack", "none", "normal", "ok"}
)
"""Classes of whole images that are no defect, by name (in small letters, ``_`` and spaces as ``-``)."""


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A class of defects. Segmentation ids start at 1 (0 is background), classification ids at 0."""

    id: int
    name: str
    colour: str = "#e6194b"
    """Colour in overlays, ``#rrggbb``."""
    kind: ClassKind = "line"

    @property
    def means_clean(self) -> bool:
        """Whether a label of that name says that there is no defect."""
        return self.name.lower().replace("_", "-").replace(" ", "-") in CLEAN_NAMES


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set. Pixels are read on demand and never kept."""

    name: str
    """Path below the image root less its suffix, with ``/``; unique in its data set."""
    image: Callable[[], RgbImage]
    """Reads the image: H x W x 3 uint8 RGB, upright. Raises ImageError."""
    read_mask: Callable[[], Mask] | None = None
    """Reads the mask; None when the sample has none."""
    labels: tuple[int, ...] = ()
    """Class ids of the whole image (classification)."""
    source: str = ""
    """The set it came from, e.g. ``CFD``."""
    group: str = ""
    """What a split must never tear apart; empty means the sample stands alone."""
    image_path: str = ""
    """Where the image lies, for messages; empty for generated samples."""
    mask_path: str = ""

    @property
    def mask(self) -> Mask | None:
        """The mask, read now: H x W uint8 class index or H x W x C bool; None when there is none."""
        return None if self.read_mask is None else self.read_mask()

    @property
    def group_key(self) -> str:
        """The group, or the sample's own name when it has no group."""
        return self.group or self.name


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network says of one image, on the photograph's own pixel grid."""

    mask: npt.NDArray[np.uint8]
    """H x W class index after thresholds and minimum areas; the most probable class wins."""
    probability: FloatArray
    """C x H x W in 0..1, one plane a foreground class, in the order of ``class_ids``."""
    class_ids: tuple[int, ...]
    stack: npt.NDArray[np.bool_] | None = None
    """C x H x W after thresholds, for multi-label bundles; None when classes exclude each other."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Size of a pixel on the surface."""

    mm_per_px: float
    source: str = "given"
    """Where it came from: ``given``, ``file:NAME``, ..."""
    u_rel: float = 0.0
    """Relative standard uncertainty (k = 1) of ``mm_per_px``."""


@dataclass(frozen=True, slots=True, eq=False)
class Centreline:
    """The middle line of a line-like finding with its widths."""

    points_xy_px: npt.NDArray[np.float64]
    """N x 2 sub-pixel points (x, y); pixel centres lie on whole numbers."""
    width_px: npt.NDArray[np.float64]
    """N widths, perpendicular to the line, in pixels."""
    branch: npt.NDArray[np.int64]
    """N branch numbers: points of one branch are consecutive and ordered along it."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One defect. The fields up to ``reason`` are the columns of ``findings.csv``, in this order.

    Lengths in px run on the photograph's grid; mm fields are None where no scale is known.
    ``width_u_mm`` is the expanded uncertainty (k = 2) of the mean width.
    """

    image: str
    finding_id: int
    class_name: str
    """Column ``class``."""
    score_mean: float | None
    score_max: float | None
    x_px: int
    y_px: int
    w_px: int
    h_px: int
    area_px: int
    length_px: float | None
    width_mean_px: float | None
    width_p95_px: float | None
    width_max_px: float | None
    orientation_deg: float | None
    """0 = along the rows (horizontal), 90 = vertical, counter-clockwise on the picture, in [0, 180)."""
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mean_mm: float | None = None
    width_p95_mm: float | None = None
    width_max_mm: float | None = None
    width_u_mm: float | None = None
    severity: str = ""
    standard: str = ""
    clause: str = ""
    kind: ClassKind = "line"
    diameter_eq_px: float | None = None
    aspect: float | None = None
    at_border: bool = False
    crack_type: str = ""
    branch_points: int | None = None
    decision: str = ""
    reason: str = ""
    contour_xy_px: tuple[npt.NDArray[np.float64], ...] = field(default=(), repr=False)
    """Closed rings (x, y), outer ring first, then holes."""
    centreline: Centreline | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """All that is known of one image after it was inspected (a row of ``images.csv`` and its findings)."""

    image: str
    status: Literal["ok", "failed"]
    size_hw: tuple[int, int]
    findings: tuple[Finding, ...] = ()
    prediction: Prediction | None = None
    scale: Scale | None = None
    seconds: float = 0.0
    error: str = ""
    notes: tuple[str, ...] = ()
    """Conversions worth telling: CMYK, 16-bit, EXIF-turned, working scale, ..."""
    label: str = ""
    label_score: float | None = None
    scores: tuple[float, ...] = ()
    """Probability of each class of a classifier, in its order; empty for one that marks pixels."""
    gate_score: float | None = None
    """Probability of a defect by the gate; None where the bundle has no gate."""
    spared: bool = False
    """The gate took the image for clean, and no other stage looked for defects in it."""
    tiles_not_inspected: int = 0
    defect_fraction: float | None = None
    """Share of the pixels that belong to any class, 0..1, kept where the prediction is not."""

    @property
    def verdict(self) -> str:
        """``defect`` when anything was found, ``clean`` when not, empty when the image failed."""
        if self.status != "ok":
            return ""
        return "defect" if self.findings else "clean"
