"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998), written out to be read.

``dense`` is the network as it is usually built today: plain mean pooling, every map of C3 sees all maps
before it, a linear last layer: 61,706 parameters. ``original`` is the paper's: subsampling with a coefficient
and a bias a map, the partial table, and a last layer that measures distances to fixed codes: 60,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from flawscope.errors import ConfigError
from flawscope.models.classic_parts import (
    ACTIVATIONS,
    POOLINGS,
    check_choices,
    check_left,
    output_px,
)

CONNECTIONS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
"""Table I of the paper: which of the six maps of S2 each of the sixteen maps of C3 sees."""

_KERNEL_PX = 5
_FEATURES = 84


@dataclass(frozen=True)
class LeNet5Options:
    """What a LeNet-5 is made of. Raises ConfigError for values that make no network."""

    in_channels: int = 1
    classes: int = 10
    size_hw: tuple[int, int] = (32, 32)
    """Height and width of its images. The paper's are 32 x 32: 28 x 28 digits with a rim."""
    variant: Literal["dense", "original"] = "dense"
    padding_px: int = 0
    """Rim of zeros around the image; 2 makes 32 x 32 of MNIST's 28 x 28."""
    activation: str = ""
    """One of ``ACTIVATIONS``; empty: tanh, or the paper's scaled tanh for ``original``."""
    pooling: str = ""
    """One of ``POOLINGS``; empty: mean, or the paper's subsampling for ``original``."""
    dropout: float = 0.0
    """Share of the 84 features dropped while training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_hw", (int(self.size_hw[0]), int(self.size_hw[1])))
        original = self.variant == "original"
        object.__setattr__(self, "activation", self.activation or ("scaled_tanh" if original else "tanh"))
        object.__setattr__(self, "pooling", self.pooling or ("scaled" if original else "mean"))
        check_choices(
            "lenet5",
            {
                "variant": (self.variant, ("dense", "original")),
                "activation": (self.activation, tuple(ACTIVATIONS)),
                "pooling": (self.pooling, tuple(POOLINGS)),
            },
        )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"lenet5: dropout is {self.dropout}; expected at least 0 and below 1.")


class PartialConv(nn.Module):
    """Convolution in which each output map sees only some of the input maps."""

    def __init__(self, connections: tuple[tuple[int, ...], ...], kernel_px: int) -> None:
        super().__init__()
        self.connections = connections
        self.maps = nn.ModuleList(nn.Conv2d(len(seen), 1, kernel_px) for seen in connections)

    def forward(self, maps: Tensor) -> Tensor:
        """N x C x H x W to N x ``len(connections)`` x H' x W'."""
        outputs = [conv(maps[:, list(seen)]) for conv, seen in zip(self.maps, self.connections, strict=True)]
        return torch.cat(outputs, dim=1)


class CodeDistance(nn.Module):
    """The paper's last layer: minus the squared distance of the features to a fixed code of each class.

    The paper's codes are bitmaps of 7 x 12 that look like the characters; here they are drawn once, at random
    and the same in every network, so that there may be any number of classes. They are no parameters.
    """

    codes: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1998)
        # Drawn on the CPU whatever the default device, for the meta device has no generator.
        bits = torch.randint(0, 2, (classes, features), generator=generator, device="cpu")
        self.register_buffer("codes", bits.to(torch.get_default_device()) * 2.0 - 1.0)

    def forward(self, features: Tensor) -> Tensor:
        """N x F to N x K."""
        # |x - w|^2 = |x|^2 - 2 x w + |w|^2: one product of matrices.
        distance = (
            features.square().sum(dim=1, keepdim=True)
            - 2.0 * features @ self.codes.T
            + self.codes.square().sum(dim=1)
        )
        return -distance


class LeNet5(nn.Module):
    """C1 - S2 - C3 - S4 - C5 - F6 - output, named as in the paper."""

    def __init__(self, options: LeNet5Options) -> None:
        super().__init__()
        self.options = options
        original = options.variant == "original"
        activation, pool = ACTIVATIONS[options.activation], POOLINGS[options.pooling]
        self.c1 = nn.Conv2d(options.in_channels, 6, _KERNEL_PX, padding=options.padding_px)
        self.s2 = pool(6)
        self.c3 = PartialConv(CONNECTIONS, _KERNEL_PX) if original else nn.Conv2d(6, 16, _KERNEL_PX)
        self.s4 = pool(16)
        left = _left_hw(options)
        check_left("lenet5", options.size_hw, left)
        # In the paper C5 is a convolution over all of a 5 x 5 grid, which is a dense layer.
        self.c5 = nn.Linear(16 * left[0] * left[1], 120)
        self.f6 = nn.Linear(120, _FEATURES)
        self.dropout = nn.Dropout(options.dropout)
        self.output: nn.Module = (
            CodeDistance(_FEATURES, options.classes) if original else nn.Linear(_FEATURES, options.classes)
        )
        self.activation = activation()

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W of the size that it was built for, to logits N x K."""
        maps = self.activation(self.s2(self.activation(self.c1(image))))
        maps = self.activation(self.s4(self.activation(self.c3(maps))))
        features = self.activation(self.c5(maps.flatten(1)))
        features = self.activation(self.f6(features))
        logits: Tensor = self.output(self.dropout(features))
        return logits


def _left_hw(options: LeNet5Options) -> tuple[int, int]:
    """Grid after S4."""

    def along(size_px: int) -> int:
        halved = output_px(output_px(size_px, _KERNEL_PX, padding_px=options.padding_px), 2, 2)
        return output_px(output_px(halved, _KERNEL_PX), 2, 2)

    return along(options.size_hw[0]), along(options.size_hw[1])


def build_lenet5(**options: object) -> nn.Module:
    """LeNet-5 from the keys of `LeNet5Options`. Raises ConfigError."""
    return LeNet5(LeNet5Options(**options))  # type: ignore[arg-type]
