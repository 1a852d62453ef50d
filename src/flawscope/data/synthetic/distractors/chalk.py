"""Chalk or marker lines that inspectors draw beside cracks: they follow the crack and are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import beside, curve, somewhere, stroke

_CHALKS = np.array(
    [[0.8, 0.8, 0.78], [0.75, 0.55, 0.1], [0.1, 0.2, 0.6], [0.6, 0.08, 0.06], [0.03, 0.03, 0.03]]
)


def chalk_along(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A hand-drawn curve some pixels beside a crack, or the like where there is no crack."""
    colour = _CHALKS[int(rng.choice(5, p=[0.5, 0.15, 0.12, 0.11, 0.12]))]
    width, wear = float(rng.uniform(1.2, 5.0)), rng.uniform(0.15, 0.6)
    long = [c for c in cracks if len(c.points_xy_px) > 40]
    if not long:
        line = curve(rng, somewhere(rng, canvas), rng.uniform(0, 6.3), 0.7 * max(canvas.size_hw), 1.0)
        stroke(rng, canvas, line, width, colour, rng.uniform(0.4, 0.95), wear)
        return
    crack = long[int(rng.integers(0, len(long)))]
    first, last = np.sort(rng.integers(0, len(crack.points_xy_px), 2))
    if last - first < 20:
        first, last = 0, len(crack.points_xy_px) - 1
    offset = rng.choice([-1, 1]) * (crack.width_px.max() / 2 + width + rng.uniform(4, 18))
    for side in (1, -1) if rng.random() < 0.3 else (1,):
        line = beside(crack.points_xy_px[first : last + 1], side * offset, 18.0)
        if len(line) > 2:
            stroke(
                rng,
                canvas,
                line + rng.normal(0, 0.6, line.shape),
                width,
                colour,
                rng.uniform(0.4, 0.95),
                wear,
            )
