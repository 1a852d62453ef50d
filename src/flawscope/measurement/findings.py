"""From a mask to findings: one measured record a connected piece."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.errors import UsageError
from flawscope.measurement.centreline import centrelines
from flawscope.measurement.components import Component, components, fill_pinholes
from flawscope.measurement.shape import contours, feret
from flawscope.measurement.skeleton import skeleton_graph
from flawscope.measurement.statistics import LineFigures, compact_figures, line_figures, width_uncertainty_mm
from flawscope.measurement.width import EdgeField, edge_field
from flawscope.measurement.width_error import WidthError
from flawscope.types import IGNORE_INDEX, Centreline, ClassInfo, Finding, Mask, Scale

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]

TINY_PX = 12
"""Pieces up to this area get a straight line instead of a skeleton."""


def measure(
    mask: Mask,
    probability: npt.NDArray[Any] | None = None,
    scale: Scale | float | str | None = None,
    standard: str | None = None,
) -> list[Finding]:
    """Measure every connected piece of a mask as a line: length, widths, direction, outline.

    mask: H x W uint8 class index (0 background, 255 ignored), H x W bool, or H x W x C bool. probability: C
    x H x W (or H x W for one class) in 0..1, used for scores and for edges between pixels. scale: mm a
    pixel as a number, text such as ``"0.2mm"`` or a :class:`Scale`; without it mm fields are None.
    standard: name of a grading standard.

    Raises UsageError for shapes that do not fit, an unreadable scale or an unknown standard.

    >>> import numpy as np
    >>> mask = np.zeros((40, 100), np.uint8)
    >>> mask[18:22, 10:90] = 1
    >>> crack, = measure(mask, scale="0.5mm")
    >>> round(crack.length_px), round(crack.width_mean_px, 1), round(crack.width_mean_mm, 1)
    (80, 4.0, 2.0)
    """
    if standard is not None:
        raise UsageError(f"The standard {standard!r} is unknown; none is installed.\nLeave `standard` out.")
    if isinstance(scale, str | float | int):
        from flawscope.measurement.scale import parse_scale

        scale = parse_scale(scale if isinstance(scale, str) else f"{float(scale)}mm")
    return find(mask, probability=probability, scale=scale)


def find(
    mask: Mask,
    classes: Sequence[ClassInfo] | None = None,
    probability: npt.NDArray[Any] | None = None,
    scale: Scale | None = None,
    image: str = "",
    width_errors: Mapping[str, WidthError] | None = None,
) -> list[Finding]:
    """Findings of one image, class by class, from top to bottom, numbered from 1.

    mask: H x W uint8 class index (255 = ignored), H x W bool or H x W x C bool with one plane a class in
    the order of ``classes``. classes: default one line class ``crack``, or ``class-K`` for each index met.
    probability: C x H x W in 0..1 in the order of ``classes``. width_errors: class name -> the error of
    widths of what the network marks, taken off those of lines; the area stays that of the mask. Raises
    UsageError when the shapes do not fit.
    """
    errors = width_errors or {}
    planes = _planes(mask, classes, probability)
    findings: list[Finding] = []
    for info, plane, certainty in planes:
        for component in components(plane):
            finding = _measured(component, info, certainty, scale, errors.get(info.name))
            findings.append(replace(finding, image=image, finding_id=len(findings) + 1))
    return findings


def _planes(
    mask: Mask, classes: Sequence[ClassInfo] | None, probability: npt.NDArray[Any] | None
) -> list[tuple[ClassInfo, BoolArray, FloatArray | None]]:
    """A bool plane and a probability plane for each class."""
    mask = np.asarray(mask)
    if mask.ndim not in (2, 3) or mask.size == 0 or mask.dtype.kind not in "bui":
        raise UsageError(
            f"The mask has shape {mask.shape} and type {mask.dtype}.\n"
            "Expected H x W class indices (uint8) or H x W x C bool."
        )
    if mask.ndim == 3 and mask.dtype != np.bool_:
        raise UsageError(f"A mask with {mask.shape[2]} planes has type {mask.dtype}; expected bool planes.")
    if classes is None:
        classes = _default_classes(mask, probability)
    if mask.ndim == 3 and len(classes) != mask.shape[2]:
        raise UsageError(
            f"The mask has {mask.shape[2]} planes for {len(classes)} classes; expected one a class."
        )
    certainty = _certainty(mask, len(classes), probability)
    planes = []
    for number, info in enumerate(classes):
        whole = mask[..., number] if mask.ndim == 3 else mask
        plane = whole if whole.dtype == np.bool_ else whole == info.id
        planes.append((info, plane, None if certainty is None else certainty[number]))
    return planes


def _default_classes(mask: Mask, probability: npt.NDArray[Any] | None) -> list[ClassInfo]:
    if mask.ndim == 3:
        ids = list(range(1, mask.shape[2] + 1))
    elif mask.dtype == np.bool_:
        ids = [1]
    else:
        counts = np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)
        ids = [int(i) for i in np.flatnonzero(counts) if i not in (0, IGNORE_INDEX)]
        if not ids and counts[IGNORE_INDEX]:
            warnings.warn(
                "The mask holds only 0 and 255, and 255 means `ignore`: nothing is measured. "
                "For a mask of 0 and 255 pass `mask > 0`.",
                stacklevel=4,
            )
        if probability is not None and np.ndim(probability) == 3:
            ids = list(range(1, max([len(probability), *ids]) + 1))
    return [ClassInfo(i, "crack" if ids == [1] else f"class-{i}") for i in ids]


def _certainty(mask: Mask, count: int, probability: npt.NDArray[Any] | None) -> FloatArray | None:
    if probability is None:
        return None
    planes = np.asarray(probability)
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.shape != (count, *mask.shape[:2]) and count:
        raise UsageError(
            f"The probabilities have shape {np.shape(probability)}.\n"
            f"Expected {count} x {mask.shape[0]} x {mask.shape[1]}: one plane a class, as large as the mask."
        )
    return planes.astype(np.float32, copy=False)


def _measured(
    component: Component,
    info: ClassInfo,
    certainty: FloatArray | None,
    scale: Scale | None,
    error: WidthError | None,
) -> Finding:
    local = None if certainty is None else _cut(certainty, component)
    inside = None if local is None else local[component.own]
    field = edge_field(component.own, local)
    rings = contours(field.values, field.level)
    x, y, w, h = component.box_xywh
    finding = Finding(
        image="",
        finding_id=0,
        class_name=info.name,
        score_mean=None if inside is None else float(inside.mean()),
        score_max=None if inside is None else float(inside.max()),
        x_px=x,
        y_px=y,
        w_px=w,
        h_px=h,
        area_px=component.area_px,
        length_px=None,
        width_mean_px=None,
        width_p95_px=None,
        width_max_px=None,
        orientation_deg=None,
        kind=info.kind,
        diameter_eq_px=float(np.sqrt(4 * component.area_px / np.pi)),
        at_border=component.at_border,
        contour_xy_px=tuple(ring + component.origin_xy for ring in rings),
    )
    if info.kind == "line":
        figures, branch_points = _line(component, field, rings, error)
        finding = _with_line(finding, figures, branch_points, component.origin_xy)
    elif info.kind == "area":
        largest, smallest, direction = feret(rings[0]) if rings else (1.0, 1.0, 0.0)
        finding = replace(
            finding,
            length_px=largest,
            width_max_px=smallest,
            orientation_deg=direction,
            aspect=largest / smallest if smallest > 0 else None,
        )
    return in_millimetres(finding, scale, figures.sampling_u_px if info.kind == "line" else 0.0, error)


def _cut(certainty: FloatArray, component: Component) -> FloatArray:
    """The probabilities in the component's cut-out, 0 beyond the photograph."""
    x0, y0 = component.origin_xy
    height, width = component.own.shape
    local = np.zeros((height, width), dtype=np.float32)
    top, left = max(0, -y0), max(0, -x0)
    source = certainty[max(0, y0) : y0 + height, max(0, x0) : x0 + width]
    local[top : top + source.shape[0], left : left + source.shape[1]] = source
    return local


