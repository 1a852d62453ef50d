"""The ways up from a coarse grid to a finer one: copying, bed of nails, max unpooling, learned kernels.

Everything here works on tensors N x C x h x w. Unpooling is written with shuffles and comparisons only, so
that every runtime of an exported graph knows its operations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError

UPSAMPLINGS = ("transposed", "nearest", "bilinear", "bed_of_nails", "max_unpooling", "transposed_bilinear")
"""Ways up. ``transposed`` starts at random, ``transposed_bilinear`` as bilinear interpolation."""


class BedOfNails(nn.Module):
    """Each value at the top left of a ``factor`` x ``factor`` block, zeros beside it."""

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, grid: Tensor) -> Tensor:
        """N x C x h x w to N x C x fh x fw."""
        values = grid.unsqueeze(2)
        blocks = torch.cat([values, *[torch.zeros_like(values)] * (self.factor**2 - 1)], dim=2)
        return functional.pixel_shuffle(blocks.flatten(1, 2), self.factor)


def pool_places(fine: Tensor) -> Tensor:
    """Where 2 x 2 max pooling finds its maxima: N x C x 2h x 2w to N x C x h x w of 0..3, row by row.

    The first of equal values, as torch's max pooling takes it.
    """
    corners = functional.pixel_unshuffle(fine, 2)
    count, channels = fine.shape[:2]
    return corners.reshape(count, channels, 4, corners.shape[-2], corners.shape[-1]).argmax(dim=2)


class MaxUnpool(nn.Module):
    """Each value where max pooling took its block's maximum from, zeros beside it."""

    def forward(self, grid: Tensor, places: Tensor) -> Tensor:
        """Values N x C x h x w and places of `pool_places`, of C channels or one, to N x C x 2h x 2w."""
        corners = torch.arange(4, device=grid.device).view(1, 1, 4, 1, 1)
        chosen = (places.unsqueeze(2) == corners).to(grid.dtype)
        return functional.pixel_shuffle((grid.unsqueeze(2) * chosen).flatten(1, 2), 2)


class BilinearTransposed(nn.ConvTranspose2d):
    """Transposed convolution that starts as bilinear interpolation, each channel by itself, and learns on.

    ``factor`` is even: kernel 2 x factor, as in Long et al. 2015, section 3.3. The grid goes on by a cell of
    its own border, which is cropped again: else half a cell of the result would be pulled towards zero.
    """

    def __init__(self, channels: int, factor: int = 2) -> None:
        beyond = factor // 2 + factor
        super().__init__(channels, channels, 2 * factor, stride=factor, padding=beyond, bias=False)
        self.start_bilinear()

    def forward(self, grid: Tensor, output_size: list[int] | None = None) -> Tensor:
        """N x C x h x w to N x C x fh x fw."""
        return super().forward(functional.pad(grid, (1, 1, 1, 1), mode="replicate"), output_size)

    def start_bilinear(self) -> None:
        """Sets the kernel to that of bilinear interpolation."""
        edge = self.kernel_size[0]
        distance = (torch.arange(edge, dtype=torch.float32) - (edge - 1) / 2).abs()
        line = 1.0 - distance / (edge / 2)
        with torch.no_grad():
            self.weight.zero_()
            kernel = torch.outer(line, line).to(self.weight)
            for channel in range(self.in_channels):
                self.weight[channel, channel] = kernel


class UnpoolUp(nn.Module):
    """1 x 1 convolution to the channels of the finer grid, then unpooling by that grid's maxima."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.unpool = MaxUnpool()

    def forward(self, grid: Tensor, fine: Tensor) -> Tensor:
        """Grid N x ``inputs`` x h x w to the size of ``fine``, N x ``outputs`` x 2h x 2w before pooling."""
        raised: Tensor = self.unpool(self.conv(grid), pool_places(fine))
        return raised


def make_up(kind: str, inputs: int, outputs: int) -> nn.Module:
    """Doubles height and width and changes the channels from ``inputs`` to ``outputs``.

    Takes the grid; for ``max_unpooling`` also the finer grid, of ``outputs`` channels, that was pooled. The
    fixed ways put their 1 x 1 convolution first: both steps are linear, so the order does not change the
    result, and on the small grid it costs a quarter. Raises ConfigError for an unknown kind.
    """
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
    if kind == "max_unpooling":
        return UnpoolUp(inputs, outputs)
    raise_grid: dict[str, nn.Module] = {
        "nearest": nn.Upsample(scale_factor=2.0, mode="nearest"),
        "bilinear": nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
        "bed_of_nails": BedOfNails(),
    }
    if kind == "transposed_bilinear":
        raise_grid[kind] = BilinearTransposed(outputs)
    if kind not in raise_grid:
        raise ConfigError(f"unknown upsampling {kind!r}; expected one of {', '.join(UPSAMPLINGS)}.")
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), raise_grid[kind])
