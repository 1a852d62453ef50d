"""What the classic classifiers choose between: activations, ways to pool, shortcuts.

Everything works on tensors N x C x H x W, activations also on N x F.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError


class ScaledTanh(nn.Module):
    """1.7159 tanh(2 x / 3), which maps 1 to 1 and -1 to -1 (LeCun et al. 1998, appendix A)."""

    def forward(self, values: Tensor) -> Tensor:
        """Any shape, element by element."""
        return 1.7159 * torch.tanh(values * (2.0 / 3.0))


class ScaledPool(nn.Module):
    """LeNet-5's subsampling: the mean of 2 x 2 values, times a coefficient, plus a bias, a pair a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """N x C x H x W to N x C x H/2 x W/2, a last odd row or column left out."""
        return functional.avg_pool2d(maps, 2) * self.coefficient + self.bias


class ZeroPadShortcut(nn.Module):
    """The input itself, every ``stride``-th pixel, with maps of zeros added (He et al. 2016, option A).

    Has no parameters.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        if outputs < inputs:
            raise ConfigError(f"a zero-padded shortcut cannot go from {inputs} to {outputs} channels.")
        self.more = outputs - inputs
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """N x ``inputs`` x H x W to N x ``outputs`` x H/stride x W/stride."""
        return functional.pad(maps[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "scaled_tanh": ScaledTanh,
    "softmax": lambda: nn.Softmax(dim=1),
}
"""Activation by name; ``softmax`` runs over the channels."""

POOLINGS: dict[str, Callable[[int], nn.Module]] = {
    "max": lambda _channels: nn.MaxPool2d(2),
    "mean": lambda _channels: nn.AvgPool2d(2),
    "strided": lambda channels: nn.Conv2d(channels, channels, 2, stride=2),
    "scaled": ScaledPool,
}
"""Ways to halve a grid by name: channels -> module. ``strided`` is a convolution of 2 x 2, stride 2."""

SHORTCUTS = ("none", "residual", "zero_padded")
"""``residual`` goes through a 1 x 1 convolution where the channels change, ``zero_padded`` adds maps of
zeros."""


def make_shortcut(kind: str, inputs: int, outputs: int) -> nn.Module | None:
    """Around a convolution that keeps the grid; None for ``none``."""
    if kind == "none":
        return None
    if inputs == outputs:
        return nn.Identity()
    if kind == "zero_padded":
        return ZeroPadShortcut(inputs, outputs)
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def output_px(size_px: int, kernel_px: int, stride: int = 1, padding_px: int = 0) -> int:
    """Outputs along one side: floor((N + 2P - F) / S) + 1."""
    return (size_px + 2 * padding_px - kernel_px) // stride + 1


def check_choices(network: str, choices: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    """ConfigError for a value that is not among its choices: key -> (value, allowed)."""
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            raise ConfigError(f"{network}: {key} is {value!r}; expected one of {', '.join(allowed)}.")


def check_left(network: str, size_hw: tuple[int, int], left_hw: tuple[int, int]) -> None:
    """ConfigError where nothing of an image of ``size_hw`` is left after the convolutions."""
    if min(left_hw) < 1:
        raise ConfigError(
            f"{network}: nothing is left of an image of {size_hw[0]} x {size_hw[1]} px after its layers.\n"
            "Expected a larger input.size_hw."
        )
