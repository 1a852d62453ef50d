"""What a network costs: parameters, arithmetic, memory, layer by layer.

FLOP = 2 x multiply-adds, everywhere in flawscope. Counted without memory or arithmetic, on torch's
``meta`` device, by torch's own table of what each operation costs (attention included).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from flawscope.models.calls import Call, Trace, owned_parameters
from flawscope.models.window import Window, window_of

_BYTES_PER_FLOAT = 4


@dataclass(frozen=True)
class LayerCost:
    """One run of a layer, or of a module of layers that has parameters or arithmetic outside of them."""

    name: str
    """Path in the network; empty for the network itself."""
    kind: str
    output_shape: tuple[int, ...]
    """C x H x W, without the batch. Empty for a layer that is never called, as the last convolution of some
    encoders, whose features are taken before it."""
    parameters: int
    """Its own; counted once for a layer that runs several times."""
    gflop: float
    window: Window | None = None
    """Edge F, stride S and padding P of a convolution or pooling: floor((N + 2P - F) / S) + 1 outputs along a
    side of N, and ceil(N / S) where P is None. None for other layers, and where rows and columns differ."""


@dataclass(frozen=True)
class Cost:
    """Cost of one image through the network."""

    parameters: int
    parameters_keras: int
    """The same with the moving statistics of batch normalisation, which Keras counts as parameters."""
    gflop: float
    """10^9 floating-point operations, 2 x multiply-adds."""
    activation_mib: float
    """Outputs of all layers and of the pieces of layers in float32, as training keeps them for one image."""
    layers: tuple[LayerCost, ...]
    """In the order in which they ran, at the end those that did not. Their parameters and GFLOP add up to
    those of the network."""


def count(model: nn.Module, size_hw: tuple[int, int], in_channels: int | None = None) -> Cost:
    """Cost of one image of ``size_hw`` px in evaluation mode. The model itself is not touched.

    ``in_channels`` defaults to what the model's first convolution takes.
    """
    twin = copy.deepcopy(model).to("meta").eval()
    channels = in_channels if in_channels is not None else _input_channels(model)
    image = torch.empty(1, channels, *size_hw, device="meta")
    counter = FlopCounterMode(display=False)
    trace = Trace(twin, counter.get_total_flops)
    with torch.no_grad(), counter:
        twin(image)
    parameters = _parameters(model)
    return Cost(
        parameters=parameters,
        parameters_keras=parameters + _moving_statistics(model),
        gflop=counter.get_total_flops() / 1e9,
        activation_mib=_kept_floats(trace.calls) * _BYTES_PER_FLOAT / 2**20,
        layers=tuple(_rows(model, trace.calls)),
    )


def _rows(model: nn.Module, calls: Sequence[Call]) -> Iterator[LayerCost]:
    owned = owned_parameters(model)
    for call in calls:
        parameters = owned.pop(call.name, 0)  # a layer that runs again has no further ones
        if call.within_layer or not (call.is_layer or call.flops or parameters):
            continue
        window = window_of(call.part, call.in_hw, call.out_shape[1:])
        kind = type(call.part).__name__
        yield LayerCost(call.name, kind, call.out_shape, parameters, call.flops / 1e9, window)
    for name, parameters in owned.items():
        yield LayerCost(name, type(model.get_submodule(name)).__name__, (), parameters, 0.0)


def _kept_floats(calls: Sequence[Call]) -> int:
    """Numbers that all layers put out; an identity puts out what it was given."""
    return sum(
        torch.Size(call.out_shape).numel()
        for call in calls
        if call.is_layer and call.out_shape and not isinstance(call.part, nn.Identity)
    )


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
