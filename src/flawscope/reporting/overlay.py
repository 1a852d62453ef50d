"""Findings drawn on the photograph: outlines beside the defects, numbers, and a scale bar.

A crack of a pixel or two must stay visible under its own marking. The outline therefore runs a little outside
of what it marks, on a dark casing that makes it readable on any surface; only what is wide is filled, thinly.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from flawscope.images.atomic import write_bytes_atomic
from flawscope.reporting.annotate import draw_banner, draw_labels, draw_scale_bar
from flawscope.reporting.colours import Rgb, class_colours, colour_of
from flawscope.reporting.raster import paste, patch_of
from flawscope.types import ClassInfo, Finding, Mask, RgbImage, Scale

MAX_SIDE_PX = 8192
"""Longest side of an overlay; also well below what JPEG can hold (65,535)."""

MOST_LABELS = 40
"""Numbered findings on a picture: the largest; more would hide it."""

_NUMBERED_ANYWAY = 5
_LABELLED_SIDE_PX = 256
_BLOCK_PX = 512
_FILL_ABOVE_PX = 8.0
_FILL = 0.25


@dataclass(frozen=True, slots=True)
class Strokes:
    """Thicknesses in pixels of the drawn picture."""

    gap: float
    """From the edge of a finding to its outline."""
    line: float
    casing: float
    """Dark rim on either side of the outline."""
    text: int
    """Height of the numbers."""

    @classmethod
    def for_size(cls, size_hw: tuple[int, int]) -> Strokes:
        """Thicknesses that look alike on small and large pictures."""
        side = max(size_hw)
        line = float(np.clip(side / 900, 1.0, 5.0))
        text = int(np.clip(side / 65, 11, 60))
        return cls(gap=1.5 + 1.2 * line, line=line, casing=max(0.8, 0.55 * line), text=text)

    @property
    def middle(self) -> float:
        """From the edge of a finding to the middle of its outline: whole, so that thin outlines are crisp."""
        return float(round(self.gap + self.line / 2))

    @property
    def reach(self) -> int:
        """How far a marking reaches beyond its finding."""
        return int(np.ceil(self.gap + self.line + self.casing)) + 2


def draw_overlay(
    image: RgbImage,
    findings: Sequence[Finding],
    classes: Sequence[ClassInfo],
    scale: Scale | None = None,
    mask: Mask | None = None,
    size_hw: tuple[int, int] | None = None,
) -> RgbImage:
    """Draw findings on a photograph.

    Args:
        image: H x W x 3 uint8 RGB; not changed. May be a smaller copy of the photograph.
        findings: with coordinates on the photograph's grid.
        classes: the model's classes, for colours; unknown class names get the first colour.
        scale: size of a pixel of the photograph; draws a scale bar.
        mask: the predicted mask, H x W class index or H x W x C bool, when it holds more than the findings
            tell; without it the findings' contours are drawn.
        size_hw: size of the photograph when ``image`` is a smaller copy of it.

    Returns:
        h x w x 3 uint8 RGB, at most ``MAX_SIDE_PX`` a side, made smaller where needed.
    """
    full_hw = size_hw or (image.shape[0], image.shape[1])
    canvas = shrink(image, MAX_SIDE_PX).copy()
    labels = [item for item in findings if item.kind == "image"]
    if labels:
        canvas = _enlarged(canvas)
    drawn_hw = canvas.shape[0], canvas.shape[1]
    factor_xy = drawn_hw[1] / full_hw[1], drawn_hw[0] / full_hw[0]
    strokes = Strokes.for_size(drawn_hw)
    colours = class_colours(classes)
    for name, marked, filled in _planes(findings, classes, mask, drawn_hw, factor_xy):
        _mark(canvas, marked, filled, colour_of(name, colours), strokes)
    bar = None
    if scale is not None:
        canvas, bar = draw_scale_bar(canvas, scale.mm_per_px / factor_xy[0], strokes.text)
    if labels:
        canvas = draw_banner(canvas, labels, colours, strokes.text)
    marked_findings = [item for item in findings if item.kind != "image"]
    numbered = _to_number(marked_findings, factor_xy[0], strokes)
    return draw_labels(canvas, numbered, colours, factor_xy, strokes.text, bar)


def shrink(image: RgbImage, max_side_px: int) -> RgbImage:
    """The picture itself, or a smaller copy whose longer side is ``max_side_px``."""
    height, width = image.shape[:2]
    if max(height, width) <= max_side_px:
        return image
    factor = max_side_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _enlarged(image: RgbImage) -> RgbImage:
    """A small picture several times as large, pixel by pixel, so that a label can be read on it."""
    times = -(-_LABELLED_SIDE_PX // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else image


def encode_jpeg(image: RgbImage, quality: int = 90) -> bytes:
    """The picture as JPEG; full colour resolution, since outlines are thin."""
    stream = io.BytesIO()
    # No "optimize": Pillow then keeps the whole file in a buffer that pictures of fine grain outgrow.
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def write_overlay(path: str | Path, overlay: RgbImage, quality: int = 90) -> None:
    """Write an overlay as JPEG, whole or not at all. Raises OutputError."""
    write_bytes_atomic(path, encode_jpeg(overlay, quality))


# --- inside ---------------------------------------------------------------------------------------------

BoolArray = npt.NDArray[np.bool_]


def _planes(
    findings: Sequence[Finding],
    classes: Sequence[ClassInfo],
    mask: Mask | None,
    drawn_hw: tuple[int, int],
    factor_xy: tuple[float, float],
) -> Iterator[tuple[str, BoolArray, BoolArray | None]]:
    """Class name, its pixels on the drawn grid, and those of them to fill, one class after another."""
    of_class: dict[str, list[Finding]] = {}
    for finding in findings:
        of_class.setdefault(finding.class_name, []).append(finding)
    names = list(dict.fromkeys([item.name for item in classes] + list(of_class)))
    kinds = {item.name: item.kind for item in classes}
    for index, name in enumerate(names):
        own = [item for item in of_class.get(name, []) if item.kind != "image"]
        marked = None
        if mask is not None and index < len(classes):
            marked = _reduced(mask[..., index] if mask.ndim == 3 else mask == classes[index].id, drawn_hw)
        elif own:
            marked = _draw(own, drawn_hw, factor_xy)
        if marked is None or not marked.any():
            continue
        wide = [item for item in own if _is_wide(item, factor_xy[0])]
        filled = _draw(wide, drawn_hw, factor_xy) if wide else None
        if not own and kinds.get(name) == "area":
            filled = marked
        yield name, marked, filled


def _to_number(findings: Sequence[Finding], factor: float, strokes: Strokes) -> list[Finding]:
    """The largest findings, without specks that their numbers would hide; a few are numbered in any case."""
    largest = sorted(findings, key=lambda item: item.area_px, reverse=True)[:MOST_LABELS]
    return [
        item
        for rank, item in enumerate(largest)
        if rank < _NUMBERED_ANYWAY or max(item.w_px, item.h_px) * factor >= strokes.text
    ]


def _is_wide(finding: Finding, factor: float) -> bool:
    if finding.kind == "area":
        return True
    return (finding.width_mean_px or 0.0) * factor >= _FILL_ABOVE_PX


def _draw(
    findings: Sequence[Finding], drawn_hw: tuple[int, int], factor_xy: tuple[float, float]
) -> BoolArray:
    plane = np.zeros(drawn_hw, dtype=np.bool_)
    for finding in findings:
        paste(plane, patch_of(finding, factor_xy))
    return plane


def _reduced(plane: BoolArray, size_hw: tuple[int, int]) -> BoolArray:
    """The plane on a smaller grid: a pixel is marked when any under it was, so hairlines stay whole."""
    if plane.shape == size_hw:
        return plane
    out = np.zeros(size_hw, dtype=np.bool_)
    rows, columns = np.nonzero(plane)
    out[rows * size_hw[0] // plane.shape[0], columns * size_hw[1] // plane.shape[1]] = True
    return out


def _mark(
    canvas: RgbImage, marked: BoolArray, filled: BoolArray | None, colour: Rgb, strokes: Strokes
) -> None:
    """Draw fill, casing and outline, in blocks: a large photograph needs no large distance map."""
    height, width = marked.shape
    reach = strokes.reach
    for y in range(0, height, _BLOCK_PX):
        for x in range(0, width, _BLOCK_PX):
            y1, x1 = min(y + _BLOCK_PX, height), min(x + _BLOCK_PX, width)
            near = slice(max(0, y - reach), y1 + reach), slice(max(0, x - reach), x1 + reach)
            if not marked[near].any():
                continue
            cut = slice(y - near[0].start, y1 - near[0].start), slice(x - near[1].start, x1 - near[1].start)
            distance = ndimage.distance_transform_edt(~marked[near])[cut].astype(np.float32)
            block = canvas[y:y1, x:x1]
            _blend(block, colour, None if filled is None else filled[y:y1, x:x1] * np.float32(_FILL))
            centre = distance - strokes.middle
            _blend(block, (0, 0, 0), 0.6 * _stroke(centre, strokes.line + 2 * strokes.casing))
            _blend(block, colour, _stroke(centre, strokes.line))


def _stroke(distance: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
    """Coverage 0..1 of a line of ``width`` whose middle lies where ``distance`` is 0, softened by a pixel."""
    return np.clip(width / 2 + 0.5 - np.abs(distance), 0.0, 1.0).astype(np.float32)


def _blend(block: RgbImage, colour: Rgb, alpha: npt.NDArray[np.float32] | None) -> None:
    if alpha is None or not alpha.any():
        return
    at = alpha > 0
    share = alpha[at][:, None]
    mixed = block[at] * (1 - share) + np.asarray(colour, dtype=np.float32) * share
    block[at] = np.rint(mixed).astype(np.uint8)
