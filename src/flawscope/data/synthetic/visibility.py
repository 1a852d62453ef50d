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
_CLEARLY = 1.5
"""Signal over noise at which a line is plain."""
_DARK = 0.7
"""Relative difference as seen of an open crack."""
_LENS_PX = 1.4
"""Finer lines are thinned out by the lens and the picture's compression."""
_LIT_SLOPE = 0.2
"""Brightness as seen that a slope of 1 makes under the camera's usual side light."""
_DARKEST = 0.22
"""Ground darker than this counts as this dark: black on nearly black is not seen."""


def ground_noise(canvas: Canvas) -> Float32Array:
    """Local deviation over mean of the ground as seen: H/2 x W/2, .02 (even) .. .3 (coarse grains)."""
    # The square root of the light is about what the eye, and a picture file, makes of it.
    grey = np.sqrt(np.maximum(canvas.rgb[::2, ::2].mean(axis=2), 0))
    residue = np.abs(grey - blur(grey, 6.0))
    painted = 1.25 * blur(residue, 16.0) / np.maximum(blur(grey, 16.0), _DARKEST)
    # Light from the side turns slopes into light and dark; how strongly is up to the camera: here its middle.
    h, w = canvas.size_hw
    relief = canvas.height[: h // 2 * 2 : 2, : w // 2 * 2]
    slope = np.abs(relief[:, 1::2] - relief[:, ::2])
    lit = np.zeros_like(painted)
    lit[: slope.shape[0], : slope.shape[1]] = _LIT_SLOPE * np.minimum(blur(slope, 16.0), 1.5)
    return np.asarray(np.hypot(painted, lit), dtype=np.float32)


def narrowest_px(noise: Float32Array, grain_px: float) -> float:
    """Width from which a fully dark crack stands out of this ground (see `needed_difference`)."""
    grain = max(1.0, grain_px)
    wide = float((2 * _CLEARLY * np.median(noise) / _DARK) ** 2 * grain**2 / _WINDOW_PX)
    return max(_LENS_PX, wide)


def needed_difference(noise: Float32Array, grain_px: float, stroke: Stroke) -> FloatArray:
    """Relative difference from the ground that a line needs to be seen, at each of its N points.

    Seen over a window L, a line of width w passes L / grain grains, times w / grain when it is wider than
    one; noise averages out with the root of their number.
    """
    x = np.clip(stroke.points_xy_px[:, 0] / 2, 0, noise.shape[1] - 1).astype(np.intp)
    y = np.clip(stroke.points_xy_px[:, 1] / 2, 0, noise.shape[0] - 1).astype(np.intp)
    grain = max(1.0, grain_px)
    grains = _WINDOW_PX / grain * np.maximum(1.0, stroke.width_px / grain)
    return np.asarray(np.maximum(_FAINTEST, _CLEARLY * noise[y, x] / np.sqrt(grains)), dtype=np.float64)


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
