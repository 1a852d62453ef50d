"""The four kinds of defect of the steel papers, and how they are laid out with their exact outlines.

An outline is fixed first and painted after: nothing outside of it changes, so that the mask is true to the
pixel. It is drawn as annotators draw it: straight lines around the group, the metal between its pits with
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flawscope.data.synthetic.canvas import MaskArray
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.steel.patches import paint_patch, patch_outline
from flawscope.data.synthetic.steel.regions import BoolArray, Place, place
from flawscope.data.synthetic.steel.small import paint_pits, paint_trace, pits_outline, trace_outline
from flawscope.data.synthetic.steel.streaks import paint_streaks, streaks_outline
from flawscope.data.synthetic.steel.strip import Strip

_TRIES = 40
_SMALLEST_PX = 80


@dataclass(frozen=True, slots=True)
class DefectKind:
    """How large a kind is, into how many pieces it falls, and how a piece looks."""

    name: str
    area_log: tuple[float, float]
    """Mean and deviation of the natural logarithm of the area an image, in percent of the picture; as the
    published areas of the competition's images with this class alone."""
    area_most: float
    """Largest area in percent."""
    pieces_mean: float
    outline: Callable[[np.random.Generator, Strip, float], BoolArray]
    """(rng, strip, area_px) -> window of one piece."""
    paint: Callable[[np.random.Generator, Strip, Place], BoolArray]
    """Changes the strip in a part of the place's shape, and nowhere else; returns that part (h x w)."""


DEFECTS: dict[int, DefectKind] = {
    1: DefectKind("pitted", (-0.24, 0.81), 8, 3.6, pits_outline, paint_pits),
    2: DefectKind("trace", (-0.35, 0.59), 4, 1.35, trace_outline, paint_trace),
    3: DefectKind("scratches", (1.2, 1.25), 75, 2.4, streaks_outline, paint_streaks),
    4: DefectKind("patch", (1.77, 0.9), 48, 2.5, patch_outline, paint_patch),
}
"""Class id -> kind."""


def draw_defect(rng: np.random.Generator, strip: Strip, mask: MaskArray, class_id: int) -> None:
    """Paint one class into the strip and into ``mask`` (H x W uint8), clear of what is there already.

    At least one piece is painted wherever there is free metal.
    """
    kind = DEFECTS[class_id]
    h, w = mask.shape
    smallest_px = _SMALLEST_PX * strip.unit_px**2
    percent = min(math.exp(rng.normal(*kind.area_log)), kind.area_most)
    pieces = 1 + int(rng.poisson(kind.pieces_mean - 1))
    shares = rng.dirichlet(np.full(pieces, 2.0)) * percent / 100 * mask.size
    # Pieces of one cause lie near each other: this far from the first one.
    spread_px = log_uniform(rng, 0.15, 2.0) * h if chance(rng, 0.7) else float(w)
    first: float | None = None
    for area_px in shares:
        at = _draw_piece(rng, strip, mask, class_id, max(float(area_px), smallest_px), first, spread_px)
        if first is None and at is not None:
            first = at.x + at.shape.shape[1] / 2
    if not (mask == class_id).any():
        _draw_piece(rng, strip, mask, class_id, smallest_px, None, spread_px)


def _draw_piece(
    rng: np.random.Generator,
    strip: Strip,
    mask: MaskArray,
    class_id: int,
    area_px: float,
    near_column: float | None,
    spread_px: float,
) -> Place | None:
    kind = DEFECTS[class_id]
    h, w = strip.size_hw
    free = strip.metal & (mask == 0)
    columns = np.flatnonzero(free.any(axis=0))
    if not columns.size:
        return None
    for attempt in range(_TRIES):
        shape = kind.outline(rng, strip, area_px)
        column = float(rng.choice(columns))
        if near_column is not None and attempt < _TRIES // 2:
            column = float(np.clip(rng.normal(near_column, spread_px), 0, w - 1))
        row = h / 2 if shape.shape[0] > h else rng.uniform(0, h)
        at = place(shape, (row, column), free)
        # A piece that lies mostly outside would be a sliver at the border.
        if at is not None and at.shape.sum() > 0.5 * min(area_px, shape.sum()):
            changed = kind.paint(rng, strip, at)
            mask[at.slices][changed] = class_id
            if changed.any():
                return at
    return None
