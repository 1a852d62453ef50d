"""The composer of kind ``concrete``: concrete, asphalt, brick, plaster and painted steel, cracked or clean.

A picture is laid on a canvas of its own scale (coarser or finer than the result), cracked, lit, resized once
and photographed. Each step draws from its own random stream, so that a change to one leaves the others alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from flawscope.data.synthetic import camera, textures
from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array, MaskArray, PointsXY, SynthImage
from flawscope.data.synthetic.cracks import CrackOptions, draw_cracks
from flawscope.data.synthetic.distractors import check_names, draw_distractors
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.strokes import Stroke, rasterised, stroke_band
from flawscope.data.synthetic.textures.patchwork import blank, join
from flawscope.errors import UsageError

_STREAM = 1
"""Changes every picture of this kind; raise it only when old seeds may be given up."""

_LEAST_STEP, _LEAST_SHARE = 3.0, 0.28
"""A crack is labelled when it differs by this many grey levels and this share of the scatter along it."""
_PIECE_POINTS = 24
"""A crack that is dark here and pale there is judged by pieces of this many points."""

MIN_SIDE_PX = 32
MAX_SIDE_PX = 8192


@dataclass(frozen=True, slots=True)
class ConcreteOptions:
    """What pictures of kind ``concrete`` hold. Shares are probabilities in 0..1."""

    clean_share: float = 0.17
    """Pictures without any crack."""
    materials: Mapping[str, float] = field(
        default_factory=lambda: {
            "asphalt": 0.5,
            "brick": 0.2,
            "concrete": 0.16,
            "plaster": 0.06,
            "painted-steel": 0.04,
            "rubble": 0.04,
        }
    )
    """Relative frequency of the surfaces, names of `textures.TEXTURES`."""
    patch_share: float = 0.1
    """Pictures in which a second surface covers a part."""
    rescale_share: float = 0.45
    """Pictures painted at another scale and resized."""
    distractors: bool = True
    """Whether joints, stains, shadows and the like are painted."""
    always: tuple[str, ...] = ()
    """Distractors that every picture has, names of `distractors.DISTRACTORS`; also where no others are."""
    cracks: CrackOptions | None = None
    """How cracks are drawn; None: as the material suggests."""


def render_concrete(
    seed: int, size_hw: tuple[int, int], options: ConcreteOptions | None = None
) -> SynthImage:
    """One picture with its exact truth; the same bytes for the same arguments, whatever was drawn before.

    ``size_hw`` is the result's height and width in px. Raises UsageError for sizes outside 32..8192 px, a
    negative seed, an unknown material or shares outside 0..1.
    """
    options = options or ConcreteOptions()
    check_request(seed, size_hw)
    _check_options(options)
    surface_rng, before_rng, crack_rng, after_rng, camera_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence([_STREAM, seed]).spawn(5)
    )
    zoom = _zoom(surface_rng, options)
    canvas_hw = (math.ceil(size_hw[0] * zoom), math.ceil(size_hw[1] * zoom))
    clean = chance(crack_rng, options.clean_share)
    canvas = _surface(surface_rng, canvas_hw, options)
    recipe: dict[str, Any] = {"kind": "concrete", "seed": seed, "zoom": round(zoom, 3), "clean": clean}
    drawn: list[str] = []
    marked = options.distractors or bool(options.always)
    if marked:
        drawn += draw_distractors(before_rng, canvas, (), "before", options.always, options.distractors)
    cracks: tuple[CrackTruth, ...] = ()
    if not clean:
        cracks = draw_cracks(crack_rng, canvas, np.zeros(canvas_hw, np.uint8), options.cracks)
    if marked:
        drawn += draw_distractors(after_rng, canvas, cracks, "after", options.always, options.distractors)
    scene = camera.light(camera_rng, canvas)
    if zoom != 1:
        scene = _resized(scene, size_hw, zoom)
        cracks = tuple(crack.scaled(1 / zoom) for crack in cracks)
    crisp = 0.75 if canvas.material == "asphalt" else 0.4
    # Walls are photographed in better light than roads.
    image, steps = camera.photograph(camera_rng, scene, crisp, 0.33 if canvas.material == "brick" else 0.25)
    smooth = np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(1)))
    seen = tuple(crack for crack in cracks if visible(crack, smooth))
    mask = draw_mask(seen, size_hw, options.cracks.label_margin_px if options.cracks else 0.0)
    recipe["hidden_cracks"] = len(cracks) - len(seen)
    recipe.update(material=canvas.material, surface=canvas.notes, distractors=drawn, camera=steps)
    return SynthImage(image, mask, seen, recipe)


def visible(crack: CrackTruth, image: npt.NDArray[np.uint8]) -> bool:
    """Whether a crack can be told from its surroundings in the finished picture (H x W x 3 uint8, smoothed).

    Nobody would label what grain, blur or shadow swallowed. Compares the centreline with two lines beside it,
    in every colour channel; their mean difference must stand out from the scatter of the differences.
    """
    h, w = image.shape[:2]
    points = crack.points_xy_px
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    side = np.column_stack([-along[:, 1], along[:, 0]]) * (crack.width_px / 2 + 3.0)[:, None]

    def colours_at(where: PointsXY) -> npt.NDArray[np.float32]:
        cols, rows = np.clip(np.rint(where), 0, (w - 1, h - 1)).astype(np.intp).T
        return np.asarray(image[rows, cols], np.float32)

    inside = np.all((points > -0.5) & (points < (w - 0.5, h - 0.5)), axis=1)
    if not inside.any():
        return False
    beside = (colours_at(points + side) + colours_at(points - side)) / 2
    difference = (beside - colours_at(points))[inside]
    needed = np.maximum(_LEAST_STEP, _LEAST_SHARE * difference.std(axis=0))
    if np.any(np.abs(difference.mean(axis=0)) > needed):
        return True
    count = len(difference) // _PIECE_POINTS
    pieces = difference[: count * _PIECE_POINTS].reshape(count, _PIECE_POINTS, 3).mean(axis=1)
    # Short pieces stray by chance, so more is asked of them.
    return bool(count > 1 and np.any(np.median(np.abs(pieces), axis=0) > 2 * needed))


def draw_mask(cracks: tuple[CrackTruth, ...], size_hw: tuple[int, int], margin_px: float = 0.0) -> MaskArray:
    """H x W uint8, 1 where a pixel's centre lies within half the width (plus margin) of a centreline.

    The pixels that the centreline passes are always set, so that hairlines stay connected.
    """
    mask = np.zeros(size_hw, np.uint8)
    for crack in cracks:
        rows, cols = rasterised(crack.points_xy_px, size_hw)
        mask[rows, cols] = 1
    band = stroke_band([Stroke(c.points_xy_px, c.width_px + 2 * margin_px) for c in cracks], size_hw, 0.0)
    mask[band.rows, band.cols] = 1
    return mask


def check_request(seed: int, size_hw: tuple[int, int]) -> None:
    """Raises UsageError for a negative seed or a side outside 32..8192 px."""
    if seed < 0:
        raise UsageError(f"The seed is {seed}.\nExpected a whole number from 0 on.")
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size_hw):
        raise UsageError(
            f"The size is {size_hw[0]}x{size_hw[1]} px.\nExpected {MIN_SIDE_PX} to {MAX_SIDE_PX} px a side."
        )


def _check_options(options: ConcreteOptions) -> None:
    for name in ("clean_share", "patch_share", "rescale_share"):
        value = getattr(options, name)
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is {value}; expected a share from 0 to 1.")
    check_names(options.always, "always")
    unknown = sorted(set(options.materials) - set(textures.TEXTURES))
    if unknown or sum(options.materials.values()) <= 0 or min(options.materials.values()) < 0:
        found = f"unknown: {', '.join(unknown)}" if unknown else "no positive share"
        raise UsageError(
            f"materials has {found}.\nExpected shares for some of: {', '.join(textures.TEXTURES)}."
        )


def _zoom(rng: np.random.Generator, options: ConcreteOptions) -> float:
    """Canvas px a result px: above 1 the picture is scaled down, below 1 it is enlarged (and soft)."""
    if not chance(rng, options.rescale_share):
        return 1.0
    return log_uniform(rng, 1.05, 1.5) if chance(rng, 0.5) else log_uniform(rng, 0.55, 0.95)


def _surface(rng: np.random.Generator, size_hw: tuple[int, int], options: ConcreteOptions) -> Canvas:
    names = list(options.materials)
    weights = np.array([options.materials[name] for name in names], np.float64)
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    canvas = textures.TEXTURES[name](rng, size_hw)
    if chance(rng, 0.4 * options.patch_share):
        canvas.notes["blank"] = blank(rng, canvas)
    if chance(rng, options.patch_share):
        # The same kind more often than another: repairs are asphalt in asphalt.
        second = name if chance(rng, 0.5) else names[int(rng.integers(len(names)))]
        canvas.notes["patch"] = second
        canvas.notes["border"] = join(rng, canvas, textures.TEXTURES[second](rng, size_hw))
    np.clip(canvas.rgb, 0.004, 1.0, out=canvas.rgb)
    return canvas


def _resized(scene: Float32Array, size_hw: tuple[int, int], zoom: float) -> Float32Array:
    h, w = size_hw
    box = (0.0, 0.0, w * zoom, h * zoom)
    method = Image.Resampling.BILINEAR if zoom > 1 else Image.Resampling.BICUBIC
    planes = [
        np.array(Image.fromarray(np.ascontiguousarray(scene[..., c])).resize((w, h), method, box), np.float32)
        for c in range(3)
    ]
    return np.maximum(np.stack(planes, axis=-1), 0)
