"""How well a crack can be seen on its ground: what decides whether an annotator would draw it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.noise import blur
from flawscope.data.synthetic.strokes import Band, Stroke

FloatArray = npt.NDArray[np.float64]

_WINDOW_PX = 14.0
"""The eye joins a line over about this length."""
_FAINTEST = 0.08
"""Smallest relative difference that is still drawn on even ground."""
_DARKEST = 0.22
"""Ground darker than this counts as this dark: black on nearly black is not seen."""


def ground_noise(canvas: Canvas) -> Float32Array:
    """Local deviation over mean of the ground as seen: H/2 x W/2, 0.02 (even) .. 0.3 (coarse grains)."""
    # The square root of the light is about what the eye, and a picture file, makes of it.
    grey = np.sqrt(np.maximum(canvas.rgb[::2, ::2].mean(axis=2), 0))
    residue = np.abs(grey - blur(grey, 6.0))
    return np.asarray(1.25 * blur(residue, 16.0) / np.maximum(blur(grey, 16.0), _DARKEST), dtype=np.float32)


def narrowest_px(noise: Float32Array, grain_px: float) -> float:
    """Width from which a fully dark crack stands out of this ground (see `needed_difference`)."""
    return float((2.5 * np.median(noise) * max(1.0, grain_px) / 0.55) ** 2 / _WINDOW_PX)


def needed_difference(noise: Float32Array, grain_px: float, stroke: Stroke) -> FloatArray:
    """Relative difference from the ground that a line needs to be seen, at each of its N points.

    A line of width w seen over a window L holds about w L / grain^2 independent grains, and noise averages
    out with the root of their number.
    """
    x = np.clip(stroke.points_xy_px[:, 0] / 2, 0, noise.shape[1] - 1).astype(np.intp)
    y = np.clip(stroke.points_xy_px[:, 1] / 2, 0, noise.shape[0] - 1).astype(np.intp)
    grains = np.maximum(stroke.width_px, 1.0) * _WINDOW_PX / max(1.0, grain_px) ** 2
    return np.asarray(np.maximum(_FAINTEST, 2.5 * noise[y, x] / np.sqrt(grains)), dtype=np.float64)


def seen_difference(
    band: Band, before: Float32Array, after: Float32Array, strokes: Sequence[Stroke], step_px: float
) -> list[FloatArray]:
    """Relative difference as seen that painting made, for each point of each stroke (mean over a window).

    ``before`` and ``after``: P x 3 colours of the band's pixels. The largest of the three channels counts.
    """
    core = band.signed_px <= np.maximum(0.0, 0.7 - band.width_px / 2)
    total = sum(len(stroke.points_xy_px) for stroke in strokes)
    at = np.clip(np.rint(band.position[core]).astype(np.intp), 0, total - 1)
    count = np.bincount(at, minlength=total).astype(np.float64)
    old, new = np.sqrt(np.maximum(before[core], 0)), np.sqrt(np.maximum(after[core], 0))
    sums = [np.bincount(at, new[:, c] - old[:, c], total) for c in range(3)]
    # A filling of mixed tones is seen by its parts even where their mean is the ground's.
    moves = [np.bincount(at, 0.6 * np.abs(new[:, c] - old[:, c]), total) for c in range(3)]
    grounds = [np.bincount(at, np.maximum(old[:, c], _DARKEST), total) for c in range(3)]
    window = max(3, round(_WINDOW_PX / step_px))
    seen, first = [], 0
    for stroke in strokes:
        part = slice(first, first + len(stroke.points_xy_px))
        first = part.stop
        best = np.zeros(part.stop - part.start)
        for change, move, ground in zip(sums, moves, grounds, strict=True):
            level = uniform_filter1d(ground[part], window, mode="constant") + 1e-6
            shift = np.abs(uniform_filter1d(change[part], window, mode="constant"))
            mixed = uniform_filter1d(move[part], window, mode="constant")
            best = np.maximum(best, np.maximum(shift, mixed) / level)
        # Outside the picture nothing was painted: there the line counts as seen, so that it enters unbroken.
        best[uniform_filter1d(count[part], window, mode="constant") == 0] = 1.0
        seen.append(best)
    return seen
