"""Road markings and other painted lines with worn edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors.painting import across, band_of, curve, mix, somewhere, worn
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.paths import resample

_PAINTS = np.array(
    [[0.72, 0.72, 0.68], [0.6, 0.6, 0.58], [0.7, 0.48, 0.06], [0.45, 0.06, 0.04], [0.05, 0.15, 0.4]],
    np.float32,
)


def paint_line(rng: np.random.Generator, canvas: Canvas, cracks: Sequence[CrackTruth]) -> None:
    """A straight or bent marking, whole or dashed, fresh or worn; cracks are drawn over it later."""
    colour = _PAINTS[int(rng.choice(5, p=[0.4, 0.25, 0.2, 0.08, 0.07]))] * np.float32(rng.uniform(0.6, 1.1))
    width = float(rng.uniform(0.01, 0.14) * min(canvas.size_hw))
    wear, angle = rng.uniform(0.1, 0.75), rng.uniform(0, np.pi)
    for _ in range(int(rng.choice([1, 1, 2]))):
        line = resample(across(rng, canvas, angle), 30.0)
        if rng.random() < 0.2:
            line = curve(rng, somewhere(rng, canvas), angle, float(max(canvas.size_hw)), 1.2)
        band = band_of(canvas, line, width, 3.0)
        ragged = pixel_noise(rng, band.rows, band.cols, 3.0) * np.float32(rng.uniform(0, 1.5))
        cover = band.coverage(1.5, np.maximum(band.distance_px + ragged, 0))
        if rng.random() < 0.3:
            cover = cover * (np.sin(band.position * np.float32(rng.uniform(0.5, 2))) > 0)
        grain = 1 + 0.08 * pixel_noise(rng, band.rows, band.cols, 2.0)
        mix(canvas, band, cover * worn(rng, band, wear) * 0.95, colour[None, :] * grain[:, None])
