"""EfficientNet's compound scaling: B1 to B7 from B0 (Tan and Le 2019).

One number phi scales depth by 1.2^phi, width by 1.1^phi and image size by 1.15^phi. The published networks
use rounded factors (``FACTORS``), from which channels and repeats follow by rounding (``stages``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15
"""Bases alpha, beta, gamma of the rule; alpha x beta^2 x gamma^2 is about 2, so cost grows as 2^phi."""

FACTORS: dict[str, tuple[float, float, int]] = {
    "efficientnet-b0": (1.0, 1.0, 224),
    "efficientnet-b1": (1.0, 1.1, 240),
    "efficientnet-b2": (1.1, 1.2, 260),
    "efficientnet-b3": (1.2, 1.4, 300),
    "efficientnet-b4": (1.4, 1.8, 380),
    "efficientnet-b5": (1.6, 2.2, 456),
    "efficientnet-b6": (1.8, 2.6, 528),
    "efficientnet-b7": (2.0, 3.1, 600),
}
"""Name -> width factor, depth factor, edge of the image in px, as published."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of inverted bottlenecks."""

    channels: int
    repeats: int


B0 = tuple(StagePlan(c, r) for c, r in ((16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 4), (320, 1)))
"""The stages of B0 (table 1)."""

STEM, HEAD = 32, 1280
"""Channels of B0 before and after its stages."""


def round_channels(channels: float, divisor: int = 8) -> int:
    """To a multiple of ``divisor``, never more than a tenth lower."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def stages(width: float, depth: float) -> tuple[StagePlan, ...]:
    """B0's stages scaled: channels rounded to multiples of 8, repeats rounded up."""
    return tuple(
        StagePlan(round_channels(stage.channels * width), math.ceil(stage.repeats * depth)) for stage in B0
    )


def phi_of(width: float, depth: float, size_px: int) -> float:
    """The phi that comes nearest to three published factors: the mean of what each of them says."""
    said = (
        math.log(depth) / math.log(DEPTH),
        math.log(width) / math.log(WIDTH),
        math.log(size_px / 224) / math.log(RESOLUTION),
    )
    return sum(said) / len(said)
