"""A network as a table of its layers, and what it costs, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from flawscope.models.build import build_model
from flawscope.models.cost import Cost, count

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
    lines = [f"{'layer':<34} {'kind':<16} {'F / S + P':<11} {'output':<18} {'parameters':>11} {'GFLOP':>8}"]
    for layer in cost.layers:
        if not layer.parameters and layer.kind in _POINTWISE:
            continue
        shape = " x ".join(map(str, layer.output_shape))
        window = "{} / {} + {}".format(*layer.window) if layer.window else ""
        lines.append(
            f"{layer.name:<34} {layer.kind:<16} {window:<11} {shape:<18} {layer.parameters:>11,} "
            f"{layer.gflop:>8.3f}"
        )
    if any(layer.window for layer in cost.layers):
        lines.append("Outputs along a side of N: floor((N + 2P - F) / S) + 1.")
    return lines


def totals(cost: Cost, batch: int) -> list[str]:
    """Parameters as torch and as Keras count, arithmetic, memory."""
    return [
        f"{cost.parameters:,} parameters ({cost.parameters_keras:,} as Keras counts, with moving "
        f"statistics), {cost.gflop:.2f} GFLOP ({cost.gflop / 2:.2f} G multiply-adds).",
        f"{cost.activation_mib:.0f} MiB of activations an image; a training step of {batch} with Adam "
        f"takes about {training_mib(cost, batch):,.0f} MiB.",
    ]
