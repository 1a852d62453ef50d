"""The values that travel between the parts of the generator: the surface, the true cracks, the result.

A picture is painted on a `Canvas` (of another size than the result's, when that is resized): textures lay
the ground, distractors and cracks are painted into it, the camera turns it into a photograph.
Points are (x, y) with pixel centres on whole numbers; arrays are (row, column).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
MaskArray = npt.NDArray[np.uint8]
PointsXY = npt.NDArray[np.float64]

Material = Literal["concrete", "asphalt", "brick", "painted-steel", "plaster"]


@dataclass(slots=True, eq=False)
class Canvas:
    """A surface before it is photographed; every painter changes it in place."""

    rgb: Float32Array
    """H x W x 3 reflectance of the surface, 0..1, roughly linear light (0.2 is a mid grey)."""
    height: Float32Array
    """H x W relief in px, positive towards the viewer; the camera shades it. A crack is a deep dent."""
    material: Material
    joints: list[PointsXY] = field(default_factory=list)
    """Polylines N x 2 (x, y): mortar lines, slab joints. Cracks may step along them; they are no cracks."""
    joint_width_px: float = 0.0
    """Typical full width of the joints; 0 without joints."""
    grain_px: float = 1.0
    """Typical diameter of the visible grain (aggregate, sand), for the roughness of crack edges."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the texture chose (plain JSON values); goes into the recipe."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.height.shape[0], self.height.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class CrackTruth:
    """The exact course of one crack (one branch)."""

    points_xy_px: PointsXY
    """N x 2 points (x, y) of the centreline, ordered along it; may leave the picture."""
    width_px: npt.NDArray[np.float64]
    """N full widths, perpendicular to the line."""

    def scaled(self, factor: float) -> CrackTruth:
        """The same crack after the picture was resized by ``factor`` (pixel centres on whole numbers)."""
        points = (self.points_xy_px + 0.5) * factor - 0.5
        return CrackTruth(points, self.width_px * factor)

    def shifted(self, dx_px: float, dy_px: float) -> CrackTruth:
        """The same crack after the picture's origin moved by (-dx, -dy)."""
        return CrackTruth(self.points_xy_px + np.array([dx_px, dy_px]), self.width_px)


@dataclass(frozen=True, slots=True, eq=False)
class SynthImage:
    """A finished picture with its truth."""

    image: npt.NDArray[np.uint8]
    """H x W x 3 uint8, RGB."""
    mask: MaskArray
    """H x W uint8: 0 background, 1 crack."""
    cracks: tuple[CrackTruth, ...]
    recipe: dict[str, Any]
    """What was drawn: material, distractors, camera steps; plain JSON values."""
