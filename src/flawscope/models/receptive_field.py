"""How far a network looks: the halo that makes tiling exact.

Measured, not derived: in a twin of the network with every weight positive, activations taken out and
pooling by mean, the gradient of an output pixel is positive exactly on the pixels it can see.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from flawscope.models.build import stride_multiple
from flawscope.models.upsampling import BedOfNails, MaxUnpool

_SIZES_PX = (256, 512, 1024, 2048)


@dataclass(frozen=True)
class ReceptiveField:
    """Reach of one output pixel along the width, in pixels of the input."""

    before_px: int
    """Most pixels that it sees before itself, over all positions on the pooling grid."""
    after_px: int

    @property
    def halo_px(self) -> int:
        """Pixels to read around a tile so that its core does not depend on where the tile lies."""
        return max(self.before_px, self.after_px)


def measure(model: nn.Module, in_channels: int = 3) -> ReceptiveField | None:
    """Receptive field of a network, or None where it has no bound.

    No bound means that a pixel depends on the whole image (squeeze-excite, pooling heads, attention, group or
    instance normalisation) or reaches over more than 2,000 px. The model itself is not touched.
    """
    period = stride_multiple(model)
    twin = _linear_twin(model)
    for width in _SIZES_PX:
        reach = _reach(twin, in_channels, period, width)
        if reach is not None:
            return reach
    return None


def _reach(twin: nn.Module, channels: int, period: int, width: int) -> ReceptiveField | None:
    """Reach within an image of ``width`` px; None when it touches the border."""
    image = torch.full((1, channels, period, width), 1.0, dtype=torch.float64, requires_grad=True)
    output = twin(image).sum(dim=(0, 1, 2))
    first = (width // 2) // period * period
    before = after = 0
    for column in range(first, first + period):
        (gradient,) = torch.autograd.grad(output[column], image, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2)) > 0).flatten()
        low, high = int(seen[0]), int(seen[-1])
        if low == 0 or high == width - 1:
            return None
        before, after = max(before, column - low), max(after, high - column)
    return ReceptiveField(before, after)


class _MeanPool(nn.Module):
    """Mean pooling in the place of a max pooling: every pixel of the window is seen."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.pool(image)
        return pooled


class _Spread(nn.Module):
    """Copies in the place of unpooling, whose zeros hide what the next convolution may see."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=float(factor), mode="nearest")

    def forward(self, grid: torch.Tensor, *_places: torch.Tensor) -> torch.Tensor:
        raised: torch.Tensor = self.up(grid)
        return raised


_POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Dropout, nn.Dropout2d
)  # fmt: skip


def _linear_twin(model: nn.Module) -> nn.Module:
    """A twin whose output is linear in its input with positive weights only."""
    twin = copy.deepcopy(model).to("cpu").double().eval()
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _POINTWISE):
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, _MeanPool(child))
            elif isinstance(child, BedOfNails | MaxUnpool):
                setattr(parent, name, _Spread(getattr(child, "factor", 2)))
    with torch.no_grad():
        for part in twin.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                part.weight.fill_(1.0 / part.weight[0].numel())
            elif isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
                nn.init.ones_(part.weight)
    return twin
