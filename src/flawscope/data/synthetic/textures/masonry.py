"""Brick and block walls, from one brick in the picture to many courses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array, PointsXY
from flawscope.data.synthetic.noise import chance, log_uniform
from flawscope.data.synthetic.textures import colours

BRICKS = (
    (0.62, 0.27, 0.2),
    (0.7, 0.34, 0.24),
    (0.8, 0.42, 0.24),
    (0.86, 0.52, 0.33),
    (0.55, 0.32, 0.25),
    (0.5, 0.4, 0.33),
    (0.66, 0.54, 0.4),
    (0.78, 0.66, 0.46),
    (0.42, 0.26, 0.26),
    (0.38, 0.32, 0.33),
    (0.66, 0.6, 0.54),
    (0.84, 0.78, 0.68),
    (0.75, 0.7, 0.74),
    (0.58, 0.22, 0.2),
    (0.72, 0.38, 0.12),
)
MORTARS = (
    (0.78, 0.76, 0.72),
    (0.66, 0.64, 0.62),
    (0.9, 0.89, 0.86),
    (0.55, 0.54, 0.53),
    (0.74, 0.68, 0.56),
    (0.42, 0.4, 0.39),
    (0.8, 0.74, 0.62),
    (0.6, 0.5, 0.42),
    (0.28, 0.27, 0.27),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Wall:
    """How the wall is laid: sizes in px, per-pixel brick numbers and distances."""

    course_px: float
    length_px: float
    mortar_px: float
    row: npt.NDArray[np.int64]
    col: npt.NDArray[np.int64]
    joint_distance_px: Float32Array
    joints: list[PointsXY]
    beds: int


def brick(rng: np.random.Generator, size_hw: tuple[int, int]) -> Canvas:
    """A wall of bricks or blocks with its mortar."""
    wall = _lay(rng, size_hw)
    scale = max(0.7, wall.course_px / 60)
    fine = noise.field("soft", rng, size_hw, max(1.0, scale * 0.5))
    ragged = noise.field("pink", rng, size_hw, max(0.7, scale * 0.7))
    rough_px = wall.course_px * log_uniform(rng, 0.002, 0.03)
    signed = wall.joint_distance_px - np.float32(wall.mortar_px / 2) + rough_px * ragged
    soft_px = max(0.6, wall.course_px * float(rng.uniform(0.004, 0.03)))
    on_brick = noise.smoothstep(signed, -soft_px, soft_px)

    faces, face_height = _faces(rng, wall, size_hw, scale)
    mortar, mortar_height, depth_px = _mortar(rng, wall, size_hw, scale)
    if chance(rng, 0.14):
        _overpaint(rng, faces, mortar)
    if chance(rng, 0.2):
        # Mortar smeared over the edges of the bricks, or lime bleeding out of them.
        smear = noise.smoothstep(ragged + noise.field("cloud", rng, size_hw, 1.0) * 0.6, 0.9, 2.2)
        on_brick = on_brick * (1 - smear * float(rng.uniform(0.3, 0.95)))
    rgb = mortar + on_brick[..., None] * (faces - mortar)
    height = mortar_height + on_brick * (face_height + depth_px - mortar_height)
    height += np.float32(0.12 * min(scale, 2)) * fine
    canvas = Canvas(
        rgb, height.astype(np.float32), "brick", wall.joints, wall.mortar_px, max(1.0, 1.5 * scale)
    )
    _joint_shadows(rng, canvas, signed, on_brick, depth_px, wall)
    canvas.notes.update(course_px=round(wall.course_px, 1), beds=wall.beds)
    return canvas


def _lay(rng: np.random.Generator, size_hw: tuple[int, int]) -> _Wall:
    h, w = size_hw
    course_px = log_uniform(rng, 15, 240)
    length_px = course_px * (
        float(rng.uniform(2.2, 4.2)) if chance(rng, 0.85) else float(rng.uniform(1.0, 2.2))
    )
    mortar_px = max(1.2, course_px * log_uniform(rng, 0.05, 0.28))
    to_wall = _view(rng, size_hw)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    bottom = to_wall[2, 0] * xx + to_wall[2, 1] * yy + to_wall[2, 2]
    u_px = (to_wall[0, 0] * xx + to_wall[0, 1] * yy + to_wall[0, 2]) / bottom
    v_px = (to_wall[1, 0] * xx + to_wall[1, 1] * yy + to_wall[1, 2]) / bottom
    wave_px = course_px * float(rng.uniform(0, 0.025))
    v_px += wave_px * noise.field("cloud", rng, size_hw, 2.0)

    v = v_px / np.float32(course_px)
    row = np.floor(v).astype(np.int64)
    low_row, n_rows = int(row.min()) - 1, int(row.max() - row.min()) + 3
    bond = str(rng.choice(["half", "third", "stack", "wild", "header"], p=[0.6, 0.1, 0.06, 0.12, 0.12]))
    step = {"half": 0.5, "third": 1 / 3, "stack": 0.0, "wild": 0.0, "header": 0.5}[bond]
    index = np.arange(low_row, low_row + n_rows)
    shift = (index * step) % 1 + rng.normal(0, 0.02, n_rows)
    if bond == "wild":
        shift = rng.random(n_rows)
    lengths = np.full(n_rows, length_px)
    if bond == "header":
        lengths[index % int(rng.integers(2, 6)) == 0] *= 0.5
    local = row - low_row
    u = u_px / lengths.astype(np.float32)[local] + shift.astype(np.float32)[local]
    col = np.floor(u).astype(np.int64)

    # Every brick sits a little off its place: its joints are wider on one side.
    table = rng.random((4, 64, 64)).astype(np.float32)
    off = np.float32(course_px * rng.uniform(0, 0.05))
    off_u = off * (table[0, row % 64, col % 64] - 0.5)
    off_v = off * (table[1, row % 64, col % 64] - 0.5)
    in_u = (u - col) * lengths.astype(np.float32)[local] + off_u
    in_v = (v - row) * np.float32(course_px) + off_v
    gap_u = np.minimum(in_u, lengths.astype(np.float32)[local] - in_u)
    gap_v = np.minimum(in_v, np.float32(course_px) - in_v)
    corner = np.float32(mortar_px / 2 + course_px * rng.uniform(0.01, 0.14))
    distance = corner - np.hypot(np.maximum(corner - gap_u, 0), np.maximum(corner - gap_v, 0))
    joints, beds = _joint_lines(to_wall, size_hw, (course_px, low_row), lengths, shift)
    return _Wall(course_px, length_px, mortar_px, row, col, distance.astype(np.float32), joints, beds)


def _view(rng: np.random.Generator, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """3 x 3 homography from pixels (x, y, 1) to wall coordinates in px of the picture's middle."""
    h, w = size_hw
    angle = np.deg2rad(rng.normal(0, 2.5) if chance(rng, 0.8) else rng.uniform(-30, 30))
    if chance(rng, 0.04):
        angle += np.pi / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])
    shear = np.eye(3)
    shear[0, 1], shear[1, 0] = rng.normal(0, 0.03, 2)
    tilt = np.eye(3)
    if chance(rng, 0.35):
        tilt[2, :2] = rng.uniform(-0.45, 0.45, 2) / (w, h)
    centre = np.array([[1, 0, -w / 2], [0, 1, -h / 2], [0, 0, 1.0]])
    place = np.array([[1, 0, rng.uniform(0, 4000)], [0, 1, rng.uniform(0, 4000)], [0, 0, 1.0]])
    return np.asarray(place @ shear @ turn @ tilt @ centre, np.float64)


