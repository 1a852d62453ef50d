"""The register of networks: name -> function that builds one from keyword options.

Third parties join through the entry-point group ``flawscope.models``.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points

from torch import nn

from flawscope.errors import ConfigError
from flawscope.models.attention_unet import KINDS, build_attention_unet
from flawscope.models.classifiers import CLASSIFIERS
from flawscope.models.encoder_decoder import ARCHITECTURES, build_encoder_decoder
from flawscope.models.fcn import FCNS, build_fcn
from flawscope.models.unet import build_unet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "unet": build_unet,
    **{name: partial(build_attention_unet, name) for name in KINDS},
    **{name: partial(build_fcn, name) for name in FCNS},
    **{name: partial(build_encoder_decoder, name) for name in ARCHITECTURES},
    **CLASSIFIERS,
}
"""Every network by name. All take at least ``in_channels`` and ``classes``."""


def build_model(name: str, **options: object) -> nn.Module:
    """Builds a network: input N x ``in_channels`` x H x W, output logits N x ``classes`` x H x W.

    A classifier (``flawscope.models.classifiers``) answers N x ``classes``.
    Raises ConfigError for an unknown name, an unknown option or a value out of range.
    """
    build = MODELS.get(name) or _from_entry_point(name)
    if build is None:
        near = get_close_matches(name, MODELS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"unknown network {name!r}; expected one of {', '.join(MODELS)}.{hint}")
    try:
        return build(**options)
    except (TypeError, ValueError, RuntimeError) as error:  # the last of sizes that torch cannot make
        given = ", ".join(f"{key} = {value!r}" for key, value in sorted(options.items()))
        raise ConfigError(f"network {name} cannot be built with {given}: {error}") from error


def stride_multiple(model: nn.Module) -> int:
    """Pixels of which heights and widths should be multiples, so that nothing is padded inside."""
    return int(getattr(model, "stride_multiple", 1))


def _from_entry_point(name: str) -> Callable[..., nn.Module] | None:
    for point in entry_points(group="flawscope.models"):
        if point.name == name:
            loaded: Callable[..., nn.Module] = point.load()
            return loaded
    return None
