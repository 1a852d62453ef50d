"""Small networks written in NumPy: what they answer is known exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy import ndimage

from flawscope.bundle import Bundle, Manifest, write_bundle_folder
from flawscope.manifest import Chosen, ClassSpec, InputSpec, StageSpec
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


def dark_graph(classes: int = 1, gain: float = 40.0) -> bytes:
    """ONNX of a 1 x 1 convolution: sure of class 1 where the picture is dark; further classes never."""
    weight = np.zeros((classes, 3, 1, 1), dtype=np.float32)
    weight[0] = -gain / 3
    bias = np.full(classes, -100.0, dtype=np.float32)
    bias[0] = 0.25 * gain
    shapes = [["n", 3, "h", "w"], ["n", classes, "h", "w"]]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight", "bias"], ["logits"], kernel_shape=[1, 1])],
        "dark",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


PLAIN = InputSpec(size_px=128, stride_multiple=8, halo_px=16, blend_px=8, mean=(0.0,) * 3, std=(1.0,) * 3)
"""Tiles of 128 px of values 0..1."""


def dark_bundle(root: Path, names: tuple[str, ...] = ("crack",), **changes: object) -> Bundle:
    """A bundle whose network takes dark pixels (mean below a quarter) for class 1."""
    manifest = Manifest(
        name="dark",
        classes=tuple(ClassSpec(id=i, name=name) for i, name in enumerate(names, start=1)),
        input=PLAIN,
        stages=(StageSpec(files={"onnx": "model.onnx"}),),
        thresholds={names[0]: Chosen(value=0.5, rule="given", data="none")},
    )
    return write_bundle_folder(
        root, manifest.model_copy(update=changes), {"model.onnx": dark_graph(len(names))}
    )


SPEC_GREY = InputSpec(
    channels="grey", size_px=256, stride_multiple=8, halo_px=32, blend_px=8, mean=(0.0,), std=(1.0,)
)


class ThinDark:
    """Knows dark lines up to a width and nothing wider: darker than its surroundings' closing."""

    name = "thin"
    threads = 1

    def __init__(self, widest_px: int) -> None:
        self.size = (1, 1, widest_px + 2, widest_px + 2)

    def run(self, batch: FloatArray) -> FloatArray:
        closed = ndimage.grey_closing(batch[:, :1], size=self.size, mode="nearest")
        return np.asarray(30 * (closed - batch[:, :1]) - 6, dtype=np.float32)
