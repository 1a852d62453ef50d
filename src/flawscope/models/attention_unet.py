"""U-Nets whose skips pass through attention gates: three networks over the plain U-Net's parts.

* ``attention-unet``: a gate on every skip (Oktay et al. 2018; the signal is brought up to the skip's grid
  first, and the finest skip is gated too, as the Full Attention paper draws it).
* ``attention-unet-advanced``: the outputs of all finer levels, max-pooled to the skip's grid and convolved to
  its width, join the skip before its gate (Lin et al. 2020).
* ``attention-unet-full``: a gate after each of those outputs instead of one after their concatenation.

Names follow Oktay: x is the skip, g the coarser signal; the Full Attention paper swaps them. That paper gives
no numbers of channels for the joined outputs; here each has as many as the skip that it joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models.blocks import NORMS, ConvUnit
from flawscope.models.unet import SkipPath, UNet, UNetOptions, with_widths

Kind = Literal["attention", "advanced", "full"]

KINDS: dict[str, Kind] = {
    "attention-unet": "attention",
    "attention-unet-advanced": "advanced",
    "attention-unet-full": "full",
}
"""Names of the networks, and where their gates stand."""

_OPEN_AT_FIRST = 2.0
"""Bias of a gate's last convolution at the start: sigmoid(2) = 0.88, nearly open."""


class AttentionGate(nn.Module):
    """Additive attention: a = sigmoid(psi(relu(W_x x + W_g g))), one map for all channels; x * a.

    Normalisation follows W_x and W_g, which have a bias only where there is none.
    """

    def __init__(self, x_channels: int, g_channels: int, norm: str) -> None:
        super().__init__()
        inner = max(1, x_channels // 2)
        bias = norm == "none"
        self.skip = nn.Sequential(nn.Conv2d(x_channels, inner, 1, bias=bias), NORMS[norm](inner))
        self.signal = nn.Sequential(nn.Conv2d(g_channels, inner, 1, bias=bias), NORMS[norm](inner))
        self.activation = nn.ReLU()
        self.psi = nn.Conv2d(inner, 1, 1)
        self.opening = nn.Sigmoid()

    def start_open(self) -> None:
        """Sets the weights so that the gate lets nearly everything pass at first."""
        nn.init.normal_(self.psi.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.psi.bias), _OPEN_AT_FIRST)

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """x N x Cx x h x w and g N x Cg x h x w to x weighted by a map in 0..1."""
        opening: Tensor = self.opening(self.psi(self.activation(self.skip(x) + self.signal(g))))
        return x * opening


class GatedSkips(SkipPath):
    """The skips of the three networks. Gates are called ``level-L`` or ``level-L-from-M``; 1 is finest."""

    def __init__(self, kind: Kind, options: UNetOptions) -> None:
        super().__init__()
        self.kind = kind
        widths = list(options.widths[:-1])
        ups = list(reversed(options.up_widths)) if options.up_widths else widths
        signals = widths if options.upsampling == "max_unpooling" else ups
        own = kind == "attention"
        self.widths = [width * (1 if own else level + 1) for level, width in enumerate(widths)]
        unit = partial(ConvUnit, norm=options.norm, activation=options.activation, bias=_bias(options))
        self.reach = nn.ModuleDict()
        self.gates = nn.ModuleDict()
        for level, width in enumerate(widths):
            finer = range(0 if own else level)
            for source in finer:
                pool = nn.MaxPool2d(2 ** (level - source))
                self.reach[_name(level, source)] = nn.Sequential(pool, unit(widths[source], width))
            if kind == "full":
                for source in (*finer, level):
                    self.gates[_name(level, source)] = AttentionGate(width, signals[level], options.norm)
            else:
                gate = AttentionGate(self.widths[level], signals[level], options.norm)
                self.gates[_name(level)] = gate

    def forward(self, level: int, features: Sequence[Tensor], signal: Tensor) -> Tensor:
        """The gated skip of a level; see `SkipPath`."""
        finer = range(0 if self.kind == "attention" else level)
        outputs = [self.reach[_name(level, source)](features[source]) for source in finer]
        outputs.append(features[level])
        if self.kind != "full":
            gated: Tensor = self.gates[_name(level)](torch.cat(outputs, dim=1), signal)
            return gated
        names = [_name(level, source) for source in (*finer, level)]
        passed = [self.gates[name](output, signal) for name, output in zip(names, outputs, strict=True)]
        return torch.cat(passed, dim=1)


def _name(level: int, source: int | None = None) -> str:
    return f"level-{level + 1}" + ("" if source is None else f"-from-{source + 1}")


def _bias(options: UNetOptions) -> bool:
    return options.bias if options.bias is not None else options.norm == "none"


def build_attention_unet(
    name: str, base_width: int | None = None, depth: int | None = None, **options: object
) -> nn.Module:
    """One of the three networks of ``KINDS``, with the options of a plain U-Net.

    Without ``widths`` or ``base_width`` it is as wide as the papers': 64 to 1024 channels on five levels. The
    gates need grids that lie on each other, so ``padding = "valid"`` raises ConfigError, as wrong options do.
    """
    if base_width is None and "widths" not in options:
        base_width = 64
    chosen = UNetOptions(**with_widths(options, base_width, depth))
    if chosen.padding != "same":
        raise ConfigError(f"{name}: padding is {chosen.padding!r}; expected 'same', the gates need it.")
    skips = GatedSkips(KINDS[name], chosen)
    network = UNet(chosen, skips)
    for gate in skips.gates.values():
        cast(AttentionGate, gate).start_open()
    return network


def has_gates(network: nn.Module) -> bool:
    """Whether a network has attention gates whose maps `attention_maps` can tell."""
    return isinstance(network, UNet) and isinstance(network.skips, GatedSkips)


def attention_maps(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What each gate lets through: name of the gate -> N x H x W float32 in 0..1, on the image's grid.

    ``image`` is N x C x H x W, preprocessed, of any size. The maps of coarser levels are brought up by
    bilinear interpolation. The network runs once in evaluation mode and comes back in the mode it was in.
    Raises ConfigError for a network without gates.
    """
    if not isinstance(network, UNet) or not isinstance(network.skips, GatedSkips):
        raise ConfigError(
            f"{type(network).__name__} has no attention gates; expected one of {', '.join(KINDS)}."
        )
    found: dict[str, Tensor] = {}
    handles = [
        cast(AttentionGate, gate).opening.register_forward_hook(_recorder(name, found))
        for name, gate in network.skips.gates.items()
    ]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    finest = network.stride_multiple >> (len(network.options.widths) - 1)
    return {
        name: _on_image(opening, finest << (int(name.split("-")[1]) - 1), image.shape[-2:])
        for name, opening in found.items()
    }


def _recorder(name: str, found: dict[str, Tensor]) -> partial[None]:
    def record(gate: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        found[gate] = output.detach()

    return partial(record, name)


def _on_image(opening: Tensor, scale: int, size_hw: Sequence[int]) -> Tensor:
    """A gate's map N x 1 x h x w on the image's grid; the padding inside lies below and to the right."""
    full = functional.interpolate(
        opening.float(), scale_factor=float(scale), mode="bilinear", align_corners=False
    )
    return full[:, 0, : size_hw[0], : size_hw[1]]
