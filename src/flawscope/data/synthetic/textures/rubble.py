"""Walls of stones of any shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array, PointsXY
from flawscope.data.synthetic.noise import log_uniform
from flawscope.data.synthetic.textures import colours
from flawscope.data.synthetic.textures.masonry import MORTARS, touches


def rubble(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """Stones of any shape in mortar."""
    from scipy.spatial import cKDTree  # here: few pictures need it and it is slow to import

    h, w = size_hw
    pitch_px = log_uniform(rng, 36, 190)
    flat = float(rng.uniform(1.0, 2.2))
    n_y, n_x = int(h / pitch_px * flat) + 4, int(w / pitch_px) + 4
    grid_y, grid_x = np.mgrid[-2 : n_y - 2, -2 : n_x - 2]
    seeds = np.stack([grid_x + 0.5 * (grid_y % 2), grid_y], -1).reshape(-1, 2) + rng.uniform(
        -0.42, 0.42, (n_y * n_x, 2)
    )
    coarse = 2
    yy, xx = np.mgrid[0:h:coarse, 0:w:coarse].astype(np.float32)
    wobble = np.float32(rng.uniform(0.02, 0.13)) * np.stack(
        [noise.field("cloud", rng, xx.shape, 0.7), noise.field("cloud", rng, xx.shape, 0.7)], -1
    )
    where = np.stack([xx / pitch_px, yy * flat / pitch_px], -1) + wobble
    found = cKDTree(seeds).query(where.reshape(-1, 2), k=2)
    distance, owner = np.asarray(found[0]), np.asarray(found[1])
    edge_px = ((distance[:, 1] - distance[:, 0]).reshape(xx.shape) * pitch_px / 2).astype(np.float32)
    edge = _enlarge(edge_px, size_hw)
    nearest = owner[:, 0].reshape(xx.shape).repeat(coarse, 0).repeat(coarse, 1)[:h, :w]

    mortar_px = pitch_px * log_uniform(rng, 0.04, 0.25)
    mid = noise.field("pink", rng, size_hw, max(0.8, pitch_px / 70))
    fine = noise.field("soft", rng, size_hw, max(1.0, pitch_px / 90))
    signed = edge - np.float32(mortar_px / 2) + np.float32(pitch_px * rng.uniform(0.005, 0.03)) * mid
    on = noise.smoothstep(signed, -1.2, max(1.2, pitch_px * 0.03))
    stones = [(0.55, 0.53, 0.5), (0.66, 0.58, 0.47), (0.45, 0.44, 0.45), (0.72, 0.68, 0.6), (0.5, 0.4, 0.34)]
    main, other = colours.pick(rng, stones), colours.pick(rng, stones)
    random = rng.random((2, len(seeds))).astype(np.float32)
    value = 0.75 + 0.5 * random[0][nearest] + rng.uniform(0.05, 0.2) * mid + rng.uniform(0.03, 0.15) * fine
    faces = (main + random[1][nearest][..., None] * (other - main)) * np.maximum(value, 0.15)[..., None]
    bed = colours.tinted(np.maximum(1 + 0.12 * fine + 0.1 * mid, 0.2), colours.pick(rng, MORTARS))
    rgb = (bed + on[..., None] * (faces - bed)).astype(np.float32)
    dome = np.minimum(np.maximum(signed, 0), pitch_px * 0.12)
    height = (
        on * dome * float(rng.uniform(0.1, 0.6))
        + (0.3 + 0.3 * on) * mid * min(2.0, pitch_px / 60)
        + 0.2 * fine
    )
    joints = _voronoi_lines(seeds, np.array([pitch_px, pitch_px / flat]), wobble, size_hw)
    return Canvas(rgb, height.astype(np.float32), "brick", joints, mortar_px, 2.0, {"finish": "rubble"})


def _enlarge(values: Float32Array, size_hw: tuple[int, int]) -> Float32Array:
    return np.array(
        Image.fromarray(values).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR), np.float32
    )


def _voronoi_lines(
    seeds: npt.NDArray[np.float64],
    to_px: npt.NDArray[np.float64],
    wobble: Float32Array,
    size_hw: tuple[int, int],
) -> list[PointsXY]:
    """Borders of the stones; ``wobble`` (h x w x 2, in seed units, coarser than the picture) bends them."""
    from scipy.spatial import Voronoi

    diagram = Voronoi(seeds)
    to_grid = np.array([wobble.shape[1] / size_hw[1], wobble.shape[0] / size_hw[0]])
    top = np.array([wobble.shape[1] - 1, wobble.shape[0] - 1])
    along = np.linspace(0, 1, 9)[:, None]
    lines = []
    for pair in diagram.ridge_vertices:
        if min(pair) < 0:
            continue
        start, end = diagram.vertices[pair]
        straight = start + along * (end - start)
        line = straight * to_px
        for _ in range(3):
            # A pixel x shows the place x + wobble(x); look for the pixels that show the straight line.
            col, row = np.clip(line * to_grid, 0, top).astype(int).T
            line = (straight - wobble[row, col]) * to_px
        if touches(line, size_hw):
            lines.append(line)
    return lines
