"""Classifiers: networks that answer with one logit a class for the whole image.

Input N x ``in_channels`` x H x W, output logits N x ``classes``. All take ``in_channels``, ``classes`` and
``size_hw``, the size of their images, which those with dense layers over the whole grid need. LeNet-5 and
the lab's network are written out; the others are torchvision's and timm's behind one adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError, MissingExtraError
from flawscope.models.encoder_decoder import load_encoder_weights, of_one_size
from flawscope.models.lab_cnn import build_lab_cnn
from flawscope.models.lenet import build_lenet5
from flawscope.models.unet_classifier import build_unet_classifier

LEAST_PX = {"alexnet": 63, "vgg": 32}
"""Families that shrink an image to nothing below so many pixels; smaller images get a rim."""

LIBRARY: dict[str, str] = {
    "alexnet": "alexnet",
    **{f"vgg{depth}": f"vgg{depth}" for depth in (11, 13, 16, 19)},
    **{f"vgg{depth}-bn": f"vgg{depth}_bn" for depth in (11, 13, 16, 19)},
    **{f"resnet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"efficientnet-b{number}": f"efficientnet_b{number}" for number in range(8)},
}
"""Our names and torchvision's."""


class LibraryClassifier(nn.Module):
    """A network of a library that takes images of any size."""

    def __init__(self, network: nn.Module, least_px: int = 1) -> None:
        super().__init__()
        self.network = network
        self.least_px = least_px

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W to logits N x K."""
        missing = [max(0, self.least_px - int(px)) for px in image.shape[-2:]]
        if any(missing):
            top, left = missing[0] // 2, missing[1] // 2
            rim = (left, missing[1] - left, top, missing[0] - top)
            image = functional.pad(image, rim, mode="replicate")
        logits: Tensor = self.network(image)
        return logits


def build_library_classifier(
    name: str,
    *,
    in_channels: int = 3,
    classes: int = 1000,
    size_hw: tuple[int, int] | None = None,
    encoder_weights: str = "none",
    **options: Any,
) -> nn.Module:
    """A network of torchvision by our name (see ``LIBRARY``).

    ``encoder_weights``: ``none`` or ``file:PATH``; a head for another number of classes is left out of it.
    ``options`` go to the library, e.g. ``dropout``; ResNets also take ``shortcut`` and ``small_stem`` (see
    :mod:`flawscope.models.residual`). Raises ConfigError for unknown options and unfit weights.
    """
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise MissingExtraError(f"the network {name}", "train") from error
    if name.startswith("resnet"):
        from flawscope.models.residual import build_resnet

        network: nn.Module = build_resnet(name, classes, **options)
    else:
        network = get_model(LIBRARY[name], weights=None, num_classes=classes, **options)
    change_channels(network, in_channels)
    least = next((px for family, px in LEAST_PX.items() if name.startswith(family)), 1)
    return LibraryClassifier(_with_weights(network, encoder_weights), least)


def build_plain34(**options: Any) -> nn.Module:
    """ResNet-34 without its shortcuts (He et al. 2016, figure 3, middle)."""
    return build_library_classifier("resnet34", **{"shortcut": "none", **options})


def build_timm(
    *,
    timm_name: str = "",
    in_channels: int = 3,
    classes: int = 1000,
    size_hw: tuple[int, int] | None = None,
    encoder_weights: str = "none",
    **options: Any,
) -> nn.Module:
    """Any network of timm: ``timm_name`` as timm calls it, at random or with weights from a file.

    Never reaches for the network. Raises ConfigError for unknown names, options and unfit weights.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError("the networks of timm", "train") from error
    if not timm.is_model(timm_name):
        near = get_close_matches(timm_name, timm.list_models(), n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ConfigError(f"timm_name is {timm_name!r}, which timm does not know.{hint}")
    if size_hw is not None and of_one_size(timm_name):
        options = {"img_size": tuple(size_hw), **options}
    try:
        network: nn.Module = timm.create_model(
            timm_name, pretrained=False, in_chans=in_channels, num_classes=classes, **options
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ConfigError(f"timm's {timm_name} cannot be built with these options: {error}") from error
    return LibraryClassifier(_with_weights(network, encoder_weights))


def change_channels(network: nn.Module, in_channels: int) -> None:
    """Give the first convolution another number of input channels, in place."""
    convolutions = [(name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d)]
    name, part = convolutions[0]
    if part.in_channels == in_channels:
        return
    kernel, stride, padding = part.kernel_size, part.stride, part.padding
    first = nn.Conv2d(
        in_channels, part.out_channels, kernel, stride, padding, bias=part.bias is not None  # type: ignore[arg-type]
    )  # fmt: skip
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, first)


def _with_weights(network: nn.Module, weights: str) -> nn.Module:
    if weights == "none":
        return network
    if not weights.startswith("file:"):
        raise ConfigError(f"encoder_weights is {weights!r}; expected none or file:PATH for a classifier.")
    load_encoder_weights(network, Path(weights.removeprefix("file:")))
    return network


CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": build_lenet5,
    "lab-cnn": build_lab_cnn,
    "unet-classifier": build_unet_classifier,
    "plain34": build_plain34,
    "timm": build_timm,
    **{name: partial(build_library_classifier, name) for name in LIBRARY},
}
"""Every classifier by name."""
