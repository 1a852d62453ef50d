"""A torch network as one ONNX file: logits out, dynamic batch, height and width, nothing of this machine in
it."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

OPSET = 17
"""Read by every ONNX Runtime since 1.12 and by OpenVINO; the newest that the tracing exporter writes."""

_DYNAMIC = {0: "batch", 2: "height", 3: "width"}


def export_classifier(network: nn.Module, channels: int, size_hw: tuple[int, int]) -> bytes:
    """ONNX file of a classifier in evaluation mode on the CPU: any batch, images of one size.

    Raises whatever torch raises when neither of its exporters can do it.
    """
    example = torch.zeros(2, channels, *size_hw)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = _traced(network, example, {0: "batch"})
        except Exception:  # the two exporters fail in ways of their own on what they cannot express
            data = _dynamo(network, example, {0: torch.export.Dim("batch", min=1, max=4096)})
    return _clean(data)


def export_onnx(network: nn.Module, channels: int, stride: int) -> bytes:
    """ONNX file of a network in evaluation mode on the CPU: input ``image``, output ``logits``.

    The trace is taken at sizes that are multiples of ``stride``; the tiles of inspection always are. Raises
    whatever torch raises when neither of its exporters can do it.
    """
    example = torch.zeros(2, channels, 2 * max(stride, 32), 3 * max(stride, 32))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = _traced(network, example, _DYNAMIC)
        except Exception:  # the two exporters fail in ways of their own on what they cannot express
            data = _dynamo(network, example, _any_size(stride))
    return _clean(data)


def _traced(network: nn.Module, example: torch.Tensor, dynamic: dict[int, str]) -> bytes:
    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (example,),
        buffer,  # type: ignore[arg-type]  # the tracing exporter takes files too
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": dynamic, "logits": dynamic},
    )
    return buffer.getvalue()


def _any_size(stride: int) -> dict[int, Any]:
    return {
        0: torch.export.Dim("batch", min=1, max=4096),
        2: stride * torch.export.Dim("rows", min=1, max=16384 // stride),
        3: stride * torch.export.Dim("columns", min=1, max=16384 // stride),
    }


def _dynamo(network: nn.Module, example: torch.Tensor, dims: dict[int, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=True,
            opset_version=18,  # this exporter writes 18 and up
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=(dims,),
            external_data=False,
            verbose=False,
        )
        return path.read_bytes()


def _clean(data: bytes) -> bytes:
    """Drop names of source files and stack traces, which the exporters leave in, and check the graph."""
    model = onnx.load_model_from_string(data)
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        for item in (graph, *graph.node, *getattr(graph, "value_info", ())):
            item.doc_string = ""
            if hasattr(item, "metadata_props"):
                del item.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
