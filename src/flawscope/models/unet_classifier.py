"""A U-Net's way down with a dense head: the capstone's classifier. Written out to be read.

Stages of two 3 x 3 convolutions, then a pooling and dropout; the last grid is flattened into dense layers.
The capstone's report says no more than this; widths and dropout are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from flawscope.errors import ConfigError
from flawscope.models.blocks import ACTIVATIONS, NORMS, ConvStack, ConvUnit, init_weights
from flawscope.models.classic_parts import check_choices, check_left


@dataclass(frozen=True)
class UnetClassifierOptions:
    """What the network is made of. Raises ConfigError for values that make no network."""

    in_channels: int = 3
    classes: int = 1
    size_hw: tuple[int, int] = (256, 512)
    """Height and width of its images."""
    widths: Sequence[int] = (16, 32, 64, 128, 256)
    """Maps a stage; each stage ends with a pooling that halves the grid."""
    norm: str = "batch"
    activation: str = "relu"
    dropout: float = 0.1
    """Share of the maps that is dropped after each stage while training."""
    hidden: int = 64
    """Units of the dense layer before the last one; 0 = none."""
    head_dropout: float = 0.3
    """Share of the dense layer's inputs that is dropped while training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_hw", (int(self.size_hw[0]), int(self.size_hw[1])))
        check_choices(
            "unet-classifier",
            {"norm": (self.norm, tuple(NORMS)), "activation": (self.activation, tuple(ACTIVATIONS))},
        )
        if not self.widths or min(self.widths) < 1 or self.hidden < 0:
            raise ConfigError(
                f"unet-classifier: widths is {list(self.widths)}, hidden {self.hidden}; expected widths of 1 "
                "or more, hidden of 0 or more."
            )
        for name, share in (("dropout", self.dropout), ("head_dropout", self.head_dropout)):
            if not 0.0 <= share < 1.0:
                raise ConfigError(f"unet-classifier: {name} is {share}; expected at least 0 and below 1.")


class UnetClassifier(nn.Module):
    """Down as a U-Net, then dense."""

    def __init__(self, options: UnetClassifierOptions) -> None:
        super().__init__()
        self.options = options
        unit = partial(
            ConvUnit, norm=options.norm, activation=options.activation, bias=options.norm == "none"
        )
        channels = [options.in_channels, *options.widths]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(ConvStack((a, b), 2, unit), nn.MaxPool2d(2), nn.Dropout2d(options.dropout))
                for a, b in pairwise(channels)
            )
        )
        shrink = 2 ** len(options.widths)
        left_hw = (options.size_hw[0] // shrink, options.size_hw[1] // shrink)
        check_left("unet-classifier", options.size_hw, left_hw)
        features = options.widths[-1] * left_hw[0] * left_hw[1]
        dense: list[nn.Module] = [nn.Flatten(), nn.Dropout(options.head_dropout)]
        if options.hidden:
            dense += [nn.Linear(features, options.hidden), ACTIVATIONS[options.activation]()]
        self.head = nn.Sequential(*dense, nn.Linear(options.hidden or features, options.classes))
        init_weights(self.stages, options.activation)

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W of the size that it was built for, to logits N x K."""
        logits: Tensor = self.head(self.stages(image))
        return logits


def build_unet_classifier(**options: object) -> nn.Module:
    """The network from the keys of `UnetClassifierOptions`. Raises ConfigError."""
    return UnetClassifier(UnetClassifierOptions(**options))  # type: ignore[arg-type]
