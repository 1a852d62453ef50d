"""Where cracks run: centrelines of single lines, trees, nets and stairs, without any width or colour.

All functions return polylines N x 2 float64 (x, y) in px, pixel centres on whole numbers; lines may leave the
picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import QhullError, Voronoi

from flawscope.data.synthetic.canvas import Canvas, PointsXY
from flawscope.data.synthetic.joint_paths import stair_path
from flawscope.data.synthetic.local_noise import line_noise
from flawscope.data.synthetic.widths import arc_length

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One line of a crack."""

    points_xy_px: PointsXY
    level: int = 0
    """0 main line, 1 branch of it, 2 twig: deeper lines are thinner and paler."""
    tips: tuple[bool, bool] = (False, False)
    """Whether the first and the last end taper out in the surface."""


@dataclass(frozen=True, slots=True)
class Roughness:
    """How a line deviates from straight."""

    wander: float = 0.12
    """Amplitude of the coarsest bend over its length."""
    hurst: float = 0.8
    """Fractal exponent: 1 smooth, 0.5 jagged."""
    kink_px: float = 0.0
    """Size of the grains it goes round; 0 for none."""


def resample(points_xy_px: PointsXY, step_px: float) -> PointsXY:
    """The same line with points about ``step_px`` apart; both ends are kept."""
    arc = arc_length(points_xy_px)
    count = max(2, int(np.ceil(arc[-1] / step_px)) + 1)
    at = np.linspace(0, arc[-1], count)
    return np.column_stack([np.interp(at, arc, points_xy_px[:, 0]), np.interp(at, arc, points_xy_px[:, 1])])


def rough_line(
    rng: np.random.Generator, guide_xy_px: PointsXY, roughness: Roughness, step_px: float
) -> PointsXY:
    """Roughen a guide: octaves of displacement across it (pinned at its ends), then kinks round grains."""
    line = resample(guide_xy_px, step_px)
    arc = arc_length(line)
    length = float(arc[-1])
    if length < 4 * step_px:
        return line
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    across, along = np.zeros(len(line)), np.zeros(len(line))
    # The largest bend takes a third of the line; a line that is long for the picture wanders several times.
    spacing = min(length / 2.5, 240.0) * rng.uniform(0.7, 1.3)
    top = spacing
    while spacing > 1.5 * step_px:
        amplitude = roughness.wander * top * (spacing / top) ** roughness.hurst * 0.5
        across += amplitude * line_noise(rng, arc, spacing)
        along += 0.4 * amplitude * line_noise(rng, arc, spacing) * (spacing < 30)
        spacing /= 2
    pin = np.clip(np.minimum(arc, length - arc) / min(0.2 * length, 40.0), 0, 1)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    line = line + (across * pin)[:, None] * normal + (along * pin)[:, None] * tangent
    if roughness.kink_px > 0:
        line = _kinked(rng, line, roughness.kink_px)
    return resample(line, step_px)


def _kinked(rng: np.random.Generator, line: PointsXY, grain_px: float) -> PointsXY:
    """Straight pieces of about a grain's length with corners between them, as round hard grains."""
    arc = arc_length(line)
    steps = rng.uniform(0.5, 1.5, max(2, int(arc[-1] / grain_px * 2) + 2)) * grain_px
    at = np.cumsum(steps)
    at = np.concatenate([[0.0], at[at < arc[-1] - 0.3 * grain_px], [arc[-1]]])
    corners = np.column_stack([np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])])
    corners[1:-1] += rng.normal(0, 0.3 * grain_px, (len(corners) - 2, 2))
    return corners


