"""How much tiling changes a network's answer, measured on real images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flawscope.inspection.runtimes import Runtime
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import InputSpec
from flawscope.types import RgbImage


def measure_seam_difference(
    runtime: Runtime, images: Iterable[RgbImage], spec: InputSpec, classes: int = 1
) -> float:
    """Largest probability difference between tiled and whole runs over the images; 0 for resized networks.

    Images H x W x 3 uint8. Each is cut, or continued by its mirror image, to two tiles a side, so that
    every one has seams in both directions. Local networks whose halo covers their receptive field give
    about 1e-6 (rounding); networks with squeeze-excite or pooling heads depend on the whole tile and give
    more.
    """
    if spec.mode == "resize":
        return 0.0
    # Two tiles at their least overlap: any other size would give them more halo than photographs get.
    step = (spec.size_px - spec.overlap_px) // spec.stride_multiple * spec.stride_multiple
    edge = spec.size_px + step
    # One tile that holds everything: the run over the whole image.
    whole = spec.model_copy(update={"size_px": edge})
    largest = 0.0
    for image in images:
        picture = to_edge(image, edge)
        tiled = predict_probability(picture, runtime, spec, classes)
        difference = np.abs(tiled - predict_probability(picture, runtime, whole, classes))
        largest = max(largest, float(difference.max()))
    return largest


def to_edge(image: RgbImage, edge_px: int) -> RgbImage:
    """The upper left ``edge_px`` square of the picture, continued by its mirror image where it is smaller."""
    part = image[:edge_px, :edge_px]
    below, right = edge_px - part.shape[0], edge_px - part.shape[1]
    return np.pad(part, ((0, below), (0, right), (0, 0)), mode="reflect") if below or right else part
