"""A classifier written in NumPy: it names the brightest channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from flawscope.bundle import Bundle, Manifest, write_bundle_folder
from flawscope.manifest import Chosen, ClassSpec, InputSpec, StageSpec

COLOURS = ("red", "green", "blue")
SIZE_HW = (12, 16)


def flat(colour: int, seed: int = 0, size_hw: tuple[int, int] = (20, 30)) -> np.ndarray:
    """A grey noisy picture with one brighter channel, H x W x 3 uint8."""
    image = np.random.default_rng(seed).integers(40, 60, (*size_hw, 3), dtype=np.uint8)
    image[..., colour] += 150
    return image


def brightest_graph(gain: float = 12.0) -> bytes:
    """ONNX: the mean of each channel times ``gain``, less a third of it."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "middle"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, *SIZE_HW])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(np.float32(gain), "gain"),
            numpy_helper.from_array(np.float32(gain / 2), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def brightest_bundle(
    root: Path,
    activation: str = "softmax",
    names: tuple[str, ...] = COLOURS,
    thresholds: Mapping[str, float] | None = None,
) -> Bundle:
    """A bundle that labels pictures by their brightest channel."""
    spec = InputSpec.model_validate(
        {
            "mode": "resize",
            "size_hw": SIZE_HW,
            "mean": (0.0,) * 3,
            "std": (1.0,) * 3,
            "activation": activation,
        }
    )
    manifest = Manifest(
        name="brightest",
        task="classification",
        classes=tuple(ClassSpec(id=i, name=name, kind="image") for i, name in enumerate(names)),
        input=spec,
        stages=(StageSpec(role="classify", files={"onnx": "model.onnx"}),),
        thresholds={name: Chosen(value=value) for name, value in (thresholds or {}).items()},
    )
    return write_bundle_folder(root, manifest, {"model.onnx": brightest_graph()})
