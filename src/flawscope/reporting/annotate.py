"""Numbers beside findings and the scale bar of an overlay."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from flawscope.reporting.colours import Rgb, colour_of, ink_on
from flawscope.types import Finding, RgbImage

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 on the drawn picture."""

_CASING = (16, 16, 16)


def draw_labels(
    canvas: RgbImage,
    findings: Sequence[Finding],
    colours: Mapping[str, Rgb],
    factor_xy: tuple[float, float],
    text_px: int,
    keep_free: Box | None = None,
) -> RgbImage:
    """Write the number of each finding beside it, the largest first, where there is room.

    factor_xy: drawn pixels a pixel of the photograph. text_px: height of the numbers.
    keep_free: where no number may stand.
    """
    if not findings:
        return canvas
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_px)
    busy = _crowd(findings, factor_xy)
    taken: list[Box] = [keep_free] if keep_free else []
    for finding in sorted(findings, key=lambda item: item.area_px, reverse=True):
        text = str(finding.finding_id)
        width = pen.textlength(text, font=font) + 0.7 * text_px
        size = max(width, 1.3 * text_px), 1.3 * text_px
        box = _place(finding, factor_xy, size, picture.size, taken, busy)
        if box is None:
            continue
        taken.append(box)
        colour = colour_of(finding.class_name, colours)
        pen.rounded_rectangle(box, text_px * 0.35, fill=colour, outline=_CASING, width=max(1, text_px // 14))
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        pen.text(middle, text, fill=ink_on(colour), font=font, anchor="mm")
    return np.asarray(picture)


def draw_banner(
    canvas: RgbImage, labels: Sequence[Finding], colours: Mapping[str, Rgb], text_px: int
) -> RgbImage:
    """Write what the whole picture shows into its upper left corner, a line a label, with its probability."""
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_px)
    y = 0.4 * text_px
    for label in labels:
        score = "" if label.score_mean is None else f"  {label.score_mean:.2f}"
        text = f"{label.class_name}{score}"
        colour = colour_of(label.class_name, colours)
        x0, height = 0.4 * text_px, 1.5 * text_px
        box = (x0, y, x0 + pen.textlength(text, font=font) + 0.9 * text_px, y + height)
        pen.rounded_rectangle(box, text_px * 0.35, fill=colour, outline=_CASING, width=max(1, text_px // 14))
        pen.text((x0 + 0.45 * text_px, y + height / 2), text, fill=ink_on(colour), font=font, anchor="lm")
        y += 1.15 * height
    return np.asarray(picture)


def draw_scale_bar(canvas: RgbImage, mm_per_px: float, text_px: int) -> tuple[RgbImage, Box | None]:
    """Draw a bar of a round length at the lower right; also returns its place, None where it does not fit.

    mm_per_px: on the drawn picture.
    """
    height, width = canvas.shape[:2]
    if width < 8 * text_px or height < 4 * text_px or not mm_per_px > 0:
        return canvas, None
    length_mm = round_length(width * mm_per_px / 4)
    length_px = length_mm / mm_per_px
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture, "RGBA")
    font = ImageFont.load_default(text_px)
    text = length_text(length_mm)
    pad, bar = 0.6 * text_px, max(2.0, text_px / 4)
    inner = max(length_px, pen.textlength(text, font=font))
    x1, y1 = width - pad, height - pad
    x0, y0 = x1 - inner - 2 * pad, y1 - 1.35 * text_px - bar - 1.4 * pad
    pen.rounded_rectangle((x0, y0, x1, y1), text_px * 0.3, fill=(16, 16, 16, 190))
    middle = (x0 + x1) / 2
    left, foot = middle - length_px / 2, y1 - pad
    pen.rectangle((left, foot - bar, left + length_px, foot), fill=(255, 255, 255, 255))
    for end in (left, left + length_px - max(1.0, bar / 3)):
        pen.rectangle((end, foot - 2 * bar, end + max(1.0, bar / 3), foot), fill=(255, 255, 255, 255))
    pen.text((middle, y0 + pad * 0.4), text, fill=(255, 255, 255, 255), font=font, anchor="ma")
    return np.asarray(picture), (x0, y0, x1, y1)


def round_length(length_mm: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is at most ``length_mm`` (above 0)."""
    power = 10.0 ** math.floor(math.log10(length_mm))
    # 1e-9: a length that is round already must not fall to the next smaller for its last bit.
    return max(step for step in (1.0, 2.0, 5.0) if step * power <= length_mm * (1 + 1e-9)) * power


def length_text(length_mm: float) -> str:
    """A length with the unit that reads best: micrometres, mm, cm or m."""
    if length_mm >= 1000:
        return f"{length_mm / 1000:g} m"
    if length_mm >= 100:
        return f"{length_mm / 10:g} cm"
    return f"{length_mm:g} mm" if length_mm >= 0.1 else f"{length_mm * 1000:g} µm"


# --- inside ---------------------------------------------------------------------------------------------


def _crowd(findings: Sequence[Finding], factor_xy: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Points of all outlines on the drawn picture, N x 2, thinned: places where no number should stand."""
    points = [ring[::3] for item in findings for ring in item.contour_xy_px[:1]]
    if not points:
        return np.zeros((0, 2))
    every = max(1, sum(len(ring) for ring in points) // 20_000)
    crowd: npt.NDArray[np.float64] = np.concatenate(points)[::every] * np.asarray(factor_xy)
    return crowd


def _place(
    finding: Finding,
    factor_xy: tuple[float, float],
    size: tuple[float, float],
    size_wh: tuple[int, int],
    taken: Sequence[Box],
    busy: npt.NDArray[np.float64],
) -> Box | None:
    """The first free place beside the finding; else the one over the fewest outlines."""
    best: tuple[int, Box] | None = None
    for x, y in _candidates(finding, factor_xy, size):
        x0 = min(max(x, 0.0), size_wh[0] - size[0] - 1)
        y0 = min(max(y, 0.0), size_wh[1] - size[1] - 1)
        box = x0, y0, x0 + size[0], y0 + size[1]
        if x0 < 0 or y0 < 0 or any(_overlap(box, other) for other in taken):
            continue
        inside = (busy[:, 0] > x0) & (busy[:, 0] < box[2]) & (busy[:, 1] > y0) & (busy[:, 1] < box[3])
        hidden = int(np.count_nonzero(inside))
        if hidden == 0:
            return box
        if best is None or hidden < best[0]:
            best = hidden, box
    return best[1] if best else None


def _candidates(
    finding: Finding, factor_xy: tuple[float, float], size: tuple[float, float]
) -> Iterator[tuple[float, float]]:
    """Upper left corners for the number, beside points along the middle of the finding, then its ends."""
    width, height = size
    away = 0.6 * height
    for share in (0.5, 0.35, 0.65, 0.2, 0.8, 0.05, 0.95):
        x, y = _along(finding, share)
        x, y = x * factor_xy[0], y * factor_xy[1]
        yield x + away, y - height - away / 2
        yield x - width - away, y - height - away / 2
        yield x + away, y + away / 2
        yield x - width - away, y + away / 2


def _along(finding: Finding, share: float) -> tuple[float, float]:
    line = finding.centreline
    if line is not None and len(line.points_xy_px):
        x, y = line.points_xy_px[int(share * (len(line.points_xy_px) - 1))]
        return float(x), float(y)
    if finding.contour_xy_px:
        ring = finding.contour_xy_px[0]
        x, y = ring[int(share * (len(ring) - 1))]
        return float(x), float(y)
    return finding.x_px + share * finding.w_px, finding.y_px + share * finding.h_px


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
