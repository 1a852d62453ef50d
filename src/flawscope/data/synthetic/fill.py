"""What a crack looks like: dark void, pale hairline, sand, dust, moss, and what it does to its edges.

Every filling paints the pixels of a band on the canvas in place. Colours are linear reflectances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.local_noise import pixel_noise
from flawscope.data.synthetic.strokes import Band

_DISTINCT = 0.25
_PALE = 0.42
"""Reflectance from which dry dust no longer stands out by being brighter."""


@dataclass(frozen=True, slots=True)
class FillStyle:
    """Choices for one crack."""

    name: str = "void"
    contrast: float = 1.0
    """0 invisible .. 1 full."""
    softness_px: float = 1.2
    """Width of the optical edge."""
    ragged_px: float = 0.4
    """How far the drawn edge strays from the exact one, at the grain's size."""
    light_rad: float = 0.8
    """Direction the light comes from, on the picture."""
    relief: float = 0.5
    """0 flat .. 1 deep: dent, lit far edge, raised lips."""


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """A band with what all fillings need: how much of each pixel is crack, and how visible."""

    canvas: Canvas
    band: Band
    style: FillStyle
    cover: Float32Array
    """0..1 share of the pixel that is crack, before contrast."""
    strength: Float32Array
    """0..1 visibility along the crack."""
    lit: Float32Array
    """-1..1: +1 where the pixel lies on the side away from the light, which the light strikes."""

    @property
    def alpha(self) -> Float32Array:
        """Opacity of the filling in linear light, where half of the contrast as seen is more than half."""
        opacity = 1 - (1 - self.strength * np.float32(self.style.contrast)) ** 2
        return np.asarray(self.cover * opacity, dtype=np.float32)


def prepare(
    rng: np.random.Generator, canvas: Canvas, band: Band, strength: Float32Array, style: FillStyle
) -> Paint:
    """Work out cover and lighting of a band; ``strength`` is per pixel."""
    grain = max(1.2, canvas.grain_px)
    jitter = style.ragged_px * pixel_noise(rng, band.rows, band.cols, grain)
    jitter += 0.5 * style.ragged_px * pixel_noise(rng, band.rows, band.cols, max(1.0, grain / 2.5))
    # A ragged edge may eat at most part of a thin line, else hairlines would break where the mask goes on.
    limit = 0.3 * band.width_px
    distance = np.maximum(band.distance_px + np.clip(jitter, -limit, limit), 0).astype(np.float32)
    cover = band.coverage(style.softness_px, distance)
    lit = -(band.away_x * np.cos(style.light_rad) + band.away_y * np.sin(style.light_rad))
    return Paint(canvas, band, style, cover, strength, lit.astype(np.float32))


def paint_crack(rng: np.random.Generator, paint: Paint) -> None:
    """Draw the crack with the filling that its style names, then its relief."""
    FILLS[paint.style.name](rng, paint)
    _relieve(paint)


def blend(paint: Paint, alpha: Float32Array, colour: Float32Array) -> None:
    """Mix ``colour`` (3 or P x 3) over the band's pixels with opacity ``alpha`` (P)."""
    rows, cols = paint.band.rows, paint.band.cols
    ground = paint.canvas.rgb[rows, cols]
    paint.canvas.rgb[rows, cols] = ground + alpha[:, None] * (np.asarray(colour, np.float32) - ground)


def shade(paint: Paint, factor: Float32Array) -> None:
    """Multiply the band's pixels by ``factor`` (P)."""
    paint.canvas.rgb[paint.band.rows, paint.band.cols] *= factor[:, None]


def void(rng: np.random.Generator, paint: Paint) -> None:
    """An open crack: nearly black inside, its lit wall showing when it is wide."""
    band = paint.band
    dark = np.float32(rng.uniform(0.004, 0.035))
    tint = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.7, 1.0)], np.float32)
    depth = np.clip(band.width_px / 8, 0, 1) * np.clip(
        2 * band.distance_px / np.maximum(band.width_px, 1), 0, 1
    )
    ground = paint.canvas.rgb[band.rows, band.cols]
    wall = rng.uniform(0.0, 0.5) * np.clip(paint.lit, 0, 1) * depth
    wall *= 0.6 + 0.4 * pixel_noise(rng, band.rows, band.cols, 4.0)
    blend(paint, paint.alpha, (dark * tint + ground * np.clip(wall, 0, 1)[:, None]).astype(np.float32))


def hairline(rng: np.random.Generator, paint: Paint) -> None:
    """A shallow crack: the ground a little darker, no black core."""
    loss = np.float32(rng.uniform(0.45, 0.9))
    shade(paint, (1 - loss * paint.alpha).astype(np.float32))


