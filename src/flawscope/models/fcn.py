"""Fully convolutional networks (Long et al. 2015) over any encoder of segmentation-models-pytorch.

Each level's features are scored by a 1 x 1 convolution. ``fcn-32s`` brings the coarsest scores (stride 32) up
at once; ``fcn-16s`` first adds the scores of stride 16, ``fcn-8s`` also those of stride 8. Input N x
``in_channels`` x H x W of any size (padded inside, cropped back), output logits N x ``classes`` x H x W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models.blocks import pad_to_multiple, prior_logits
from flawscope.models.encoder_decoder import make_encoder
from flawscope.models.upsampling import UPSAMPLINGS, BedOfNails, BilinearTransposed, MaxUnpool, pool_places

FCNS = {"fcn-32s": 32, "fcn-16s": 16, "fcn-8s": 8}
"""Names of the networks and the stride of the finest level that is scored."""

_LEVELS = 5
"""Level 5 has stride 32."""


@dataclass(frozen=True)
class FCNOptions:
    """What an FCN is made of. Raises ConfigError for values that make no network."""

    in_channels: int = 3
    classes: int = 1
    encoder: str = "resnet18"
    encoder_weights: str = "none"
    """``none``, ``imagenet`` or ``file:PATH``, as for the other networks over encoders."""
    upsampling: str = "transposed_bilinear"
    """One of ``UPSAMPLINGS``. Bed of nails and max unpooling leave zeros, which a 3 x 3 convolution after
    every doubling fills. Max unpooling remembers where the finer level's scores, and beyond the scored
    levels the mean of its features, were largest."""
    head_widths: Sequence[int] = ()
    """Channels of the layers between encoder and scores: the first a 7 x 7, the others 1 x 1 convolutions.
    (4096, 4096) are VGG-16's fully connected layers."""
    dropout: float = 0.5
    """Share of channels dropped after each of these layers while training."""
    prior: float | Sequence[float] | None = None
    """Expected share of each class; sets the bias of the logits."""

    def __post_init__(self) -> None:
        if self.upsampling not in UPSAMPLINGS:
            raise ConfigError(
                f"fcn: upsampling is {self.upsampling!r}; expected one of {', '.join(UPSAMPLINGS)}."
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"fcn: dropout is {self.dropout}; expected at least 0 and below 1.")
        if any(width < 1 for width in self.head_widths):
            raise ConfigError(f"fcn: head_widths is {list(self.head_widths)}; expected positive numbers.")


