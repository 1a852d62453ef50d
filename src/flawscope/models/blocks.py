"""The pieces that networks are built from: convolution units, padding to a multiple, first weights.

Everything here works on tensors N x C x H x W and knows nothing of losses or devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models.upsampling import BilinearTransposed


class GroupNorm(nn.GroupNorm):
    """torch's, also for groups of a single value, which come out as the bias: tiny pictures have such."""

    def forward(self, input: Tensor) -> Tensor:
        """N x C x H x W to the same shape."""
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm(nn.InstanceNorm2d):
    """torch's with weight and bias, also for grids of 1 x 1, which come out as the bias."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, input: Tensor) -> Tensor:
        """N x C x H x W to the same shape."""
        return torch.instance_norm(input, self.weight, self.bias, None, None, True, 0.0, self.eps, True)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: GroupNorm(_group_count(channels), channels),
    "instance": InstanceNorm,
    "none": lambda _channels: nn.Identity(),
}
"""Normalisation by name: channels -> module."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "silu": lambda: nn.SiLU(inplace=True),
}
"""Activation by name."""


def _group_count(channels: int, wanted: int = 8) -> int:
    """The largest number of groups up to ``wanted`` that divides the channels."""
    return next(count for count in range(min(wanted, channels), 0, -1) if channels % count == 0)


class ConvUnit(nn.Sequential):
    """3 x 3 convolution, normalisation, activation. ``padding`` 1 keeps the size, 0 takes 2 px off."""

    def __init__(
        self, inputs: int, outputs: int, norm: str, activation: str, *, bias: bool, padding: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=padding, bias=bias),
            NORMS[norm](outputs),
            ACTIVATIONS[activation](),
        )


class ConvStack(nn.Sequential):
    """``count`` convolution units in a row, then dropout of whole channels where asked for."""

    def __init__(
        self,
        channels: tuple[int, int],
        count: int,
        unit: Callable[[int, int], nn.Module],
        dropout: float = 0.0,
    ) -> None:
        inputs, outputs = channels
        layers = [unit(inputs if index == 0 else outputs, outputs) for index in range(count)]
        if dropout > 0:
            layers.append(nn.Dropout2d(dropout))
        super().__init__(*layers)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeats the last row and column until height and width are multiples of ``multiple``.

    Sizes stay symbolic while a graph is exported: there is no branch on them, and a size that fits is
    padded by nothing.
    """
    height, width = image.shape[-2], image.shape[-1]
    return functional.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def init_weights(module: nn.Module, activation: str) -> None:
    """He initialisation (He et al. 2015, fan-out) for convolutions; biases zero, normalisation one."""
    slope = 0.01 if activation == "leaky_relu" else 0.0
    # ReLU is the leaky kind of slope zero.
    for part in module.modules():
        if isinstance(part, BilinearTransposed):
            part.start_bilinear()
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, a=slope, mode="fan_out", nonlinearity="leaky_relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def prior_logits(prior: float | Sequence[float], classes: int) -> Tensor:
    """Logits (``classes``,) of ``prior``, the expected share (0..1) of each class.

    Raises ConfigError when a share lies outside 0..1 or the number of shares is not that of the classes.
    """
    shares = [prior] * classes if isinstance(prior, int | float) else list(prior)
    if len(shares) != classes or not all(0.0 < share < 1.0 for share in shares):
        raise ConfigError(
            f"prior is {prior!r}; expected one share between 0 and 1, or one for each of {classes} outputs."
        )
    return torch.tensor([math.log(share / (1.0 - share)) for share in shares])


def set_prior(head: nn.Conv2d, prior: float | Sequence[float]) -> None:
    """Starts the head at the logit of ``prior``, the expected share (0..1) of each class.

    A network that starts by calling everything rare does not spend its first steps on learning that
    (Lin et al. 2017, section 4.1). Raises ConfigError as `prior_logits` does, and for a head without bias.
    """
    logits = prior_logits(prior, head.out_channels)
    if head.bias is None:
        raise ConfigError("prior needs a head with a bias.")
    nn.init.normal_(head.weight, std=0.01)
    with torch.no_grad():
        head.bias.copy_(logits)