def sand(rng: np.random.Generator, paint: Paint) -> None:
    """Filled to the brim with sand or dirt, mostly brighter than the ground; open and dark in places."""
    band = paint.band
    _partly_open(rng, paint, rng.uniform(-0.9, 0.1))
    hue = np.array([0.33, 0.27, 0.185], np.float32)
    hue = hue * (rng.uniform(0.92, 1.08, 3) * rng.lognormal(0.0, 0.3)).astype(np.float32)
    mean = paint.canvas.rgb[band.rows, band.cols].mean() if len(band.rows) else 0.2
    colour = (0.75 * hue + 0.25 * mean).astype(np.float32)
    if abs(colour.mean() / max(mean, 1e-3) - 1) < _DISTINCT:
        # Sand as bright as the ground tells nobody anything; dry sand is the brighter, damp sand the darker.
        colour *= np.float32(
            rng.uniform(1.35, 1.8) if mean < 0.3 or rng.random() < 0.5 else rng.uniform(0.5, 0.65)
        )
    grains = (
        1 + 0.16 * rng.standard_normal(len(band.rows)) + 0.22 * pixel_noise(rng, band.rows, band.cols, 5.0)
    )
    patches = np.clip(0.9 + 0.8 * pixel_noise(rng, band.rows, band.cols, rng.uniform(8, 40)), 0.15, 1)
    # Sand spills over the edge: its cover is wider and softer than the opening.
    spill = np.float32(rng.uniform(0.5, 3.0))
    reach = np.clip(1 - np.maximum(band.signed_px, 0) / spill, 0, 1) ** 2
    cover = np.maximum(paint.cover, 0.55 * reach * rng.uniform(0.1, 0.9))
    alpha = cover * paint.strength * patches * np.float32(min(1.0, 0.35 + paint.style.contrast))
    blend(paint, alpha.astype(np.float32), (colour * grains[:, None]).astype(np.float32))


def dust(rng: np.random.Generator, paint: Paint) -> None:
    """Full of pale dry sand all along, dust swept over the edges; one edge may be dark, parts open."""
    band = paint.band
    ground = paint.canvas.rgb[band.rows, band.cols]
    mean = ground.mean(axis=0) if len(ground) else np.full(3, 0.2, np.float32)
    tint = np.array([1.0, rng.uniform(0.86, 0.99), rng.uniform(0.6, 0.97)])
    grey = mean.mean() + rng.uniform(0, 0.6) * (mean - mean.mean())
    # In linear light; 1.25 to 1.7 times as bright as seen. On pale ground dust is the darker.
    pale = float(mean.mean()) > _PALE
    level = np.minimum(grey * (rng.uniform(0.35, 0.55) if pale else rng.uniform(1.6, 3.2)), 0.85)
    patches = np.clip(1 + 0.5 * pixel_noise(rng, band.rows, band.cols, rng.uniform(10, 60)), 0.5, 1)
    reach = np.clip(1 - np.maximum(band.signed_px, 0) / rng.uniform(1.0, 5.0), 0, 1) ** 2
    speckle = np.clip(0.6 + pixel_noise(rng, band.rows, band.cols, 2.5), 0, 1)
    swept = rng.uniform(0.0, 0.6) * reach * speckle
    opacity = paint.strength * patches * np.float32(min(1.0, 0.5 + 0.6 * paint.style.contrast))
    grains = 1 + 0.12 * rng.standard_normal(len(band.rows))
    grains += 0.12 * pixel_noise(rng, band.rows, band.cols, 4.0)
    sandy = (level * tint)[None, :] * np.clip(grains, 0.4, 1.6)[:, None]
    blend(paint, (np.maximum(paint.cover, swept) * opacity).astype(np.float32), sandy.astype(np.float32))
    if rng.random() < 0.4:
        # The same crack, washed out further along.
        open_here = 3 * (
            pixel_noise(rng, band.rows, band.cols, rng.uniform(30, 120)) - rng.uniform(-0.2, 0.5)
        )
        shade(paint, (1 - 0.9 * paint.cover * paint.strength * np.clip(open_here, 0, 1)).astype(np.float32))
    if rng.random() < 0.6:
        # The slab beside it stands higher: a dark line along one edge, in places.
        edge = np.exp(-((band.signed_px / rng.uniform(0.7, 1.5)) ** 2))
        edge *= np.clip(band.side * rng.choice([-1, 1]), 0, 1)
        edge *= np.clip(0.3 + 1.5 * pixel_noise(rng, band.rows, band.cols, 30.0), 0, 1)
        shade(paint, (1 - rng.uniform(0.2, 0.85) * edge * paint.strength).astype(np.float32))


