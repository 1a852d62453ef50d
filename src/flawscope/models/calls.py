"""What ran inside a network, call by call: sizes, arithmetic, and which module a parameter belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn


@dataclass
class Call:
    """One call of one module."""

    name: str
    """Path in the network; empty for the network itself."""
    part: nn.Module
    in_hw: tuple[int, ...]
    """Height and width of its first input where that is N x C x H x W, else empty."""
    is_layer: bool
    within_layer: bool
    """Whether it is a piece of a layer, as the padding of a convolution is."""
    flops: int = 0
    """Floating-point operations: of a layer all, of another module those outside of the modules in it."""
    out_shape: tuple[int, ...] = ()
    """C x H x W of its output, without the batch; of the first tensor where it gives several."""


def is_layer(part: nn.Module) -> bool:
    """Whether a module is one row of a table: it has no modules inside, or only such without parameters
    beside its own, as a convolution that pads by a module or a normalisation that activates."""
    if not list(part.children()):
        return True
    own = len(list(part.parameters(recurse=False)))
    return 0 < own == len(list(part.parameters()))


class Trace:
    """The calls inside a network from now on, in the order in which they end.

    ``flops_so_far`` counts operations while the network runs, as `FlopCounterMode.get_total_flops` does. The
    hooks stay: give it a network that is thrown away.
    """

    def __init__(self, network: nn.Module, flops_so_far: Callable[[], int]) -> None:
        self.calls: list[Call] = []
        self._flops = flops_so_far
        self._open: list[tuple[Call, int]] = []
        """Calls that have begun, and how many operations there were before each."""
        self._inside = [0]
        """Operations of the modules inside each open call, and of the network."""
        for name, part in network.named_modules():
            part.register_forward_pre_hook(partial(self._begin, name))
            part.register_forward_hook(self._end)

    def _begin(self, name: str, part: nn.Module, inputs: tuple[Any, ...]) -> None:
        first = inputs[0] if inputs else None
        in_hw = tuple(first.shape[2:]) if isinstance(first, Tensor) and first.dim() == 4 else ()
        within = any(call.is_layer for call, _ in self._open)
        self._open.append((Call(name, part, in_hw, is_layer(part), within), self._flops()))
        self._inside.append(0)

    def _end(self, _part: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        call, before = self._open.pop()
        total, inside = self._flops() - before, self._inside.pop()
        self._inside[-1] += total
        call.flops = total if call.is_layer else total - inside
        tensor = next((one for one in _flat(output) if isinstance(one, Tensor)), None)
        call.out_shape = () if tensor is None else tuple(tensor.shape[1:])
        self.calls.append(call)


def owned_parameters(network: nn.Module) -> Counter[str]:
    """Each module's own parameters by its path, without those of modules in it.

    One that several modules share is counted once. The sum is that of the network.
    """
    found: Counter[str] = Counter()
    for key, parameter in network.named_parameters():
        found[key.rpartition(".")[0]] += parameter.numel()
    return found


def _flat(output: Any) -> tuple[Any, ...]:
    return tuple(output) if isinstance(output, list | tuple) else (output,)
