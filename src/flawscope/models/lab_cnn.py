"""The lab's network: convolution, pooling, convolution, pooling, two dense layers. Written out to be read.

By default two convolutions of 5 x 5 with 32 and 64 maps and 128 hidden units; everything else by choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from flawscope.errors import ConfigError
from flawscope.models.blocks import NORMS
from flawscope.models.classic_parts import (
    ACTIVATIONS,
    POOLINGS,
    SHORTCUTS,
    check_choices,
    check_left,
    make_shortcut,
)


@dataclass(frozen=True)
class LabCnnOptions:
    """What the network is made of. Raises ConfigError for values that make no network."""

    in_channels: int = 1
    classes: int = 10
    size_hw: tuple[int, int] = (28, 28)
    """Height and width of its images."""
    widths: Sequence[int] = (32, 64)
    """Maps a stage; each stage ends with a pooling."""
    convs_per_stage: int = 1
    kernel_px: int = 5
    """Edge of the convolutions, odd."""
    padding: str = "same"
    """``same`` keeps the grid, ``valid`` takes ``kernel_px`` - 1 px off."""
    hidden: int = 128
    """Units of the first dense layer."""
    activation: str = "relu"
    pooling: str = "max"
    norm: str = "none"
    """``none``, ``batch``, ``group`` or ``instance``."""
    shortcut: str = "none"
    """Around each convolution; needs ``padding`` same."""
    dropout: float = 0.0
    """Share of the hidden units dropped while training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_hw", (int(self.size_hw[0]), int(self.size_hw[1])))
        check_choices(
            "lab-cnn",
            {
                "activation": (self.activation, tuple(ACTIVATIONS)),
                "pooling": (self.pooling, tuple(POOLINGS)),
                "norm": (self.norm, tuple(NORMS)),
                "shortcut": (self.shortcut, SHORTCUTS),
                "padding": (self.padding, ("same", "valid")),
            },
        )
        if not self.widths or min(self.widths) < 1 or self.convs_per_stage < 1 or self.hidden < 1:
            raise ConfigError(
                f"lab-cnn: widths is {list(self.widths)}, convs_per_stage {self.convs_per_stage}, hidden "
                f"{self.hidden}; expected 1 or more for each."
            )
        if self.kernel_px < 1 or self.kernel_px % 2 == 0:
            raise ConfigError(f"lab-cnn: kernel_px is {self.kernel_px}; expected an odd number.")
        if self.padding == "valid" and self.shortcut != "none":
            raise ConfigError("lab-cnn: a shortcut needs padding = 'same', which keeps the grid.")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"lab-cnn: dropout is {self.dropout}; expected at least 0 and below 1.")


class ConvLayer(nn.Module):
    """Convolution, normalisation, and what a shortcut adds; the activation comes after the pooling."""

    def __init__(self, inputs: int, outputs: int, options: LabCnnOptions) -> None:
        super().__init__()
        padding = options.kernel_px // 2 if options.padding == "same" else 0
        self.conv = nn.Conv2d(
            inputs, outputs, options.kernel_px, padding=padding, bias=options.norm == "none"
        )
        self.norm = NORMS[options.norm](outputs)
        self.shortcut = make_shortcut(options.shortcut, inputs, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """N x ``inputs`` x H x W to N x ``outputs`` x H' x W'."""
        answer: Tensor = self.norm(self.conv(maps))
        return answer if self.shortcut is None else answer + self.shortcut(maps)


class Stage(nn.Module):
    """One or more convolutions, each activated, the last one pooled first.

    The largest of activated values is the activation of the largest value: with max pooling and an
    activation that rises, pooling first gives the same maps for a quarter of the work.
    """

    def __init__(self, inputs: int, outputs: int, options: LabCnnOptions) -> None:
        super().__init__()
        channels = [inputs] + [outputs] * options.convs_per_stage
        self.convs = nn.ModuleList(ConvLayer(a, b, options) for a, b in pairwise(channels))
        self.pool = POOLINGS[options.pooling](outputs)
        self.activation = ACTIVATIONS[options.activation]()

    def forward(self, maps: Tensor) -> Tensor:
        """N x ``inputs`` x H x W to N x ``outputs`` x H'/2 x W'/2."""
        for conv in self.convs[:-1]:
            maps = self.activation(conv(maps))
        pooled: Tensor = self.activation(self.pool(self.convs[-1](maps)))
        return pooled


class LabCnn(nn.Module):
    """Stages, then two dense layers."""

    def __init__(self, options: LabCnnOptions) -> None:
        super().__init__()
        self.options = options
        channels = [options.in_channels, *options.widths]
        self.stages = nn.Sequential(*(Stage(a, b, options) for a, b in pairwise(channels)))
        left_hw = _left_hw(options)
        check_left("lab-cnn", options.size_hw, left_hw)
        self.hidden = nn.Linear(options.widths[-1] * left_hw[0] * left_hw[1], options.hidden)
        self.activation = ACTIVATIONS[options.activation]()
        self.dropout = nn.Dropout(options.dropout)
        self.output = nn.Linear(options.hidden, options.classes)

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W of the size that it was built for, to logits N x K."""
        features = self.activation(self.hidden(self.stages(image).flatten(1)))
        logits: Tensor = self.output(self.dropout(features))
        return logits


def _left_hw(options: LabCnnOptions) -> tuple[int, int]:
    """Grid after the last pooling."""
    lost = 0 if options.padding == "same" else options.convs_per_stage * (options.kernel_px - 1)
    height, width = options.size_hw
    for _ in options.widths:
        height, width = (height - lost) // 2, (width - lost) // 2
    return height, width


def build_lab_cnn(**options: object) -> nn.Module:
    """The lab's network from the keys of `LabCnnOptions`. Raises ConfigError."""
    return LabCnn(LabCnnOptions(**options))  # type: ignore[arg-type]