def _line(
    component: Component, field: EdgeField, rings: Sequence[npt.NDArray[Any]], error: WidthError | None
) -> tuple[LineFigures, int]:
    """Centreline figures and the number of branch points."""
    own = component.own
    if component.area_px <= TINY_PX:
        return compact_figures(own, component.area_px, error), 0
    shape = fill_pinholes(own)
    if shape is not own and not field.soft:
        field = EdgeField(shape.astype(np.float32), 0.5, soft=False)
    graph = skeleton_graph(shape)
    thickest = 2 * max(float(branch.radius_px.max()) for branch in graph.branches)
    simple = not graph.nodes and len(graph.branches) == 1 and not graph.branches[0].closed
    compact = simple and graph.branches[0].length_px + thickest < 1.7 * thickest
    lines = [] if compact else centrelines(graph, shape, field)
    if not lines:
        across = feret(rings[0])[1] if rings else 0.0
        return compact_figures(own, component.area_px, error, across), 0
    return line_figures(lines, component.area_px, error), sum(d >= 3 for d in graph.degrees().values())


def _with_line(
    finding: Finding, figures: LineFigures, branch_points: int, origin_xy: tuple[int, int]
) -> Finding:
    line = figures.centreline
    return replace(
        finding,
        length_px=figures.length_px,
        width_mean_px=figures.width_mean_px,
        width_p95_px=figures.width_p95_px,
        width_max_px=figures.width_max_px,
        orientation_deg=figures.orientation_deg,
        aspect=figures.length_px / figures.width_mean_px if figures.width_mean_px > 0 else None,
        branch_points=branch_points,
        centreline=Centreline(line.points_xy_px + origin_xy, line.width_px, line.branch),
    )


def in_millimetres(
    finding: Finding, scale: Scale | None, sampling_u_px: float = 0.0, error: WidthError | None = None
) -> Finding:
    """The finding with its mm fields filled from its px fields; unchanged without a scale."""
    if scale is None:
        return finding
    factor = scale.mm_per_px

    def mm(value: float | None) -> float | None:
        return None if value is None else value * factor

    width = finding.width_mean_px
    return replace(
        finding,
        area_mm2=finding.area_px * factor**2,
        length_mm=mm(finding.length_px),
        width_mean_mm=mm(width),
        width_p95_mm=mm(finding.width_p95_px),
        width_max_mm=mm(finding.width_max_px),
        width_u_mm=None if width is None else width_uncertainty_mm(width, sampling_u_px, scale, error),
    )
