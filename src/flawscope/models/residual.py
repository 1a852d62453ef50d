"""ResNets of torchvision with their shortcuts by choice (He et al. 2016)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from flawscope.errors import ConfigError
from flawscope.models.classic_parts import ZeroPadShortcut

DEPTHS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}
"""Block and blocks a stage (He et al. 2016, table 1)."""

SHORTCUTS = ("projection", "zero_padded", "none")
"""``projection``: a 1 x 1 convolution where the size changes (option B); ``zero_padded`` (option A);
``none``: the plain network."""


class PlainBlock(BasicBlock):  # type: ignore[misc]  # torchvision has no types
    """The two convolutions of a basic block, with nothing added."""

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__(*values, **options)
        self.downsample = None

    def forward(self, maps: Tensor) -> Tensor:
        """N x C x H x W to N x C' x H/stride x W/stride."""
        maps = self.relu(self.bn1(self.conv1(maps)))
        activated: Tensor = self.relu(self.bn2(self.conv2(maps)))
        return activated


def build_resnet(
    name: str, classes: int, *, shortcut: str = "projection", small_stem: bool = False, **options: Any
) -> nn.Module:
    """A ResNet with logits N x ``classes``.

    ``shortcut``: one of ``SHORTCUTS``. ``small_stem``: for small images, a 3 x 3 convolution at full size and
    no pooling in place of 7 x 7 with stride 2 and pooling. ``options`` go to torchvision. Raises ConfigError.
    """
    if shortcut not in SHORTCUTS:
        raise ConfigError(f"{name}: shortcut is {shortcut!r}; expected one of {', '.join(SHORTCUTS)}.")
    if not isinstance(small_stem, bool):
        raise ConfigError(f"{name}: small_stem is {small_stem!r}; expected true or false.")
    block, blocks = DEPTHS[name]
    if shortcut == "none":
        if block is not BasicBlock:
            raise ConfigError(f"{name}: shortcut = 'none' goes with resnet18 and resnet34.")
        block = PlainBlock
    network = ResNet(block, blocks, num_classes=classes, **options)
    if shortcut == "zero_padded":
        _pad_shortcuts(network)
    if small_stem:
        network.conv1 = nn.Conv2d(3, network.conv1.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    built: nn.Module = network
    return built


def _pad_shortcuts(network: ResNet) -> None:
    for part in network.modules():
        if isinstance(part, BasicBlock | Bottleneck) and part.downsample is not None:
            first = part.downsample[0]
            part.downsample = ZeroPadShortcut(first.in_channels, first.out_channels, first.stride[0])
