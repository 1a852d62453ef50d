"""A gate written by hand: sure of a defect where the picture, made small, has a dark pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from flawscope.bundle import Bundle, Manifest, write_bundle_folder
from flawscope.manifest import ClassSpec, InputSpec, StageSpec

SPEC = InputSpec(mode="resize", size_hw=(64, 64), mean=(0.0,) * 3, std=(1.0,) * 3, activation="sigmoid")


def label_graph(weight: np.ndarray, bias: np.ndarray) -> bytes:
    """ONNX: the darkest value of each channel, negative, times ``weight`` (3 x K) plus ``bias`` (K)."""
    classes = weight.shape[1]
    nodes = [
        helper.make_node("Neg", ["image"], ["dark"]),
        helper.make_node("GlobalMaxPool", ["dark"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "darkest",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array(weight.astype(np.float32), "weight"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def label_bundle(
    root: Path,
    names: tuple[str, ...],
    weight: np.ndarray,
    bias: np.ndarray,
    spec: InputSpec = SPEC,
    first_id: int = 1,
) -> Bundle:
    """A bundle that labels whole images."""
    manifest = Manifest(
        name="labels",
        task="classification",
        classes=tuple(ClassSpec(id=k, name=name, kind="image") for k, name in enumerate(names, first_id)),
        input=spec,
        stages=(StageSpec(role="classify", files={"onnx": "model.onnx"}),),
    )
    return write_bundle_folder(root, manifest, {"model.onnx": label_graph(weight, bias)})


def dark_gate(root: Path) -> Bundle:
    """Half sure of a defect where the darkest pixel has half of all brightness, 20 logits a unit."""
    return label_bundle(root, ("defect",), np.full((3, 1), 20 / 3), np.array([10.0]))


def colour_classes(root: Path, spec: InputSpec | None = None) -> Bundle:
    """Class ``red``, ``green`` or ``blue``: the channel that is brightest where it is darkest."""
    softmax = spec or SPEC.model_copy(update={"activation": "softmax"})
    return label_bundle(root, ("red", "green", "blue"), -10 * np.eye(3), np.zeros(3), softmax)