class FCN(nn.Module):
    """Encoder, scores of its coarser levels, ways up between them and to the image."""

    stride_multiple = 1 << _LEVELS

    def __init__(self, name: str, options: FCNOptions) -> None:
        super().__init__()
        self.options = options
        self.finest = FCNS[name].bit_length() - 1
        encoder = make_encoder(name, options.encoder, options.in_channels, options.encoder_weights)
        self.encoder = encoder
        channels = [int(count) for count in cast(Sequence[int], encoder.out_channels)]
        if len(channels) != _LEVELS + 1:
            raise ConfigError(f"fcn: the encoder {options.encoder} has no five levels; choose another one.")
        self.head = _head(channels[_LEVELS], options)
        inputs = [*channels[:_LEVELS], (channels[_LEVELS], *options.head_widths)[-1]]
        # Biases of summed scores would say the same thing several times: one at the end is enough.
        self.score = nn.ModuleDict(
            {
                str(level): nn.Conv2d(inputs[level], options.classes, 1, bias=False)
                for level in range(self.finest, _LEVELS + 1)
            }
        )
        for score in self.score.values():
            nn.init.zeros_(cast(nn.Conv2d, score).weight)
        self.up = nn.ModuleDict({str(level): _Double(options) for level in range(self.finest, _LEVELS)})
        self.rise = _Rise(options, self.finest)
        classes, prior = options.classes, options.prior
        self.bias = nn.Parameter(torch.zeros(classes) if prior is None else prior_logits(prior, classes))

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W to logits N x K x H x W."""
        height, width = image.shape[-2], image.shape[-1]
        padded = pad_to_multiple(image, self.stride_multiple)
        features: list[Tensor] = self.encoder(padded)
        grid: Tensor = self.score[str(_LEVELS)](self.head(features[_LEVELS]))
        for level in range(_LEVELS - 1, self.finest - 1, -1):
            own = self.score[str(level)](features[level])
            grid = own + self.up[str(level)](grid, own)
        logits = self.rise(grid, features) + self.bias.view(1, -1, 1, 1)
        cropped: Tensor = logits[..., :height, :width]
        return cropped


def _head(channels: int, options: FCNOptions) -> nn.Sequential:
    """The classifier's dense layers as convolutions; nothing where no widths are given."""
    layers: list[nn.Module] = []
    for index, width in enumerate(options.head_widths):
        edge = 1 if index else 7
        layers += [nn.Conv2d(channels, width, edge, padding=edge // 2), nn.ReLU(inplace=True)]
        layers.append(nn.Dropout2d(options.dropout))
        channels = width
    return nn.Sequential(*layers)


class _Double(nn.Module):
    """Scores to twice their height and width, the channels unchanged."""

    def __init__(self, options: FCNOptions) -> None:
        super().__init__()
        kind, classes = options.upsampling, options.classes
        self.kind = kind
        ways: dict[str, nn.Module] = {
            "nearest": nn.Upsample(scale_factor=2.0, mode="nearest"),
            "bilinear": nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
            "bed_of_nails": BedOfNails(),
            "max_unpooling": MaxUnpool(),
            "transposed": nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False),
        }
        self.way = ways[kind] if kind in ways else BilinearTransposed(classes)
        hollow = kind in ("bed_of_nails", "max_unpooling")
        self.fill = nn.Conv2d(classes, classes, 3, padding=1, bias=False) if hollow else nn.Identity()

    def forward(self, grid: Tensor, fine: Tensor) -> Tensor:
        """N x K x h x w to N x K x 2h x 2w; ``fine``, of that size, tells max unpooling where values go."""
        raised = self.way(grid, pool_places(fine)) if self.kind == "max_unpooling" else self.way(grid)
        filled: Tensor = self.fill(raised)
        return filled


class _Rise(nn.Module):
    """From the finest scored level to the image: one transposed convolution, or doubling by doubling."""

    def __init__(self, options: FCNOptions, level: int) -> None:
        super().__init__()
        self.remembers = options.upsampling == "max_unpooling"
        classes = options.classes
        self.steps: nn.ModuleList
        if options.upsampling == "transposed_bilinear":
            self.steps = nn.ModuleList([BilinearTransposed(classes, 1 << level)])
        elif options.upsampling == "transposed":
            factor = 1 << level
            self.steps = nn.ModuleList(
                [nn.ConvTranspose2d(classes, classes, factor, stride=factor, bias=False)]
            )
        else:
            self.steps = nn.ModuleList(_Double(options) for _ in range(level))

    def forward(self, grid: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Scores N x K x h x w to N x K x H x W."""
        for step, way in enumerate(self.steps):
            if not isinstance(way, _Double):
                grid = way(grid)
                continue
            level = len(self.steps) - 1 - step
            grid = way(grid, _strength(level, features) if self.remembers else grid)
        return grid


def _strength(level: int, features: Sequence[Tensor]) -> Tensor:
    """Where a level answers most: the mean over its channels, N x 1 x h x w, for all classes the same.

    Some encoders have no features of stride 2: there the image itself tells.
    """
    source = features[level]
    if source.shape[1] == 0:
        source = functional.avg_pool2d(features[0], 1 << level)
    return source.mean(dim=1, keepdim=True)


def build_fcn(name: str, **options: Any) -> nn.Module:
    """One of ``FCNS`` from the keys of `FCNOptions`. Raises ConfigError, UsageError, MissingExtraError."""
    return FCN(name, FCNOptions(**options))