def moss(rng: np.random.Generator, paint: Paint) -> None:
    """Overgrown: olive to brown, speckled, spreading in patches."""
    band = paint.band
    _partly_open(rng, paint, rng.uniform(-0.3, 0.6))
    olive, brown = np.array([0.13, 0.13, 0.045]), np.array([0.2, 0.125, 0.06])
    hue = (olive + rng.random() * (brown - olive)) * rng.uniform(0.5, 1.7)
    speckle = (
        1 + 0.3 * rng.standard_normal(len(band.rows)) + 0.3 * pixel_noise(rng, band.rows, band.cols, 3.0)
    )
    patches = np.clip(0.7 + 1.2 * pixel_noise(rng, band.rows, band.cols, rng.uniform(10, 50)), 0, 1)
    fringe = np.clip(1 - np.maximum(band.signed_px, 0) / rng.uniform(1.0, 5.0), 0, 1) ** 2
    alpha = np.maximum(paint.cover, 0.6 * fringe) * paint.strength * patches
    alpha *= np.float32(min(1.0, 0.3 + paint.style.contrast))
    blend(paint, alpha.astype(np.float32), (hue * np.clip(speckle, 0.3, 2)[:, None]).astype(np.float32))


def dirt(rng: np.random.Generator, paint: Paint) -> None:
    """Silted up: close to the ground's own brightness, told by its hue and its missing grain."""
    band = paint.band
    ground = paint.canvas.rgb[band.rows, band.cols]
    mean = ground.mean(axis=0) if len(ground) else np.full(3, 0.2)
    colour = mean * rng.uniform(0.45, 1.25) * np.array([1.08, 1.0, rng.uniform(0.7, 0.95)])
    _partly_open(rng, paint, rng.uniform(-0.6, 0.3))
    blotch = 1 + 0.15 * pixel_noise(rng, band.rows, band.cols, 6.0)
    blend(paint, (paint.alpha * 0.9).astype(np.float32), (colour * blotch[:, None]).astype(np.float32))


def leached(rng: np.random.Generator, paint: Paint) -> None:
    """Efflorescence: a white crust around a dark hairline, on concrete and brick."""
    band = paint.band
    crust = np.clip(1 - np.maximum(band.signed_px, 0) / rng.uniform(2.0, 6.0), 0, 1)
    crust *= np.clip(0.3 + 1.3 * pixel_noise(rng, band.rows, band.cols, rng.uniform(5, 25)), 0, 1)
    white = np.float32(rng.uniform(0.45, 0.8)) * np.array([1.0, 0.98, 0.93], np.float32)
    blend(paint, (crust * paint.strength * rng.uniform(0.3, 0.8)).astype(np.float32), white)
    void(rng, paint)


def _partly_open(rng: np.random.Generator, paint: Paint, openness: float) -> None:
    """A dark slit under or beside the filling, where noise plus ``openness`` is positive."""
    band = paint.band
    open_here = np.clip(2 * (openness + pixel_noise(rng, band.rows, band.cols, rng.uniform(15, 60))), 0, 1)
    shade(paint, (1 - 0.85 * paint.alpha * open_here).astype(np.float32))
    # The filling has settled: one edge stays dark.
    edge = np.exp(-((band.signed_px / 1.2) ** 2)) * np.clip(band.side * rng.choice([-1, 1]), 0, 1)
    shade(paint, (1 - rng.uniform(0, 0.7) * edge * paint.strength * paint.style.contrast).astype(np.float32))


def _relieve(paint: Paint) -> None:
    """Dent the surface, raise a lip, brighten the edge that faces the light."""
    band, style = paint.band, paint.style
    weight = paint.strength * np.float32(style.contrast * style.relief)
    filled = style.name in ("sand", "dust", "dirt", "moss")
    depth = np.minimum(0.35 * band.width_px, 2.5) * (0.4 if filled else 1.0)
    lip = np.exp(-np.maximum(band.signed_px, 0) / 2.0) * (1 - paint.cover)
    paint.canvas.height[band.rows, band.cols] += weight * (0.25 * lip - depth * paint.cover)
    bright = np.clip(paint.lit, -0.3, 1) * lip * np.clip(band.width_px / 3, 0.15, 1)
    shade(paint, (1 + 0.45 * weight * bright).astype(np.float32))


FILLS: dict[str, Callable[[np.random.Generator, Paint], None]] = {
    "void": void,
    "hairline": hairline,
    "sand": sand,
    "dust": dust,
    "moss": moss,
    "dirt": dirt,
    "leached": leached,
}
"""Fillings by name."""
