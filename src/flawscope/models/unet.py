"""The plain U-Net (Ronneberger et al. 2015), every part of it by choice.

Input N x ``in_channels`` x H x W, any H and W; output logits N x ``classes`` x H x W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models.blocks import (
    ACTIVATIONS,
    NORMS,
    ConvStack,
    ConvUnit,
    init_weights,
    pad_to_multiple,
    set_prior,
)
from flawscope.models.upsampling import UPSAMPLINGS, UnpoolUp, make_up

_REFINE_WIDTH = 8


@dataclass(frozen=True)
class UNetOptions:
    """What a plain U-Net is made of. Raises ConfigError for values that make no network."""

    in_channels: int = 3
    classes: int = 1
    """Outputs: foreground classes for sigmoid, those and background for softmax."""
    widths: Sequence[int] = (16, 32, 64, 128, 256)
    """Channels a level, finest first; the last one is the bottleneck. Its length is the depth."""
    up_widths: Sequence[int] | None = None
    """Channels a level on the way up, coarsest first; None mirrors ``widths``."""
    convs_per_level: int = 2
    norm: str = "batch"
    activation: str = "relu"
    upsampling: str = "transposed"
    """One of ``UPSAMPLINGS``."""
    padding: Literal["same", "valid"] = "same"
    """``valid``: unpadded convolutions, cropped skips; the input is extended so that the output still
    covers it."""
    dropout: float = 0.0
    """Share of channels dropped at the two deepest levels while training."""
    bias: bool | None = None
    """Bias in the 3 x 3 convolutions; None: only where there is no normalisation."""
    prior: float | Sequence[float] | None = None
    """Expected share of each class; sets the head's bias."""
    stem: Literal["none", "space_to_depth"] = "none"
    """``space_to_depth``: 2 x 2 pixels become channels, the network works at half resolution (a quarter
    of the cost) and a light full-resolution layer refines the result."""
    deep_supervision: bool = False
    """While training, returns a list: the logits, then those of each coarser level at full size."""

    def __post_init__(self) -> None:
        known = {
            "norm": (self.norm, tuple(NORMS)),
            "activation": (self.activation, tuple(ACTIVATIONS)),
            "upsampling": (self.upsampling, UPSAMPLINGS),
            "padding": (self.padding, ("same", "valid")),
            "stem": (self.stem, ("none", "space_to_depth")),
        }
        for key, (value, allowed) in known.items():
            if value not in allowed:
                raise ConfigError(f"unet: {key} is {value!r}; expected one of {', '.join(allowed)}.")
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ConfigError(f"unet: widths is {list(self.widths)}; expected two or more positive numbers.")
        if self.up_widths is not None and len(self.up_widths) != len(self.widths) - 1:
            raise ConfigError(
                f"unet: up_widths has {len(self.up_widths)} numbers; expected {len(self.widths) - 1}, "
                "one less than widths."
            )
        if self.up_widths is not None and min(self.up_widths) < 1:
            raise ConfigError(f"unet: up_widths is {list(self.up_widths)}; expected positive numbers.")
        flags = {"bias": self.bias or False, "deep_supervision": self.deep_supervision}
        for key, flag in flags.items():
            if not isinstance(flag, bool):  # any text would count as true, "off" and "false" as well
                raise ConfigError(f"unet: {key} is {flag!r}; expected true or false.")
        if self.deep_supervision and len(self.widths) < 3:
            raise ConfigError(
                f"unet: deep_supervision is true and widths is {list(self.widths)}; it needs three levels or "
                "more, for with two there is no coarser output."
            )
        if self.convs_per_level < 1:
            raise ConfigError(f"unet: convs_per_level is {self.convs_per_level}; expected 1 or more.")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"unet: dropout is {self.dropout}; expected at least 0 and below 1.")


class SkipPath(nn.Module):
    """What lies between the contracting and the expanding path; a plain U-Net has none."""

    widths: Sequence[int]
    """Channels that it hands to each level of the expanding path, finest first."""

    def forward(self, level: int, features: Sequence[Tensor], signal: Tensor) -> Tensor:
        """The skip of a level (0 = finest).

        ``features``: those of every level of the contracting path, finest first. ``signal``: the coarser
        level's output, brought up to this level's grid.
        """
        raise NotImplementedError


