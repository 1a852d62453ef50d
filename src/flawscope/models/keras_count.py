"""How many parameters Keras counts in the thesis's networks (its figure 62), from ours.

Three things set the numbers of `segmentation_models` (Keras) apart from ours:

* Keras counts the moving statistics of batch normalisation, two numbers a channel, as parameters.
* Its ResNets are of the pre-activation kind: normalisation before each convolution and once at the end, none
  in the shortcuts, and a normalisation of the image itself that shifts and does not scale.
* Its EfficientNet decoders take the *expanded* features of a block as skips, six times as many channels as
  the features that segmentation-models-pytorch takes.

The decoders over ResNets are ours to the last weight; so are the EfficientNet encoders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from flawscope.models.classifiers import CLASSIFIERS
from flawscope.models.compound import FACTORS, HEAD, round_channels, stages
from flawscope.models.describe import cost_of

_DECODER = (256, 128, 64, 32, 16)
_EXPANSION = 6
_SIZE_HW = (128, 800)
_PLAIN_OPTIONS = {"encoder", "encoder_weights", "in_channels", "classes", "prior"}
"""Options of a U-Net over an encoder that leave the library's decoder as it is."""


@dataclass(frozen=True, slots=True)
class KerasCount:
    """Parameters as `model.summary()` of Keras tells them."""

    encoder: int
    decoder: int
    """With the head."""
    encoder_norm: int
    """Of the encoder's normalisation, trainable: what ``encoder_freeze`` leaves to learn."""
    decoder_trainable: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.encoder + self.decoder

    @property
    def trainable_frozen(self) -> int:
        """Trainable ones while the encoder is frozen."""
        return self.decoder_trainable + self.encoder_norm


def keras_unet(backbone: str, classes: int = 4) -> KerasCount:
    """The count of `segmentation_models.Unet(backbone, classes=classes)`; our names, e.g. ``resnet34``."""
    with torch.device("meta"):
        network: Any = CLASSIFIERS[backbone](classes=1)
    network = network.network
    if backbone in FACTORS:
        encoder, norm, deepest, skips = _efficientnet(backbone, network)
    else:
        encoder, norm, deepest, skips = _resnet(network)
    trainable = decoder_parameters(deepest, skips, classes)
    return KerasCount(encoder, trainable + 2 * 2 * sum(_DECODER), norm, trainable)


def figure_62(network: str, options: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What the columns of figure 62 hold for a network of ours: ``keras`` and ``keras_trainable``.

    ``options`` as a bundle records them, with ``in_channels`` and ``classes``. A U-Net of three channels over
    a ResNet or an EfficientNet is told as `keras_unet` derives it, with a frozen encoder; our own `unet` as
    it is, with all of it learning. Empty for networks that the thesis has no like of.
    """
    channels, classes = int(options.get("in_channels", 3)), int(options.get("classes", 1))
    encoder = str(options.get("encoder", ""))
    covered = encoder in FACTORS or (encoder in CLASSIFIERS and encoder.startswith("resnet"))
    if network == "unet":
        cost = cost_of(network, options, _SIZE_HW, channels, classes)
        total, trainable = cost.parameters_keras, cost.parameters
    elif network == "smp-unet" and covered and channels == 3 and options.keys() <= _PLAIN_OPTIONS:
        derived = keras_unet(encoder, classes)
        total, trainable = derived.total, derived.trainable_frozen
    else:
        return {}
    return {"keras": {"value": total}, "keras_trainable": {"value": trainable}}


def is_derived(network: str) -> bool:
    """Whether `figure_62` tells of this network's like in Keras, and not of the network itself."""
    return network != "unet"


def decoder_parameters(deepest: int, skips: Sequence[int], classes: int) -> int:
    """Trainable parameters of decoder and head: nearest upsampling, skip, twice 3 x 3 without bias and
    normalisation; a 3 x 3 head with bias.

    ``deepest``: channels of the encoder's last features; ``skips``: of the four before, coarsest first.
    """
    total, inputs = 0, deepest
    for width, skip in zip(_DECODER, [*skips, 0], strict=True):
        total += 9 * (inputs + skip) * width + 9 * width * width + 2 * 2 * width
        inputs = width
    return total + 9 * inputs * classes + classes


def _efficientnet(backbone: str, network: Any) -> tuple[int, int, int, list[int]]:
    features: nn.Module = network.features
    width, depth, _ = FACTORS[backbone]
    plan = [stage.channels for stage in stages(width, depth)]
    channels = _norm_channels(features)
    total = sum(part.numel() for part in features.parameters()) + 2 * channels
    # The first block of stages 6, 4, 3 and 2 (counted from 1) expands what the stage before it gives.
    skips = [_EXPANSION * plan[stage - 2] for stage in (6, 4, 3, 2)]
    return total, 2 * channels, round_channels(HEAD * width), skips


def _resnet(network: Any) -> tuple[int, int, int, list[int]]:
    blocks = [part for part in network.modules() if getattr(part, "downsample", None) is not None]
    widths = [network.layer1[-1], network.layer2[-1], network.layer3[-1], network.layer4[-1]]
    outputs = [_last_conv(block).out_channels for block in widths]
    convolutions = sum(part.weight.numel() for part in network.modules() if isinstance(part, nn.Conv2d))
    if network.layer1[0].downsample is None:
        convolutions += outputs[0] ** 2  # its first unit has a 1 x 1 shortcut although nothing changes
    shortcuts = sum(_norm_channels(block.downsample) for block in blocks)
    channels = _norm_channels(network) - shortcuts + outputs_of_stem(network)
    norm = 2 * channels + 3  # of the image: a shift a colour, no scale
    moving = 2 * channels + 2 * 3
    skips = [outputs[2], outputs[1], outputs[0], outputs_of_stem(network)]
    return convolutions + norm + moving, norm, outputs[3], skips


def outputs_of_stem(network: Any) -> int:
    """Channels after a ResNet's first convolution."""
    return int(network.conv1.out_channels)


def _last_conv(block: nn.Module) -> nn.Conv2d:
    own = [part for name, part in block.named_children() if name.startswith("conv")]
    last = own[-1]
    assert isinstance(last, nn.Conv2d)
    return last


def _norm_channels(module: nn.Module) -> int:
    return sum(part.num_features for part in module.modules() if isinstance(part, nn.BatchNorm2d))
