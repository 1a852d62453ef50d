"""Draws cracks on a canvas, with the exact mask and the exact width along every centreline.

The mask holds the pixels whose centre lies within half the width of a centreline, and the chain of pixels
that the centreline passes, so that even a hairline is 8-connected. Real annotators draw thin cracks one to
three pixels wider than their dark core; ``CrackOptions.label_margin_px`` imitates that in the mask only,
the truth stays exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flawscope.data.synthetic.canvas import Canvas, CrackTruth, Float32Array, MaskArray, Material
from flawscope.data.synthetic.fill import FillStyle, paint_crack, prepare
from flawscope.data.synthetic.paths import PATHS, Branch, Roughness
from flawscope.data.synthetic.strokes import Stroke, rasterised, stroke_band
from flawscope.data.synthetic.surround import SURROUNDS
from flawscope.data.synthetic.visibility import ground_noise, narrowest_px, needed_difference, seen_difference
from flawscope.data.synthetic.widths import arc_length, labelled_points, strength_profile, width_profile

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MOSTLY = 0.85
_NET_LINES = 8
"""More lines than this make a net."""
_SHORTEST_PX = 6.0
"""Shorter visible stretches look like grains; nobody draws them."""


@dataclass(frozen=True, slots=True)
class CrackOptions:
    """What may be drawn. None leaves the choice to chance and the material."""

    count: int | None = None
    """Number of cracks (a tree or a net counts as one)."""
    path: str | None = None
    """A name of ``paths.PATHS``."""
    fill: str | None = None
    """A name of ``fill.FILLS``."""
    width_px: tuple[float, float] = (0.7, 20.0)
    """Limits of the true width."""
    contrast: tuple[float, float] = (0.12, 1.0)
    gaps: bool = True
    """Whether cracks may be interrupted."""
    bridge_px: float = 45.0
    """Annotators draw on through gaps up to this length."""
    surround: bool = True
    """Whether wet margins, broken edges and crumbs may be drawn."""
    label_margin_px: float = 0.0
    """The mask is drawn this much wider on each side; 0 = exact."""


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    stroke: Stroke
    strength: FloatArray
    tips: tuple[bool, bool]


_PATH_ODDS: Mapping[Material, Mapping[str, float]] = {
    "asphalt": {"long": 5, "tree": 4, "net": 4, "crossing": 2, "echelon": 1.5, "short": 1},
    "concrete": {"long": 5, "tree": 4, "net": 2, "crossing": 1.5, "echelon": 1, "short": 2},
    "brick": {"stair": 5, "long": 5.5, "short": 0.5, "tree": 1},
    "plaster": {"long": 4, "tree": 4, "net": 2.5, "short": 2, "crossing": 1},
    "painted-steel": {"long": 4, "short": 4, "tree": 2, "net": 1},
}
_FILL_ODDS: Mapping[Material, Mapping[str, float]] = {
    "asphalt": {"void": 4.5, "hairline": 2, "sand": 2, "dust": 4, "dirt": 1, "moss": 1.2},
    "concrete": {"void": 5, "hairline": 4, "sand": 0.4, "dust": 0.5, "dirt": 0.8, "moss": 0.6, "leached": 1},
    "brick": {"void": 9, "hairline": 1, "dirt": 0.4, "moss": 0.4, "leached": 0.4},
    "plaster": {"void": 4, "hairline": 4, "dirt": 0.8, "leached": 0.3},
    "painted-steel": {"void": 4, "hairline": 4, "dirt": 0.6},
}

_SURROUND_ODDS = {"wet": 0.12, "spalled": 0.2, "crumbs": 0.25, "settled": 0.2, "grime": 0.3}


def draw_cracks(
    rng: np.random.Generator, canvas: Canvas, mask_out: MaskArray, options: CrackOptions | None = None
) -> tuple[CrackTruth, ...]:
    """Draw cracks on ``canvas`` and set their pixels in ``mask_out`` (H x W uint8) to 1.

    Returns the drawn centrelines with their exact widths; each entry is one unbroken labelled stretch of a
    branch. Deterministic for a given state of ``rng``.
    """
    options = options or CrackOptions()
    truths: list[CrackTruth] = []
    count = options.count if options.count is not None else int(rng.choice([1, 1, 1, 1, 2, 2, 3]))
    for i in range(count):
        noise = ground_noise(canvas)
        lines = _plan(rng, canvas, noise, options, first=i == 0)
        if lines:
            drawn = _paint(rng, canvas, noise, lines, options)
            strokes = [line.stroke for line in lines]
            truths.extend(_label(canvas, mask_out, strokes, drawn, options.label_margin_px))
    return tuple(truths)


def _pick(rng: np.random.Generator, odds: Mapping[str, float]) -> str:
    weights = np.array(list(odds.values()))
    return list(odds)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _plan(
    rng: np.random.Generator, canvas: Canvas, noise: Float32Array, options: CrackOptions, first: bool
) -> list[_Line]:
    """Choose course, widths and visibility of one crack; a net comes alone or first."""
    odds = {k: v for k, v in _PATH_ODDS[canvas.material].items() if first or k != "net"}
    style = options.path or _pick(rng, odds)
    base = _base_width(rng, canvas, style, options)
    if rng.random() < _MOSTLY:
        # On coarse grain only wider cracks can be told; a few are drawn all the same.
        base = (
            min(max(base, narrowest_px(noise, canvas.grain_px)), 7.0, options.width_px[1])
            if base < 7.0
            else base
        )
    step = float(np.clip(0.3 * base, 1.0, 4.0))
    grain = max(2.0, canvas.grain_px) if canvas.material in ("asphalt", "concrete") else 2.0
    roughness = Roughness(
        wander=rng.uniform(0.03, 0.3) if canvas.material != "painted-steel" else rng.uniform(0.01, 0.12),
        hurst=rng.uniform(0.65, 1.0),
        kink_px=rng.choice([0.0, 1.0, 1.0]) * grain * rng.uniform(0.8, 2.2),
    )
    variation, unevenness = rng.uniform(0.1, 0.55), rng.choice([0.0, 0.3, 0.7])
    if style == "net" and rng.random() < 0.5:
        # Old nets: their blocks have rounded edges.
        roughness = replace(roughness, hurst=1.0, kink_px=0.0)
    lines = []
    for branch in PATHS[style](rng, canvas, roughness, step):
        if len(branch.points_xy_px) >= 3:
            lines.append(_dress(rng, branch, (base, variation, unevenness), options))
    return lines


def _base_width(rng: np.random.Generator, canvas: Canvas, style: str, options: CrackOptions) -> float:
    """Typical width: log-normal by material; openings in a wall go with the width of its joints."""
    if canvas.material == "brick" and canvas.joint_width_px > 0 and rng.random() < 0.8:
        base = canvas.joint_width_px * float(np.exp(rng.uniform(np.log(0.26), np.log(1.25))))
    else:
        median = {"asphalt": 2.8, "concrete": 2.1, "brick": 4.5, "plaster": 1.8, "painted-steel": 1.6}
        base = float(rng.lognormal(np.log(median[canvas.material]), 0.6))
    if style == "net":
        base = min(base, 6.0)
    return float(np.clip(base, options.width_px[0] * 1.1, options.width_px[1] * 0.85))


def _dress(
    rng: np.random.Generator, branch: Branch, figures: tuple[float, float, float], options: CrackOptions
) -> _Line:
    """Give a branch its width and visibility; deeper branches are thinner."""
    base, variation, unevenness = figures
    base = base * rng.uniform(0.5, 0.9) ** branch.level * rng.uniform(0.85, 1.15)
    arc = arc_length(branch.points_xy_px)
    # Wide openings have parallel walls; only fine cracks change their width a lot.
    variation = variation * float(np.clip(3.5 / base, 0.3, 1.0))
    width = width_profile(rng, arc, base, variation, branch.tips, options.width_px)
    strength = strength_profile(
        rng, arc, unevenness * min(1.0, 2.5 / base), branch.tips, options.gaps and rng.random() < 0.35
    )
    strength = strength * rng.uniform(0.75, 1.0) ** branch.level
    return _Line(Stroke(branch.points_xy_px, width), strength, branch.tips)


def _paint(
    rng: np.random.Generator,
    canvas: Canvas,
    noise: Float32Array,
    lines: Sequence[_Line],
    options: CrackOptions,
) -> list[BoolArray]:
    """Paint one crack (all its branches) and the ground beside it; returns where each can be seen."""
    strokes = [line.stroke for line in lines]
    needed = [needed_difference(noise, canvas.grain_px, stroke) for stroke in strokes]
    style = _style(rng, canvas, strokes, needed, options)
    if options.surround:
        for name, odds in _SURROUND_ODDS.items():
            if rng.random() < odds * style.contrast:
                SURROUNDS[name](rng, canvas, strokes)
    reach_px = 3.0 if style.name in ("void", "hairline") else 5.0
    band = stroke_band(strokes, canvas.size_hw, reach_px)
    strength = band.at_points(np.concatenate([line.strength for line in lines]))
    before = canvas.rgb[band.rows, band.cols]
    paint_crack(rng, prepare(rng, canvas, band, strength, style))
    steps = [float(arc_length(s.points_xy_px)[-1]) / (len(s.points_xy_px) - 1) for s in strokes]
    seen = seen_difference(band, before, canvas.rgb[band.rows, band.cols], strokes, float(np.median(steps)))
    return [
        labelled_points(
            got / need * (line.strength > 0),
            arc_length(line.stroke.points_xy_px),
            options.bridge_px,
            line.tips,
        )
        for line, got, need in zip(lines, seen, needed, strict=True)
    ]


def _style(
    rng: np.random.Generator,
    canvas: Canvas,
    strokes: Sequence[Stroke],
    needed: Sequence[FloatArray],
    options: CrackOptions,
) -> FillStyle:
    """Choose filling and contrast; never fainter than what the grain of the ground would swallow."""
    odds = dict(_FILL_ODDS[canvas.material])
    if len(strokes) > _NET_LINES:
        # Worn-out surfaces have dust enough for every crack.
        odds["dust"] = 2 * odds.get("dust", 0.0)
    name = options.fill or _pick(rng, odds)
    width = float(np.median(np.concatenate([stroke.width_px for stroke in strokes])))
    softness = rng.uniform(0.9, 1.7)
    if name == "hairline" and width > 3.5 and options.fill is None:
        name = "void"
    typical = float(np.median(np.concatenate(needed)))
    floor = 2.5 * typical / (0.8 * min(1.0, width / softness) * (0.6 if name == "hairline" else 1.0))
    if name == "void":
        # Wide openings are deep, and deep is black.
        floor = max(floor, min(0.85, width / 5 + 0.3 * (canvas.material == "brick")))
    low = min(max(options.contrast[0], floor), options.contrast[1])
    return FillStyle(
        name=name,
        contrast=float(low + (options.contrast[1] - low) * rng.random() ** 0.5),
        softness_px=softness,
        ragged_px=rng.uniform(0.1, 0.5) * min(2.5, max(1.0, canvas.grain_px * 0.6)),
        light_rad=rng.uniform(0, 2 * np.pi),
        relief=rng.uniform(0, 1),
    )


def _label(
    canvas: Canvas,
    mask_out: MaskArray,
    strokes: Sequence[Stroke],
    drawn: Sequence[BoolArray],
    margin_px: float,
) -> list[CrackTruth]:
    """Set the mask under the labelled stretches; returns those that touch the picture."""
    height, width = canvas.size_hw
    truths, wide = [], []
    for stroke, labelled in zip(strokes, drawn, strict=True):
        edges = np.nonzero(np.diff(np.concatenate([[0], labelled.astype(np.int8), [0]])))[0]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            points, widths = stroke.points_xy_px[start:end], stroke.width_px[start:end]
            inside = np.all((points > -0.5) & (points < (width - 0.5, height - 0.5)), axis=1)
            if len(points) < 3 or not inside.any() or arc_length(points)[-1] < _SHORTEST_PX:
                continue
            truths.append(CrackTruth(points, widths))
            wide.append(Stroke(points, widths + 2 * margin_px))
            rows, cols = rasterised(points, canvas.size_hw)
            mask_out[rows, cols] = 1
    band = stroke_band(wide, canvas.size_hw, 0.0)
    mask_out[band.rows, band.cols] = 1
    return truths
