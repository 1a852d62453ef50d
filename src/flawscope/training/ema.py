"""An exponential moving average of a network's weights and buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_UPDATES = "ema.updates"


class Ema:
    """Keeps ``average = d x average + (1 - d) x weights`` of every floating tensor of a model's state.

    Running statistics are averaged like weights; counters are copied. The first updates use a smaller d,
    (1 + n) / (10 + n), so that short runs forget their random start.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes in the weights after one optimiser step."""
        self.updates += 1
        share = 1.0 - min(self.decay, (1.0 + self.updates) / (10.0 + self.updates))
        averages: list[Tensor] = []
        currents: list[Tensor] = []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averages.append(self.average[name])
                currents.append(value)
            else:
                self.average[name].copy_(value)
        torch._foreach_lerp_(averages, currents, share)

    def copy_to(self, model: nn.Module) -> None:
        """Writes the average into a model of the same shape."""
        model.load_state_dict(self.average)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Within the block the model holds the average; afterwards its own weights again."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.copy_to(model)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """A flat dictionary of tensors, fit for safetensors."""
        counter = torch.tensor(self.updates, dtype=torch.int64)
        return {_UPDATES: counter, **{name: value.clone() for name, value in self.average.items()}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where ``state_dict`` left off. Raises KeyError when a tensor is missing."""
        self.updates = int(state[_UPDATES])
        for name, value in self.average.items():
            value.copy_(state[name])