def crossing_guide(
    rng: np.random.Generator, size_hw: tuple[int, int], margin_px: float = 20.0, upright: float = 0.0
) -> PointsXY:
    """A straight guide across the whole picture, through a random point at a random angle.

    ``upright``: share of guides that run nearly top to bottom.
    """
    height, width = size_hw
    centre = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height])
    angle = rng.uniform(0, np.pi)
    if rng.random() < 0.4:
        # Roads and walls crack along and across their axis more than at other angles.
        angle = rng.normal(rng.integers(0, 2) * np.pi / 2, 0.2)
    if upright > 0 and rng.random() < upright:
        angle = rng.normal(np.pi / 2, 0.3)
    direction = np.array([np.cos(angle), np.sin(angle)])
    reach = [np.inf, np.inf]
    for i, sign in enumerate((-1.0, 1.0)):
        for axis, size in ((0, width), (1, height)):
            speed = sign * direction[axis]
            if abs(speed) > 1e-9:
                edge = size + margin_px if speed > 0 else -margin_px
                reach[i] = min(reach[i], (edge - centre[axis]) / speed)
    return np.array([centre - direction * reach[0], centre + direction * reach[1]])


def long_line(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """One meandering line across the picture; sometimes it ends inside."""
    # Walls part along the bricks: most of their cracks go up, few lie level like joints and their shadows.
    guide = crossing_guide(rng, canvas.size_hw, upright=0.75 if canvas.material == "brick" else 0.0)
    tips = [False, False]
    for end in (0, 1):
        if rng.random() < 0.25:
            guide[end] += (guide[1 - end] - guide[end]) * rng.uniform(0.15, 0.45)
            tips[end] = True
    return [Branch(rough_line(rng, guide, roughness, step_px), 0, (tips[0], tips[1]))]


def short_line(
    rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float
) -> list[Branch]:
    """A line with both tips inside the picture."""
    guide = crossing_guide(rng, canvas.size_hw, 0.0)
    middle, share = rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.3)
    ends = np.array([[middle - share], [middle + share]])
    return [
        Branch(rough_line(rng, guide[0] + ends * (guide[1] - guide[0]), roughness, step_px), 0, (True, True))
    ]


def tree(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """A main line with branches, twigs and forks near its end."""
    trunk = long_line(rng, canvas, roughness, step_px)[0]
    branches = [trunk]
    size = min(canvas.size_hw)
    for _ in range(rng.integers(1, 6)):
        # Nested: a branch may start from any earlier one.
        parent = branches[int(rng.integers(0, min(len(branches), 3)))]
        twig = _twig(rng, parent, size * rng.lognormal(-1.6, 0.6), roughness, step_px)
        if twig is not None:
            branches.append(twig)
    return branches


def _twig(
    rng: np.random.Generator, parent: Branch, length_px: float, roughness: Roughness, step_px: float
) -> Branch | None:
    points = parent.points_xy_px
    if len(points) < 12:
        return None
    at = int(rng.integers(4, len(points) - 4))
    ahead = points[min(at + 8, len(points) - 1)] - points[max(at - 8, 0)]
    angle = np.arctan2(ahead[1], ahead[0]) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.5)
    if rng.random() < 0.5:
        angle += np.pi
    end = points[at] + length_px * np.array([np.cos(angle), np.sin(angle)])
    bend = (points[at] + end) / 2 + rng.normal(0, 0.12 * length_px, 2)
    guide = np.array([points[at], bend, end])
    return Branch(rough_line(rng, guide, roughness, step_px), parent.level + 1, (False, True))


