"""A skeleton as a graph: nodes where lines meet, branches between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flawscope.measurement.rim import Rim

Points = npt.NDArray[np.float64]

FREE = -1
"""Node number of a branch end that hangs free (a tip)."""


@dataclass(slots=True, eq=False)
class Node:
    """A place where three or more branches meet."""

    xy: Points
    radius_px: float
    """Radius of the largest disc that fits into the shape here."""
    zone_px: float
    """Radius of the crossing: within it the widths of the arms mean nothing."""


@dataclass(slots=True, eq=False)
class Branch:
    """A run of skeleton pixels between two nodes or tips."""

    points_xy: Points
    """N x 2, in order; N >= 1."""
    radius_px: npt.NDArray[np.float64]
    """N: distance from each point to the nearest pixel outside, less the half pixel to its edge."""
    start: int = FREE
    stop: int = FREE
    closed: bool = False
    """A ring without any node."""
    blunt: list[bool] = field(default_factory=lambda: [False, False])
    """Whether the corner spurs at the start and at the stop were cut, so the end lies a radius inside."""

    @property
    def length_px(self) -> float:
        """Length over the pixel steps; good enough to tell spurs from arms."""
        return float(np.hypot(*np.diff(self.points_xy, axis=0).T).sum()) if len(self.points_xy) > 1 else 0.0


@dataclass(slots=True, eq=False)
class SkeletonGraph:
    """Branches and the nodes they join, in cut-out coordinates (x, y)."""

    nodes: dict[int, Node]
    branches: list[Branch]
    rim: Rim
    """The edge of the shape."""

    def degrees(self) -> dict[int, int]:
        """Number of branch ends at each node; a loop counts twice."""
        count = dict.fromkeys(self.nodes, 0)
        for branch in self.branches:
            for end in (branch.start, branch.stop):
                if end != FREE:
                    count[end] += 1
        return count

    def incident(self) -> dict[int, list[Branch]]:
        """The branches at each node; a loop appears once."""
        at: dict[int, list[Branch]] = {number: [] for number in self.nodes}
        for branch in self.branches:
            for end in {branch.start, branch.stop} - {FREE}:
                at[end].append(branch)
        return at

    def remove(self, doomed: set[int]) -> None:
        """Drop branches by their ``id()``."""
        if doomed:
            self.branches = [branch for branch in self.branches if id(branch) not in doomed]
