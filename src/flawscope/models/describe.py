"""A network as a table of its layers, and what it costs, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from flawscope.models.build import build_model
from flawscope.models.cost import Cost, LayerCost, count

_POINTWISE = {
    "ReLU",
    "LeakyReLU",
    "ELU",
    "GELU",
    "SiLU",
    "Identity",
    "Dropout",
    "Dropout2d",
    "Sigmoid",
    "Tanh",
}
"""Layers that would only lengthen the table: they have no weights and keep the shape."""

_WHOLE = "(the network)"
"""In the table, what lies outside of all layers."""

_IDLE = "not called"
"""In the table, in place of an output."""

_WIDTHS = (34, 16, 11, 18, 11, 8)
"""Least characters a column of the table."""

_NUMBERS = (4, 5)
"""Columns of the table that stand at their right edge."""

_COPIES_TRAINED = 4
"""Weights, their gradients, and two running means of Adam."""


def cost_of(
    name: str, options: Mapping[str, Any], size_hw: tuple[int, int], channels: int, outputs: int
) -> Cost:
    """Cost of one image through a network, built on torch's meta device: no memory, no arithmetic.

    ``size_hw``: height and width of the image in px. Raises ConfigError.
    """
    # Weights from a file or the hub do not change the cost.
    kept = {key: value for key, value in options.items() if key != "encoder_weights"}
    with torch.device("meta"):
        model = build_model(name, **{**kept, "in_channels": channels, "classes": outputs})
    return count(model, size_hw, channels)


def training_mib(cost: Cost, batch: int) -> float:
    """Memory of a training step with Adam in float32, in MiB: weights, gradients, means, activations."""
    return _COPIES_TRAINED * cost.parameters * 4 / 2**20 + batch * cost.activation_mib


def layer_table(cost: Cost) -> list[str]:
    """A line a layer that changes the shape or has weights; windows as edge / stride + padding."""
    rows = [("layer", "kind", "F / S + P", "output", "parameters", "GFLOP")]
    for layer in cost.layers:
        if not layer.parameters and layer.kind in _POINTWISE:
            continue
        shape = " x ".join(map(str, layer.output_shape)) or _IDLE
        numbers = (f"{layer.parameters:,}", f"{layer.gflop:.3f}")
        rows.append((layer.name or _WHOLE, layer.kind, _window(layer), shape, *numbers))
    widths = [
        max(*map(len, column), least) for column, least in zip(zip(*rows, strict=True), _WIDTHS, strict=True)
    ]
    lines = [
        " ".join(
            f"{text:>{width}}" if k in _NUMBERS else f"{text:<{width}}"
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    windows = [layer.window for layer in cost.layers if layer.window]
    if windows:
        lines.append(
            "Outputs along a side of N: floor((N + 2P - F) / S) + 1. F: what a dilated kernel spans."
        )
    if any(window[2] is None for window in windows):
        lines.append("same: padded unevenly, to ceil(N / S) outputs.")
    return lines


def _window(layer: LayerCost) -> str:
    if layer.window is None:
        return ""
    edge, stride, padding = layer.window
    return f"{edge} / {stride} + {'same' if padding is None else padding}"


def totals(cost: Cost, batch: int) -> list[str]:
    """Parameters as torch and as Keras count, arithmetic, memory."""
    return [
        f"{cost.parameters:,} parameters ({cost.parameters_keras:,} as Keras counts, with moving "
        f"statistics), {cost.gflop:.2f} GFLOP ({cost.gflop / 2:.2f} G multiply-adds).",
        f"{cost.activation_mib:.0f} MiB of activations an image; a training step of {batch} with Adam "
        f"takes about {training_mib(cost, batch):,.0f} MiB.",
    ]
