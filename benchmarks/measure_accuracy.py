"""How far measured widths and lengths lie from the truth: golden shapes, and exact masks of synthetic cracks.

No network takes part: masks are exact, so what is left is the error of measuring alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from common import Figures, make_parser, say, write_result
from exact_shapes import Shape, bar, ring, star, thick_line, wedge

if TYPE_CHECKING:
    from flawscope.data.synthetic import CrackTruth

Array = npt.NDArray[np.float64]

WIDTHS_PX = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0)
"""Whole numbers: along the rows or columns a mask of whole pixels cannot show others."""
ANGLES_DEG = tuple(float(angle) for angle in np.arange(0.0, 180.0, 7.5))
BANDS_PX = ((0.0, 1.0), (1.0, 2.0), (2.0, 5.0), (5.0, 10.0), (10.0, 20.0))
"""True widths that synthetic errors are grouped by. Masks are at least 1 px wide: below that all are off."""
BENT_WIDTHS_PX = (1.0, 2.0, 4.0, 8.0)
AMPLITUDES_PX, PERIODS_PX, TURNS_DEG = (2.0, 4.0, 8.0), (12.0, 24.0, 48.0, 96.0), (0.0, 27.0)
"""Of sine lines and zigzags."""
STEPS_PX, SPREADS_RAD = (4.0, 8.0, 16.0), (0.3, 0.6)
"""Of random walks: their straight pieces, and how far those turn from the mean heading."""
_TIGHTEST = 0.9
"""Half the width over the smallest radius of a bend."""
FORKED = ("cross", "y")
"""Shapes whose arms share pixels, so that area over length is not their width."""


def shapes(
    widths_px: Sequence[float] = WIDTHS_PX, angles_deg: Sequence[float] = ANGLES_DEG
) -> Iterable[Shape]:
    """Bars, wedges, rings, crosses and Ys at many widths and angles, off the pixel grid."""
    for number, width in enumerate(widths_px):
        shift = 0.25 * (number % 4)
        for angle in angles_deg:
            yield bar(12 * width + 40, width, angle, shift)
        for angle in angles_deg[::3]:
            yield wedge(12 * width + 60, (max(2.0, width / 3), width), angle, shift)
            yield star(6 * width + 30, width, tuple(angle + k * 90 for k in range(4)), "cross")
            yield star(6 * width + 30, width, tuple(angle + k * 120 for k in range(3)), "y")
        yield ring(3 * width + 20, width, shift)


def bent_lines(widths_px: Sequence[float] = BENT_WIDTHS_PX, length: float = 192.0) -> Iterable[Shape]:
    """Sine lines, zigzags and random walks, none of which bends more tightly than its width allows."""
    for width in widths_px:
        for amplitude, period in product(AMPLITUDES_PX, PERIODS_PX):
            legs = np.arange(0.0, length + period, period / 2)
            zigzag = np.column_stack([legs, amplitude * (-1.0) ** np.arange(len(legs))])
            x = np.linspace(0.0, length, 3000)
            sine = np.column_stack([x, amplitude * np.sin(2 * np.pi * x / period)])
            for angle in TURNS_DEG:
                if amplitude * (2 * np.pi / period) ** 2 * width / 2 <= _TIGHTEST:
                    yield thick_line(_turned(sine, angle), width, "sine")
                if np.hypot(2 * amplitude, period / 2) >= 2 * width and 4 * amplitude <= 2 * period:
                    yield thick_line(_turned(zigzag, angle), width, "zigzag")
        for step, spread, seed in product(STEPS_PX, SPREADS_RAD, range(2)):
            if step >= 1.2 * width:
                random = np.random.default_rng((seed, int(step), int(100 * spread)))
                heading = random.uniform(0, 2 * np.pi) + np.clip(
                    random.normal(0.0, spread, int(length / step)), -1.2, 1.2
                )
                steps = step * np.column_stack([np.cos(heading), np.sin(heading)])
                yield thick_line(np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)]), width, "walk")


def _turned(points_xy: Array, angle_deg: float) -> Array:
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return points_xy @ np.array([[cosine, sine], [-sine, cosine]])


def shape_errors(shape: Shape) -> Figures:
    """Errors of one shape: mean width (px), width along the line (px), length (share of the truth).

    ``width_to_mask`` compares with the mean width of the mask itself, its area over the length: a bar 2 px
    wide at 45 degrees covers two or three rows of pixel corners, and so is drawn 1.4 or 2.1 px wide.
    """
    from flawscope.evaluation.width_pairs import centreline_widths
    from flawscope.measurement import measure

    findings = measure(shape.mask)
    finding = max(findings, key=lambda item: item.area_px)
    assert finding.width_mean_px is not None and finding.length_px is not None
    points, widths = centreline_widths([finding])
    error = np.abs(widths - shape.width_at(points))
    drawn = float(shape.mask.sum()) / shape.length_px
    return {
        "width_mean": abs(finding.width_mean_px - shape.width_mean_px),
        "width_to_mask": abs(finding.width_mean_px - drawn) if shape.name not in FORKED else float("nan"),
        "width_along_p95": float(np.percentile(error, 95)) if len(error) else float("nan"),
        "length": abs(finding.length_px / shape.length_px - 1),
        "length_signed": finding.length_px / shape.length_px - 1,
        "pieces": len(findings),
    }


def golden(every: Iterable[Shape]) -> Figures:
    """Largest and mean errors of each kind of shape."""
    found: dict[str, list[Figures]] = {}
    for shape in every:
        found.setdefault(shape.name, []).append(shape_errors(shape))
    out: Figures = {}
    for name, rows in found.items():
        table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        out[name] = {
            "shapes": len(rows),
            "width_mean_error_px_max": table["width_mean"].max(),
            "width_mean_error_px_mean": table["width_mean"].mean(),
            "width_mean_error_to_mask_px_max": table["width_to_mask"].max(),
            "width_along_error_px_p95_max": table["width_along_p95"].max(),
            "length_error_max": table["length"].max(),
            "length_error_mean": table["length"].mean(),
            "length_bias": table["length_signed"].mean(),
            "in_several_pieces": int((table["pieces"] > 1).sum()),
        }
    return out


def synthetic(count: int, side_px: int, first_seed: int = 0) -> Figures:
    """Errors of widths along the centrelines of synthetic cracks, whose masks are exact."""
    from flawscope.data.synthetic.concrete import render_concrete
    from flawscope.evaluation.width_pairs import centreline_widths, paired_widths
    from flawscope.measurement import measure

    pairs: list[Array] = [np.zeros((0, 2))]
    lengths: list[float] = []
    pictures = 0
    for seed in range(first_seed, first_seed + count):
        drawn = render_concrete(seed, (side_px, side_px))
        if not drawn.cracks:
            continue
        pictures += 1
        truth = true_widths(drawn.cracks)
        findings = measure(drawn.mask)
        pairs.append(paired_widths(*centreline_widths(findings), *truth))
        measured = sum(finding.length_px or 0.0 for finding in findings)
        lengths.append(measured / max(_length_inside(drawn.cracks, side_px), 1.0))
    return {"pictures": pictures, "points": sum(map(len, pairs)), **_width_figures(np.vstack(pairs))} | {
        "length_ratio_median": float(np.median(lengths)) if lengths else None
    }


def true_widths(cracks: Sequence[CrackTruth]) -> tuple[Array, Array]:
    """All true points, resampled to half a pixel, and their widths."""
    points, widths = [], []
    for crack in cracks:
        steps = np.hypot(*np.diff(crack.points_xy_px, axis=0).T)
        at = np.concatenate([[0.0], np.cumsum(steps)])
        fine = np.arange(0.0, at[-1] + 1e-9, 0.5)
        points.append(np.column_stack([np.interp(fine, at, crack.points_xy_px[:, k]) for k in (0, 1)]))
        widths.append(np.interp(fine, at, crack.width_px))
    return np.vstack(points), np.concatenate(widths)


def _length_inside(cracks: Sequence[CrackTruth], side_px: int) -> float:
    total = 0.0
    for crack in cracks:
        middle = (crack.points_xy_px[1:] + crack.points_xy_px[:-1]) / 2
        inside = np.all((middle > -0.5) & (middle < side_px - 0.5), axis=1)
        total += float(np.hypot(*np.diff(crack.points_xy_px, axis=0).T)[inside].sum())
    return total


def _width_figures(pairs: Array) -> Figures:
    out: Figures = {"all": _errors(pairs)}
    for low, high in BANDS_PX:
        out[f"{low:g}-{high:g}px"] = _errors(pairs[(pairs[:, 1] >= low) & (pairs[:, 1] < high)])
    return out


def _errors(pairs: Array) -> dict[str, Any]:
    if len(pairs) == 0:
        return {"points": 0}
    error = pairs[:, 0] - pairs[:, 1]
    return {
        "points": len(pairs),
        "bias_px": float(np.median(error)),
        "error_px_median": float(np.median(np.abs(error))),
        "error_px_p90": float(np.percentile(np.abs(error), 90)),
    }


def _of_mask(name: str, row: Figures) -> str:
    if name in FORKED:
        return "arms share pixels"
    return f"{row['width_mean_error_to_mask_px_max']:.2f} px from what the mask shows"


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--pictures", type=int, default=40, help="synthetic pictures (default 40)")
    parser.add_argument("--size", type=int, default=384, help="their edge in px")
    options = parser.parse_args()
    figures: Figures = {"shapes": golden(shapes())}
    for name, row in figures["shapes"].items():
        say(
            f"{name} ({row['shapes']}): mean width off by at most {row['width_mean_error_px_max']:.2f} px "
            f"({_of_mask(name, row)}), "
            f"widths along the line by {row['width_along_error_px_p95_max']:.2f} px (95th percentile), "
            f"length by at most {100 * row['length_error_max']:.2f} %"
        )
    figures["bent"] = golden(bent_lines())
    for name, row in figures["bent"].items():
        say(
            f"{name} ({row['shapes']}): mean width off by {row['width_mean_error_px_mean']:.2f} px "
            f"on average, length by {100 * row['length_bias']:+.2f} % "
            f"(at worst {100 * row['length_error_max']:.2f} %)"
        )
    figures["synthetic"] = synthetic(options.pictures, options.size)
    shown = figures["synthetic"]["all"]
    if shown["points"]:
        say(
            f"synthetic cracks ({figures['synthetic']['pictures']} pictures, {shown['points']} points): "
            f"width bias {shown['bias_px']:+.2f} px, median error {shown['error_px_median']:.2f} px, "
            f"90 % within {shown['error_px_p90']:.2f} px"
        )
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
