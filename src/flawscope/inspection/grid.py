"""Where tiles lie: pure geometry, no pixels.

Tiles start at multiples of the stride, so that pooling grids agree between tiles, and never leave the padded
image, so that a tile at the border sees the same border as a run over the whole image. Neighbours overlap by
twice the halo plus the ramp; in the middle of the overlap one fades into the other. A network whose receptive
field the halo covers gives the same there from both sides, so tiling is exact for it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from flawscope.manifest import InputSpec


@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along one axis of a padded image."""

    length_px: int
    """The photograph's own length."""
    padded_px: int
    """Length after padding at the end to a multiple of the stride."""
    tile_px: int
    """Length of every tile along this axis."""
    starts_px: tuple[int, ...]
    ramps_px: tuple[tuple[int, int], ...]
    """For each pair of neighbours: [from, to) where the first fades out and the second fades in."""

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.starts_px)

    def core(self, index: int) -> tuple[int, int]:
        """The part [from, to) that tile ``index`` answers for: cores cover every pixel exactly once."""
        start = 0 if index == 0 else _middle(self.ramps_px[index - 1])
        stop = self.length_px if index == self.count - 1 else _middle(self.ramps_px[index])
        return start, min(stop, self.length_px)


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles of an image: rows by columns."""

    rows: Axis
    columns: Axis

    @property
    def count(self) -> int:
        """Number of tiles."""
        return self.rows.count * self.columns.count


def plan_grid(size_hw: tuple[int, int], spec: InputSpec) -> Grid:
    """Tiles that cover an image of ``size_hw``."""
    return Grid(plan_axis(size_hw[0], spec), plan_axis(size_hw[1], spec))


def plan_axis(length_px: int, spec: InputSpec) -> Axis:
    """Tiles along one axis: as few as cover it, evenly spread on multiples of the stride."""
    stride = spec.stride_multiple
    padded = -(-length_px // stride) * stride
    tile = min(spec.size_px, padded)
    if spec.mode == "resize" or padded <= tile:
        return Axis(length_px, padded, padded, (0,), ())
    step = (tile - spec.overlap_px) // stride * stride
    count = 1 + -(-(padded - tile) // step)
    # Even spacing turns what is left over into more halo. step is a multiple of the stride, so spacing on
    # multiples of the stride never pulls two neighbours further apart than step.
    steps = (padded - tile) // stride
    starts = tuple(i * steps // (count - 1) * stride for i in range(count))
    pairs = list(itertools.pairwise(starts))
    blend = min(spec.blend_px, *(b - a for a, b in pairs))  # so that ramps never meet
    begins = [second + (first + tile - second - blend) // 2 for first, second in pairs]
    ramps = [(begin, begin + blend) for begin in begins]
    return Axis(length_px, padded, tile, starts, tuple(ramps))


def _middle(ramp: tuple[int, int]) -> int:
    return (ramp[0] + ramp[1]) // 2