def _joint_lines(
    to_wall: npt.NDArray[np.float64],
    size_hw: tuple[int, int],
    rows: tuple[float, int],
    lengths: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
) -> tuple[list[PointsXY], int]:
    """Bed joints first (their number is returned), then head joints, as polylines in the picture."""
    h, w = size_hw
    course_px, low_row = rows
    back = np.linalg.inv(to_wall)
    corners = np.array([[0, 0, 1], [w, 0, 1], [0, h, 1], [w, h, 1.0]]) @ to_wall.T
    u_min, u_max = (corners[:, 0] / corners[:, 2]).min(), (corners[:, 0] / corners[:, 2]).max()

    def to_picture(u_px: npt.NDArray[np.float64], v_px: npt.NDArray[np.float64]) -> PointsXY:
        points = np.column_stack([u_px, v_px, np.ones_like(u_px)]) @ back.T
        return np.asarray(points[:, :2] / points[:, 2:], np.float64)

    beds: list[PointsXY] = []
    heads: list[PointsXY] = []
    for i, length in enumerate(lengths):
        v_top = (low_row + i) * course_px
        line = to_picture(np.linspace(u_min, u_max, 9), np.full(9, v_top))
        if touches(line, size_hw):
            beds.append(line)
        first, last = np.floor(u_min / length + shift[i]), np.ceil(u_max / length + shift[i])
        for k in np.arange(first, last + 1)[:200]:
            u_head = np.full(2, (k - shift[i]) * length)
            line = to_picture(u_head, np.array([v_top, v_top + course_px]))
            if touches(line, size_hw):
                heads.append(line)
    return beds + heads, len(beds)


