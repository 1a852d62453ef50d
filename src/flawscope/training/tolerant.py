"""A soft F-beta that forgives small displacements: hits count within a tolerance, as in ``f1_tol2``."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def disk_max(planes: Tensor, radius_px: int) -> Tensor:
    """The largest value within ``radius_px`` of each pixel (a Euclidean disk), N x K x H x W.

    For masks this is dilation by the disk. Its gradient goes to the pixel that holds the maximum. Outside of
    the image there is nothing: values are taken to be 0 or more.
    """
    height = planes.shape[-2]
    largest = planes
    for down in range(-radius_px, radius_px + 1):
        reach = math.isqrt(radius_px**2 - down**2)
        row = functional.max_pool2d(planes, (1, 2 * reach + 1), stride=1, padding=(0, reach))
        # Moved up by ``down``, so that each pixel sees the row that many px below it.
        padded = functional.pad(row, (0, 0, max(-down, 0), max(down, 0)))
        largest = torch.maximum(largest, padded[..., max(down, 0) : max(down, 0) + height, :])
    return largest


def tolerant_overlaps(p: Tensor, t: Tensor, tolerance_px: int, dims: tuple[int, ...]) -> tuple[Tensor, ...]:
    """What precision and recall are made of: hits and sum of ``p``, hits and sum of ``t``, over ``dims``.

    A predicted pixel hits by the truth within ``tolerance_px`` of it, a true one by the prediction there.
    """
    return (
        (p * disk_max(t, tolerance_px)).sum(dims),
        p.sum(dims),
        (t * disk_max(p, tolerance_px)).sum(dims),
        t.sum(dims),
    )