def echelon(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """A line that ends while its continuation starts beside it, overlapping a little."""
    guide = resample(crossing_guide(rng, canvas.size_hw), 4.0)
    pieces = int(rng.integers(2, 5))
    cuts = np.concatenate(
        [[0], np.sort(rng.integers(8, max(9, len(guide) - 8), pieces - 1)), [len(guide) - 1]]
    )
    line, branches = rough_line(rng, guide, roughness, step_px), []
    normal = (
        (guide[-1] - guide[0])[::-1] * np.array([-1, 1]) / max(float(np.hypot(*(guide[-1] - guide[0]))), 1e-9)
    )
    for i, (start, end) in enumerate(itertools.pairwise(cuts)):
        lap = int(rng.integers(0, 8))
        first = int(max(0, start - lap) / len(guide) * len(line))
        last = int(min(len(guide), end + lap) / len(guide) * len(line))
        if last - first > 8:
            points = line[first:last] + normal * rng.normal(0, 5.0)
            branches.append(Branch(points, 0, (i > 0, i < pieces - 1)))
    return branches


def crossing(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """Two or three long lines that cross or meet: longitudinal and transverse cracks of a road."""
    count = int(rng.integers(2, 4))
    lines = [long_line(rng, canvas, roughness, step_px)[0] for _ in range(count)]
    return [replace(line, level=min(i, 1)) for i, line in enumerate(lines)]


def net(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """Alligator or block cracking: cells of a random mosaic, over all of the picture or a patch of it."""
    height, width = canvas.size_hw
    cell = max(min(height, width) * rng.uniform(0.12, 0.45), 40.0)
    pad = 1.5 * cell
    seeds = _mosaic_seeds(rng, canvas.size_hw, cell, pad)
    try:
        mosaic = Voronoi(seeds)
    except QhullError:
        return long_line(rng, canvas, roughness, step_px)
    focus = rng.uniform(0.2, 0.8, 2) * (width, height)
    radius = rng.uniform(0.35, 1.4) * max(height, width)
    keep = rng.uniform(0.7, 1.05)
    branches = []
    for start, end in mosaic.ridge_vertices:
        if start < 0 or end < 0:
            continue
        a, b = mosaic.vertices[start], mosaic.vertices[end]
        middle = (a + b) / 2
        inside = np.all((middle > -0.3 * cell) & (middle < np.array([width, height]) + 0.3 * cell))
        if (
            not inside
            or rng.random() > keep
            or np.hypot(*(middle - focus)) > radius
            or np.hypot(*(b - a)) > 4 * cell
        ):
            continue
        level = int(rng.integers(0, 3))
        branches.append(Branch(rough_line(rng, np.array([a, b]), roughness, step_px), level, (False, False)))
    return branches or long_line(rng, canvas, roughness, step_px)


def _mosaic_seeds(
    rng: np.random.Generator, size_hw: tuple[int, int], cell_px: float, pad_px: float
) -> PointsXY:
    """A jittered grid, stretched at random: blocks of a road are longer one way."""
    height, width = size_hw
    stretch = rng.lognormal(0, 0.35)
    xs = np.arange(-pad_px, width + pad_px, cell_px * stretch)
    ys = np.arange(-pad_px, height + pad_px, cell_px / stretch)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    jitter = rng.uniform(-0.55, 0.55, grid.shape) * cell_px * np.array([stretch, 1 / stretch])
    return np.asarray(grid + jitter, dtype=np.float64)


def stair(rng: np.random.Generator, canvas: Canvas, roughness: Roughness, step_px: float) -> list[Branch]:
    """Along the joints of a wall in steps, here and there through a brick; a long line without joints."""
    guide = stair_path(rng, canvas)
    if guide is None or arc_length(guide)[-1] < 12:
        return long_line(rng, canvas, roughness, step_px)
    height, width = canvas.size_hw
    fine = replace(roughness, wander=rng.uniform(0.0, 0.02), kink_px=0.12 * canvas.joint_width_px)
    line = rough_line(rng, guide, fine, step_px)
    free = [
        bool(4 < p[0] < width - 5 and 4 < p[1] < height - 5 and rng.random() < 0.7)
        for p in (line[0], line[-1])
    ]
    return [Branch(line, 0, (free[0], free[1]))]


PathFunction = Callable[[np.random.Generator, Canvas, Roughness, float], list[Branch]]

PATHS: dict[str, PathFunction] = {
    "long": long_line,
    "short": short_line,
    "tree": tree,
    "echelon": echelon,
    "crossing": crossing,
    "net": net,
    "stair": stair,
}
"""Styles of cracks by name."""
