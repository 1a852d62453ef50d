"""What a network costs: parameters, arithmetic, memory, layer by layer.

FLOP = 2 x multiply-adds, everywhere in flawscope. Counted without memory or arithmetic, on torch's
``meta`` device, by torch's own table of what each operation costs (attention included).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

_BYTES_PER_FLOAT = 4


@dataclass(frozen=True)
class LayerCost:
    """One module without children, in the order in which it ran."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    """C x H x W, without the batch."""
    parameters: int
    gflop: float
    window: tuple[int, int, int] | None = None
    """Edge F, stride S and padding P of a convolution or pooling: floor((N + 2P - F) / S) + 1 outputs along a
    side of N. None for other layers, and where rows and columns differ."""


@dataclass(frozen=True)
class Cost:
    """Cost of one image through the network."""

    parameters: int
    parameters_keras: int
    """The same with the moving statistics of batch normalisation, which Keras counts as parameters."""
    gflop: float
    """10^9 floating-point operations, 2 x multiply-adds."""
    activation_mib: float
    """Outputs of all layers in float32, as training keeps them for one image."""
    layers: tuple[LayerCost, ...]


def count(model: nn.Module, size_hw: tuple[int, int], in_channels: int | None = None) -> Cost:
    """Cost of one image of ``size_hw`` px in evaluation mode. The model itself is not touched.

    ``in_channels`` defaults to what the model's first convolution takes.
    """
    twin = copy.deepcopy(model).to("meta").eval()
    channels = in_channels if in_channels is not None else _input_channels(model)
    image = torch.empty(1, channels, *size_hw, device="meta")
    seen: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    handles = [
        part.register_forward_hook(_recorder(name, seen))
        for name, part in twin.named_modules()
        if name and not list(part.children())
    ]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        twin(image)
    for handle in handles:
        handle.remove()
    flops = _flops_by_module(counter, type(twin).__name__)
    layers = tuple(
        LayerCost(
            name, type(part).__name__, shape, _parameters(part), flops.get(name, 0) / 1e9, window_of(part)
        )
        for name, part, shape in seen
    )
    floats = sum(torch.Size(shape).numel() for _, _, shape in seen)
    parameters = _parameters(model)
    return Cost(
        parameters=parameters,
        parameters_keras=parameters + _moving_statistics(model),
        gflop=counter.get_total_flops() / 1e9,
        activation_mib=floats * _BYTES_PER_FLOAT / 2**20,
        layers=layers,
    )


def window_of(part: nn.Module) -> tuple[int, int, int] | None:
    """Edge, stride and padding of a convolution or pooling; None where there is no one number."""
    if not isinstance(part, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    found = []
    for value in (part.kernel_size, part.stride, part.padding):
        pair = value if isinstance(value, tuple) else (value, value)
        if len(set(pair)) != 1 or not isinstance(pair[0], int):
            return None
        found.append(int(pair[0]))
    return found[0], found[1], found[2]


def _recorder(name: str, seen: list[tuple[str, nn.Module, tuple[int, ...]]]) -> Any:
    def record(module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            seen.append((name, module, tuple(output.shape[1:])))

    return record


def _flops_by_module(counter: FlopCounterMode, root: str) -> dict[str, int]:
    return {
        name.removeprefix(f"{root}."): sum(operations.values())
        for name, operations in counter.get_flop_counts().items()
    }


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _moving_statistics(model: nn.Module) -> int:
    return sum(
        buffer.numel()
        for name, buffer in model.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    )


def _input_channels(model: nn.Module) -> int:
    options = getattr(model, "options", None)
    if options is not None and hasattr(options, "in_channels"):
        return int(options.in_channels)
    first = next(part for part in model.modules() if isinstance(part, nn.Conv2d))
    return first.in_channels