def touches(line: PointsXY, size_hw: tuple[int, int]) -> bool:
    """Whether the box around a polyline N x 2 (x, y) meets the picture."""
    low, high = line.min(axis=0), line.max(axis=0)
    return bool(high[0] >= 0 and high[1] >= 0 and low[0] < size_hw[1] and low[1] < size_hw[0])


def _faces(
    rng: np.random.Generator, wall: _Wall, size_hw: tuple[int, int], scale: float
) -> tuple[Float32Array, Float32Array]:
    """Colour and relief of the bricks."""
    main = colours.pick(rng, BRICKS, 0.06)
    main = main + float(rng.uniform(0, 0.5)) * (main.mean() - main)
    other = colours.pick(rng, BRICKS, 0.06) if chance(rng, 0.45) else main * float(rng.uniform(0.5, 1.3))
    tables = rng.random((3, 64, 64)).astype(np.float32)
    keys = (wall.row % 64, wall.col % 64)
    mix = tables[0][keys] ** float(rng.uniform(1, 3)) * float(rng.uniform(0.1, 1.0))
    spread = float(rng.uniform(0.03, 0.36))
    value = 1 + spread * (tables[1][keys] - 0.5) * 2
    broad = noise.field("cloud", rng, size_hw, log_uniform(rng, 0.4, 1.5) * max(1.0, scale))
    mid = noise.field("pink", rng, size_hw, max(0.7, scale * float(rng.uniform(0.4, 1.2))))
    fine = noise.field("soft", rng, size_hw, max(1.0, scale * 0.5))
    value += np.clip(rng.uniform(0, 0.14) * broad, -0.4, 0.4) + rng.uniform(0.02, 0.15) * mid
    value += rng.uniform(0.0, 0.07) * fine
    height = (rng.uniform(0.05, 0.4) * mid + rng.uniform(0.02, 0.25) * fine).astype(np.float32)
    height *= np.float32(min(scale, 2.5))
    if chance(rng, 0.25):
        rug = noise.field("fibre", rng, size_hw[::-1], max(0.7, scale * 0.6)).T
        rug = rug if chance(rng, 0.7) else noise.field("streak", rng, size_hw, max(0.8, scale))
        value += rng.uniform(0.03, 0.2) * rug
        height += rng.uniform(0.1, 0.7) * rug * min(scale, 2)
    rgb = main + mix[..., None] * (other - main)
    rgb = rgb * np.maximum(value, 0.12)[..., None].astype(np.float32)
    _face_marks(rng, rgb, height, (tables[2][keys], broad, mid), scale)
    return rgb.astype(np.float32), height.astype(np.float32)


