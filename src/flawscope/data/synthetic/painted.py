"""Draws cracks on photographs: the ground, its light and its dirt are real, the cracks are not.

A network that learns from few photographs knows their cracks by heart, and cracks that are wider, paler or
filled with something else pass it by. Cracks of all kinds drawn on the same ground cure that. What a
photograph shows and its mask says stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import distance_transform_edt

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array, Material, SynthImage
from flawscope.data.synthetic.concrete import draw_mask, visible
from flawscope.data.synthetic.cracks import CrackOptions, draw_cracks
from flawscope.data.synthetic.distractors import Stage, check_names, draw_distractors, stage_of
from flawscope.errors import UsageError
from flawscope.types import Mask, RgbImage

LEAST_PX = 32
"""Sides that a photograph must have for cracks to be drawn on it."""
_STREAM = 11
"""Random numbers of their own, apart from those of other kinds."""
_GAMMA = 2.2
"""Light that a value of a picture file stands for, nearly."""
_GRAIN_PX = (1.0, 6.0)
_WIDTHS_PX = (1.5, 12.0)
"""Typical widths, even on a logarithmic axis: as many wide cracks as fine ones."""
_SPREAD = (0.6, 1.5)
"""Of the typical width: limits within one picture."""
_KEPT_PX = 2.5
"""Distractors leave so much of the photograph beside a label."""
_MATERIALS: tuple[Material, ...] = ("asphalt", "concrete", "plaster")
"""Whose courses and fillings are drawn; a wall's would follow joints that nobody has pointed out."""


def paint_cracks(
    seed: int,
    image: RgbImage,
    mask: Mask,
    options: CrackOptions | None = None,
    distractors: Mapping[str, float] | None = None,
) -> SynthImage:
    """Draw cracks on a photograph; the same bytes for the same arguments.

    Without ``options`` one crack (a tree or a net counts as one) of 1.5 to 12 px typical width is drawn, of
    any course and filling. What cannot be told from its ground is not labelled. ``cracks`` of the result
    holds the drawn ones only, ``mask`` (H x W uint8) also what ``mask`` held.

    ``distractors`` are drawn without a label: before the cracks, which then break them, or after them. What
    ``mask`` marks stays to be seen.

    :param image: H x W x 3 uint8 RGB, at least 32 px a side.
    :param mask: H x W uint8; pixels with a value other than 0 keep it, drawn cracks become 1.
    :param distractors: names of ``distractors.DISTRACTORS`` and the share of pictures that show them, 0..1.
    :raises UsageError: a negative seed, a picture that is too small, a mask of another size, an unknown
        distractor.
    """
    _check(seed, image, mask)
    check_names(tuple(distractors or ()), "distractors")
    rng = np.random.default_rng([_STREAM, seed])
    chosen = options or _any_crack(rng)
    ground = (image.astype(np.float32) / 255.0) ** np.float32(_GAMMA)
    material = _MATERIALS[int(rng.integers(len(_MATERIALS)))]
    canvas = Canvas(ground, np.zeros(mask.shape, np.float32), material, grain_px=grain_px(image))
    others = np.random.default_rng([_STREAM, seed, 1])
    names = [name for name, share in (distractors or {}).items() if others.random() < share]
    _fool(others, canvas, mask, names, "before", ())
    drawn = draw_cracks(rng, canvas, np.zeros(mask.shape, np.uint8), chosen)
    _fool(others, canvas, mask, names, "after", drawn)
    values = np.clip(canvas.rgb, 0.0, 1.0) ** np.float32(1.0 / _GAMMA) * 255.0
    # Where nothing was drawn the photograph stays as it is, to the bit.
    touched = np.abs(values - image) > 0.5
    painted = np.where(touched, np.rint(values), image).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(painted).filter(ImageFilter.BoxBlur(1)))
    seen = tuple(crack for crack in drawn if visible(crack, smooth))
    truth = draw_mask(seen, (mask.shape[0], mask.shape[1]), chosen.label_margin_px)
    labels = np.where((mask == 0) & (truth == 1), 1, mask).astype(np.uint8)
    recipe = {"kind": "painted", "seed": seed, "hidden_cracks": len(drawn) - len(seen), "material": material}
    recipe["distractors"] = names
    return SynthImage(painted, labels, seen, recipe)


def _fool(
    rng: np.random.Generator,
    canvas: Canvas,
    mask: Mask,
    names: Sequence[str],
    stage: Stage,
    cracks: Sequence[CrackTruth],
) -> None:
    """Draw distractors of a stage, and put back what ``mask`` marks, with a soft edge of two pixels."""
    names = [name for name in names if stage_of(name) == stage]
    if not names:
        return
    before = canvas.rgb.copy()
    draw_distractors(rng, canvas, cracks, stage, always=names, others=False)
    if mask.any():
        away_px = distance_transform_edt(mask == 0).astype(np.float32)
        kept = np.clip((_KEPT_PX - away_px) / 2 + 0.5, 0, 1)[..., None]
        canvas.rgb += kept * (before - canvas.rgb)


def grain_px(image: RgbImage) -> float:
    """Typical diameter of the grain of a photograph in px, 1 to 6.

    The ratio of the standard deviation of a texture to that of its slope is the distance over which it
    changes; medians over tiles keep edges and shadows out of it.
    """
    grey = image.astype(np.float32).mean(axis=2)
    tiles = [_scatter(tile) for tile in _tiles(grey, 32)]
    lengths = [deviation / slope for deviation, slope in tiles if slope > 0]
    return float(np.clip(np.median(lengths), *_GRAIN_PX)) if lengths else _GRAIN_PX[0]


def _tiles(grey: Float32Array, side_px: int) -> list[Float32Array]:
    rows, cols = (range(0, max(1, edge - side_px + 1), side_px) for edge in grey.shape)
    return [grey[y : y + side_px, x : x + side_px] for y in rows for x in cols]


def _scatter(tile: Float32Array) -> tuple[float, float]:
    slope = np.hypot(np.diff(tile, axis=0)[:, :-1], np.diff(tile, axis=1)[:-1])
    return float(tile.std()), float(np.sqrt(np.mean(slope**2) / 2))


def _any_crack(rng: np.random.Generator) -> CrackOptions:
    typical = float(np.exp(rng.uniform(*np.log(_WIDTHS_PX))))
    low, high = (typical * share for share in _SPREAD)
    # Half a pixel on each side is what annotators add to a crack's dark core.
    return replace(CrackOptions(), count=1, width_px=(low, high), contrast=(0.12, 0.8), label_margin_px=0.5)


def _check(seed: int, image: RgbImage, mask: Mask) -> None:
    if seed < 0:
        raise UsageError(f"The seed is {seed}.\nExpected a whole number from 0 on.")
    if mask.shape != image.shape[:2]:
        raise UsageError(
            f"The mask has the shape {mask.shape}, the photograph {image.shape[:2]} pixels.\n"
            "Expected one plane of the same size."
        )
    if min(mask.shape) < LEAST_PX:
        raise UsageError(
            f"The photograph has {mask.shape[0]} x {mask.shape[1]} pixels; "
            f"cracks are drawn from {LEAST_PX} x {LEAST_PX} on."
        )
