"""Small networks written in NumPy: what they answer is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from flawscope.types import FloatArray


class Identity:
    """Answers with the first channel."""

    name = "identity"
    threads = 1

    def run(self, batch: FloatArray) -> FloatArray:
        return batch[:, :1].copy()


class Box:
    """A local network: mean over a square, zeros outside of its input, as a padded convolution."""

    name = "box"
    threads = 1

    def __init__(self, radius: int) -> None:
        self.radius = radius
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: FloatArray) -> FloatArray:
        self.shapes.append(batch.shape)
        size = 2 * self.radius + 1
        return np.asarray(
            ndimage.uniform_filter(batch[:, :1], size=(1, 1, size, size), mode="constant"), dtype=np.float32
        )


class Pooled:
    """Local, but on a grid of 8 x 8 blocks as a network with pooling: its answer depends on the tile's
    phase."""

    name = "pooled"
    threads = 1

    def run(self, batch: FloatArray) -> FloatArray:
        n, _, h, w = batch.shape
        blocks = batch[:, :1].reshape(n, 1, h // 8, 8, w // 8, 8).max(axis=(3, 5))
        return np.repeat(np.repeat(blocks, 8, axis=2), 8, axis=3)


class Global:
    """Subtracts the mean of its whole input, as squeeze-and-excite does: never exact in tiles."""

    name = "global"
    threads = 1

    def run(self, batch: FloatArray) -> FloatArray:
        return batch[:, :1] - batch[:, :1].mean(axis=(2, 3), keepdims=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