def _face_marks(
    rng: np.random.Generator,
    rgb: Float32Array,
    height: Float32Array,
    fields: tuple[Float32Array, Float32Array, Float32Array],
    scale: float,
) -> None:
    chosen, broad, mid = fields
    size_hw = (rgb.shape[0], rgb.shape[1])
    if chance(rng, 0.28):
        # Chips and sand grains, light or dark.
        specks = noise.cells(rng, size_hw, max(2.5, log_uniform(rng, 2.5, 9) * scale))
        size = float(rng.uniform(0.45, 0.75))
        on = noise.smoothstep(specks.dome + 0.05 * mid, size, size + 0.2) * (
            specks.kind < log_uniform(rng, 0.03, 0.5)
        )
        light = chance(rng, 0.45)
        tone = colours.pick(
            rng, [(0.9, 0.86, 0.76), (0.8, 0.7, 0.6)] if light else [(0.15, 0.1, 0.1), (0.25, 0.16, 0.13)]
        )
        colours.paint(rgb, tone, on * float(rng.uniform(0.3, 1)))
        height -= on * float(rng.uniform(-0.5, 1.2)) * min(scale, 2)
    if chance(rng, 0.3):
        burnt = noise.smoothstep(broad + 2.4 * (chosen - 0.6), 0.2, 1.8)
        colours.paint(
            rgb,
            colours.pick(rng, [(0.18, 0.14, 0.15), (0.28, 0.2, 0.18)]),
            burnt * float(rng.uniform(0.3, 0.9)),
        )
    if chance(rng, 0.25):
        bloom = noise.smoothstep(0.6 * mid + broad, float(rng.uniform(0.3, 1.3)), 2.6)
        colours.paint(rgb, colours.linear((0.9, 0.88, 0.84)), bloom * float(rng.uniform(0.2, 0.8)))


def _mortar(
    rng: np.random.Generator, wall: _Wall, size_hw: tuple[int, int], scale: float
) -> tuple[Float32Array, Float32Array, float]:
    """Colour and relief of the mortar, and how many px it lies below the bricks (negative: it stands out)."""
    sand = noise.field("soft", rng, size_hw, max(1.0, scale * float(rng.uniform(0.4, 0.9))))
    mid = noise.field("pink", rng, size_hw, max(0.7, scale))
    value = 1 + rng.uniform(0.02, 0.2) * sand + rng.uniform(0.03, 0.16) * mid
    rgb = colours.tinted(np.maximum(value, 0.1).astype(np.float32), colours.pick(rng, MORTARS, 0.06))
    height = (rng.uniform(0.1, 0.6) * sand + rng.uniform(0.1, 0.5) * mid) * min(scale, 2.5)
    kind = rng.choice(["recessed", "flush", "proud"], p=[0.6, 0.3, 0.1])
    depth_px = {
        "recessed": wall.mortar_px * float(rng.uniform(0.1, 0.55)),
        "flush": wall.mortar_px * float(rng.uniform(-0.05, 0.08)),
        "proud": -wall.mortar_px * float(rng.uniform(0.1, 0.3)),
    }[str(kind)]
    return rgb, height.astype(np.float32), depth_px


def _overpaint(rng: np.random.Generator, faces: Float32Array, mortar: Float32Array) -> None:
    """One coat of paint over all; only the relief tells bricks from mortar."""
    coat = colours.pick(
        rng, [(0.9, 0.89, 0.86), (0.68, 0.3, 0.24), (0.6, 0.61, 0.63), (0.72, 0.68, 0.6), (0.5, 0.5, 0.5)]
    )
    cover = float(rng.uniform(0.75, 1.0))
    level = faces.mean(axis=2, keepdims=True) / max(float(faces.mean()), 1e-3)
    coated = coat * (0.75 + 0.25 * level)
    faces += cover * (coated - faces)
    mortar += cover * (coat - mortar)


def _joint_shadows(
    rng: np.random.Generator,
    canvas: Canvas,
    signed: Float32Array,
    on_brick: Float32Array,
    depth_px: float,
    wall: _Wall,
) -> None:
    """Dark lines beside the mortar that are no cracks: cast shadows, open edges, dirt in the corner."""
    if depth_px > 0.4 and chance(rng, 0.75):
        reach = depth_px * float(rng.uniform(0.4, 1.6))
        dx, dy = round(reach * rng.uniform(-1, 1)), max(1, round(reach * rng.uniform(0.2, 1)))
        cast = np.roll(on_brick, (dy, dx), axis=(0, 1)) * (1 - on_brick)
        canvas.rgb *= (1 - float(rng.uniform(0.2, 0.85)) * cast)[..., None]
    if chance(rng, 0.45):
        width_px = max(0.6, wall.course_px * log_uniform(rng, 0.006, 0.03))
        line = np.exp(-((signed / np.float32(width_px)) ** 2))
        patchy = noise.smoothstep(noise.field("cloud", rng, canvas.size_hw, 0.6), -0.4, 1.2)
        shade = line * patchy * float(rng.uniform(0.2, 0.8))
        canvas.rgb *= (1 - shade)[..., None]
        canvas.height -= shade * float(rng.uniform(0, 1.5))