class UNet(nn.Module):
    """Contracting path, bottleneck, expanding path with skips, 1 x 1 head."""

    def __init__(self, options: UNetOptions, skips: SkipPath | None = None) -> None:
        super().__init__()
        self.options = options
        self.skips = skips
        self._factor = 2 if options.stem == "space_to_depth" else 1
        widths = list(options.widths)
        ups = list(options.up_widths or reversed(widths[:-1]))
        bias = options.bias if options.bias is not None else options.norm == "none"
        unit = partial(
            ConvUnit,
            norm=options.norm,
            activation=options.activation,
            bias=bias,
            padding=int(options.padding == "same"),
        )
        inputs = [options.in_channels * self._factor**2, *widths[:-1]]
        self.down = nn.ModuleList(
            ConvStack(
                pair, options.convs_per_level, unit, options.dropout if level >= len(widths) - 2 else 0.0
            )
            for level, pair in enumerate(zip(inputs, widths, strict=True))
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        channels = widths[-1]
        joining = list(skips.widths) if skips is not None else widths[:-1]
        for level, width in zip(reversed(range(len(ups))), ups, strict=True):
            # Unpooled values go where the level's own maxima were, channel by channel.
            raised = widths[level] if options.upsampling == "max_unpooling" else width
            self.up.append(make_up(options.upsampling, channels, raised))
            self.merge.append(ConvStack((raised + joining[level], width), options.convs_per_level, unit))
            channels = width
        self.refine = _Refinement(options, channels, bias=bias) if self._factor == 2 else None
        self.head = nn.Conv2d(_REFINE_WIDTH if self.refine else channels, options.classes, 1)
        side_widths = ups[:-1] if options.deep_supervision else []
        self.side_heads = nn.ModuleList(nn.Conv2d(width, options.classes, 1) for width in side_widths)
        init_weights(self, options.activation)
        if options.prior is not None:
            for head in (self.head, *self.side_heads):
                set_prior(head, options.prior)

    @property
    def stride_multiple(self) -> int:
        """Heights and widths that are multiples of this many pixels need no padding inside."""
        return self._factor << (len(self.options.widths) - 1)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """N x C x H x W to logits N x K x H x W (a list while training with deep supervision)."""
        height, width = image.shape[-2], image.shape[-1]
        padded = pad_to_multiple(
            image, self._factor if self.options.padding == "valid" else self.stride_multiple
        )
        grid = functional.pixel_unshuffle(padded, 2) if self._factor == 2 else padded
        coarse_hw = (grid.shape[-2], grid.shape[-1])
        levels = self._decode(self._encode(grid))
        fine = levels[-1][..., : coarse_hw[0], : coarse_hw[1]]
        if self.refine is not None:
            fine = self.refine(fine, padded)
        logits: Tensor = self.head(fine)[..., :height, :width]
        if not (self.training and self.side_heads):
            return logits
        # Coarsest last, as their weight in the loss falls.
        count = len(self.side_heads)
        sides = [self._side_logits(index, levels[index], (height, width)) for index in reversed(range(count))]
        return [logits, *sides]

    def _side_logits(self, index: int, level: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Logits of a coarser level, brought to the image's grid."""
        depth = len(self.side_heads) - index
        # Unpadded convolutions of the finer levels would still take this much off each side.
        lost = self.options.convs_per_level * (2**depth - 1) if self.options.padding == "valid" else 0
        scale, offset = float(self._factor * 2**depth), self._factor * lost
        logits = functional.interpolate(
            self.side_heads[index](level), scale_factor=scale, mode="bilinear", align_corners=False
        )
        return logits[..., offset : offset + size_hw[0], offset : offset + size_hw[1]]

    def _encode(self, grid: Tensor) -> list[Tensor]:
        """Features a level, finest first."""
        if self.options.padding == "valid":
            grid = self._extend(grid)
        features = []
        for level, stack in enumerate(self.down):
            grid = stack(grid if level == 0 else self.pool(grid))
            features.append(grid)
        return features

    def _decode(self, features: list[Tensor]) -> list[Tensor]:
        """Features of the expanding path, coarsest first."""
        grid = features[-1]
        levels = []
        for step, (up, merge) in enumerate(zip(self.up, self.merge, strict=True)):
            skip = features[-2 - step]
            if self.options.padding == "valid":
                skip = _crop(skip, self._crop_px(step))
            raised = up(grid, skip) if isinstance(up, UnpoolUp) else up(grid)
            if self.skips is not None:
                skip = self.skips(len(self.up) - 1 - step, features, raised)
            grid = merge(torch.cat([raised, skip], dim=1))
            levels.append(grid)
        return levels

    def _crop_px(self, step: int) -> int:
        """Pixels to take off each side of the skip at this step up (0 = deepest).

        The convolutions of a level take c px off each side of its grid. The bottleneck loses them once, 2c
        px of the grid above; a path that cropped k px loses 2c more on the way up and 2c on the way down,
        counted on the grid above: 2k + 4c (4, 16, 40, 88 px in the original network).
        """
        lost = self.options.convs_per_level
        crop = 2 * lost
        for _ in range(step):
            crop = 2 * crop + 4 * lost
        return crop

    def _extend(self, grid: Tensor) -> Tensor:
        """Extends the grid so that the unpadded network's output covers it, its corner at the corner."""
        depth, lost = len(self.options.widths) - 1, self.options.convs_per_level
        scale = 2**depth
        # A bottleneck output of b px comes from scale * b + before, and becomes scale * b - after px.
        before = sum(2 * lost * 2**level for level in range(depth + 1))
        after = sum(2 * lost * 2**level for level in range(depth))
        margin = (before + after) // 2
        height, width = grid.shape[-2], grid.shape[-1]
        right = -(width + after) % scale + margin
        bottom = -(height + after) % scale + margin
        return functional.pad(grid, (margin, right, margin, bottom), mode="replicate")


class _Refinement(nn.Module):
    """From half resolution back to full: shuffled features beside the image, one 3 x 3 unit."""

    def __init__(self, options: UNetOptions, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, 4 * _REFINE_WIDTH, 1)
        self.unit = ConvUnit(
            _REFINE_WIDTH + options.in_channels, _REFINE_WIDTH, options.norm, options.activation, bias=bias
        )

    def forward(self, coarse: Tensor, image: Tensor) -> Tensor:
        """Coarse N x C x h x w and image N x C' x 2h x 2w to N x 8 x 2h x 2w."""
        fine = functional.pixel_shuffle(self.spread(coarse), 2)
        refined: Tensor = self.unit(torch.cat([fine, image], dim=1))
        return refined


def _crop(grid: Tensor, px: int) -> Tensor:
    return grid[..., px:-px, px:-px]


def with_widths(options: Mapping[str, Any], base_width: int | None, depth: int | None) -> dict[str, Any]:
    """Options with ``widths``: ``base_width`` channels at the finest of ``depth`` levels, doubled a level.

    Without ``base_width`` the options stay as they are. Raises ConfigError where both say the widths.
    """
    if base_width is None:
        if depth is not None:
            raise ConfigError("unet: depth goes with base_width; or name the widths themselves.")
        return dict(options)
    if "widths" in options:
        raise ConfigError("unet: both widths and base_width are given; expected one of them.")
    levels = 5 if depth is None else depth
    if base_width < 1 or not 2 <= levels <= 8:
        raise ConfigError(
            f"unet: base_width is {base_width} and depth {levels}; expected 1 or more, and 2 to 8 levels."
        )
    return {**options, "widths": tuple(base_width << level for level in range(levels))}


def build_unet(base_width: int | None = None, depth: int | None = None, **options: object) -> nn.Module:
    """A plain U-Net from the keys of `UNetOptions`, or with `with_widths`. Raises ConfigError."""
    return UNet(UNetOptions(**with_widths(options, base_width, depth)))
