"""How wide and how visible a crack is along its length."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from flawscope.data.synthetic.local_noise import line_noise

FloatArray = npt.NDArray[np.float64]

_FAINT = 0.2
"""Share of the visibility of a plain line from which the eye still follows it."""
_PLAIN_SHARE = 0.12
"""Share of a stretch that must be plain for the stretch to be noticed."""


def arc_length(points_xy_px: FloatArray) -> FloatArray:
    """Arc length in px at each of N points, starting at 0."""
    steps = np.hypot(*np.diff(points_xy_px, axis=0).T) if len(points_xy_px) > 1 else np.zeros(0)
    return np.concatenate([[0.0], np.cumsum(steps)])


def width_profile(
    rng: np.random.Generator,
    arc_px: FloatArray,
    base_px: float,
    variation: float,
    tips: tuple[bool, bool],
    limits_px: tuple[float, float],
) -> FloatArray:
    """N full widths: multi-scale noise about ``base_px``, some bulges, thinning towards free tips.

    ``variation`` is the standard deviation of the logarithm; ``tips`` says which ends (first, last) taper.
    The result lies within ``limits_px``.
    """
    noise = sum(
        weight * line_noise(rng, arc_px, spacing)
        for weight, spacing in ((0.8, 90.0), (0.45, 25.0), (0.4, 7.0), (0.25, 2.5))
    )
    width = base_px * np.exp(variation * np.asarray(noise))
    length = float(arc_px[-1])
    for _ in range(rng.poisson(length / 450)):
        # Broken-out corners: short stretches, twice as wide on fine cracks, a little wider on wide ones.
        centre, spread = rng.uniform(0, max(length, 1.0)), rng.uniform(1.5, 4.0) * base_px + 1.5
        width = width * (
            1 + rng.uniform(0.2, 1.0) * min(1.0, 3.0 / base_px) * np.exp(-(((arc_px - centre) / spread) ** 2))
        )
    taper = np.clip(length * rng.uniform(0.1, 0.5), 1.0, 40 * base_px)
    power = rng.uniform(0.4, 1.0)
    if tips[0]:
        width = width * np.clip(arc_px / taper, 0.02, 1) ** power
    if tips[1]:
        width = width * np.clip((length - arc_px) / taper, 0.02, 1) ** power
    return np.clip(width, *limits_px)


def strength_profile(
    rng: np.random.Generator, arc_px: FloatArray, unevenness: float, tips: tuple[bool, bool], gaps: bool
) -> FloatArray:
    """N visibilities 0..1: patchy by ``unevenness`` (0..1), fading at free tips, zero inside gaps."""
    length = float(arc_px[-1])
    noise = 0.7 * line_noise(rng, arc_px, 60.0) + 0.5 * line_noise(rng, arc_px, 14.0)
    strength = np.clip(1 - unevenness * np.clip(0.35 + 0.6 * noise, 0, None), 0.15, 1)
    fade = max(1.0, min(length * 0.25, rng.uniform(3, 50)))
    if tips[0]:
        strength = strength * np.clip(arc_px / fade, 0.1, 1)
    if tips[1]:
        strength = strength * np.clip((length - arc_px) / fade, 0.1, 1)
    if gaps:
        for _ in range(rng.poisson(length / 220)):
            centre, half = rng.uniform(0, max(length, 1.0)), rng.lognormal(1.7, 0.8)
            ramp = np.clip((np.abs(arc_px - centre) - half) / 3.0, 0, 1)
            strength = strength * ramp
    return strength


def labelled_points(
    visibility: FloatArray, arc_px: FloatArray, bridge_px: float, tips: tuple[bool, bool] = (True, True)
) -> npt.NDArray[np.bool_]:
    """Where an annotator draws the crack. ``visibility``: N values, 1 = just seen for itself, 0 = not there.

    The eye follows a line from where it is plain through where it is faint: faint points (from `_FAINT`) are
    drawn when enough of the same stretch is plain; gaps up to ``bridge_px`` are drawn through. An end that
    fades away is not drawn, unless it is no free tip (``tips``: first, last) and shorter than
    ``bridge_px``, for then it joins another line.
    """
    drawn = visibility >= _FAINT
    index = np.nonzero(drawn)[0]
    for before, after in itertools.pairwise(index):
        if after - before > 1 and arc_px[after] - arc_px[before] <= bridge_px:
            drawn[before:after] = True
    edges = np.nonzero(np.diff(np.concatenate([[0], drawn.astype(np.int8), [0]])))[0]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if (visibility[start:end] >= 1).mean() < _PLAIN_SHARE:
            drawn[start:end] = False
    index = np.nonzero(drawn)[0]
    if len(index):
        if not tips[0] and arc_px[index[0]] <= bridge_px:
            drawn[: index[0]] = True
        if not tips[1] and arc_px[-1] - arc_px[index[-1]] <= bridge_px:
            drawn[index[-1] :] = True
    return drawn
