"""Networks of segmentation-models-pytorch behind the same contract as the plain U-Net.

Input N x ``in_channels`` x H x W of any size (padded inside, cropped back), output logits
N x ``classes`` x H x W. Pretrained encoders come from the hub or, offline, from a local file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flawscope.errors import ConfigError, MissingExtraError, UsageError
from flawscope.models.blocks import pad_to_multiple, set_prior

ARCHITECTURES = {
    "smp-unet": "Unet",
    "smp-unetplusplus": "UnetPlusPlus",
    "smp-fpn": "FPN",
    "smp-deeplabv3plus": "DeepLabV3Plus",
    "smp-segformer": "Segformer",
}
"""Our names and the library's classes."""

_STRIDE_MULTIPLE = 32
_HEADS = {
    "fc", "classifier", "classif", "head", "head_dist", "heads", "heads_dist", "aux_head", "last_linear"
}  # fmt: skip
"""What the libraries call the layers that name the classes."""
_COUNTER = "num_batches_tracked"
"""A number of BatchNorm's that no answer depends on, absent from files of older libraries."""
_NO_LOGITS = ("activation", "aux_params", "upsampling")
"""Options of the library that make its answer something else than logits a pixel."""
_TRIAL_HW = (64, 96)
"""Size of image that encoders built for one size are tried with."""


class EncoderDecoder(nn.Module):
    """A network of the library that takes images of any size."""

    def __init__(self, network: nn.Module, stride_multiple: int) -> None:
        super().__init__()
        self.network = network
        self.stride_multiple = stride_multiple

    def forward(self, image: Tensor) -> Tensor:
        """N x C x H x W to logits N x K x H x W."""
        height, width = image.shape[-2], image.shape[-1]
        logits: Tensor = self.network(pad_to_multiple(image, self.stride_multiple))
        return logits[..., :height, :width]


def build_encoder_decoder(
    name: str,
    *,
    encoder: str = "resnet18",
    encoder_weights: str = "none",
    in_channels: int = 3,
    classes: int = 1,
    prior: float | Sequence[float] | None = None,
    **options: Any,
) -> EncoderDecoder:
    """A network by our name (see ``ARCHITECTURES``) over any encoder the library offers.

    ``encoder_weights``: ``none``, ``imagenet`` (fetched from the hub by the library) or ``file:PATH``
    (safetensors, or torch weights read without running code). ``options`` go to the library's class.
    Raises ConfigError for unknown encoders, options and unfit weights, UsageError when the hub cannot be
    reached, MissingExtraError without the library.
    """
    smp = _library(name)
    _check_encoder(encoder, encoder_weights, smp.encoders.get_encoder_names())
    architecture = getattr(smp, ARCHITECTURES[name])
    _check_options(name, options, signature(architecture).parameters)
    with _said_plainly(name, encoder, encoder_weights):
        network: nn.Module = architecture(
            encoder_name=encoder,
            encoder_weights="imagenet" if encoder_weights == "imagenet" else None,
            in_channels=in_channels,
            classes=classes,
            **options,
        )
    if encoder_weights.startswith("file:"):
        load_encoder_weights(network.encoder, Path(encoder_weights.removeprefix("file:")))  # type: ignore[arg-type]
    if prior is not None:
        last = [part for part in network.segmentation_head.modules() if isinstance(part, nn.Conv2d)][-1]  # type: ignore[union-attr]
        set_prior(last, prior)
    _check_any_size(name, encoder, network, in_channels)
    stride = int(getattr(network.encoder, "output_stride", _STRIDE_MULTIPLE))
    return EncoderDecoder(network, max(stride, _STRIDE_MULTIPLE))


def make_encoder(name: str, encoder: str, in_channels: int, encoder_weights: str) -> nn.Module:
    """An encoder of the library alone: N x C x H x W to its features, a list from stride 1 to 32.

    ``name`` is the network that it is for. Its ``out_channels`` are those of the features. Raises as
    `build_encoder_decoder`.
    """
    smp = _library(name)
    _check_encoder(encoder, encoder_weights, smp.encoders.get_encoder_names())
    with _said_plainly(name, encoder, encoder_weights):
        made: nn.Module = smp.encoders.get_encoder(
            encoder, in_channels, weights="imagenet" if encoder_weights == "imagenet" else None
        )
    if encoder_weights.startswith("file:"):
        load_encoder_weights(made, Path(encoder_weights.removeprefix("file:")))
    _check_any_size(name, encoder, made, in_channels)
    return made


def _library(name: str) -> Any:
    try:
        import segmentation_models_pytorch
    except ImportError as error:
        raise MissingExtraError(f"the network {name}", "train") from error
    return segmentation_models_pytorch


@contextmanager
def _said_plainly(name: str, encoder: str, encoder_weights: str) -> Iterator[None]:
    """What the library raises, as errors of ours."""
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name} over {encoder} cannot be built with these options: {error}") from error
    except Exception as error:
        if encoder_weights != "imagenet":
            raise
        raise UsageError(
            f"the imagenet weights of {encoder} could not be fetched ({type(error).__name__}).\n"
            "Offline, pass encoder_weights = 'file:PATH' of weights downloaded before, or 'none'."
        ) from error


def _check_encoder(encoder: str, weights: str, known: Sequence[str]) -> None:
    if weights not in ("none", "imagenet") and not weights.startswith("file:"):
        raise ConfigError(
            f"encoder_weights is {weights!r}; expected none, imagenet or file:PATH of a safetensors file."
        )
    # Names with this prefix are timm's; the library itself asks timm whether it has them.
    if encoder in known or encoder.startswith("tu-"):
        return
    near = get_close_matches(encoder, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"unknown encoder {encoder!r}; expected one of {len(known)} of segmentation-models-pytorch, or "
        f"tu-NAME of timm.{hint}"
    )


def _check_options(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    known = {key: value for key, value in known.items() if value.kind is not Parameter.VAR_KEYWORD}
    defaults = {key: known[key].default for key in _NO_LOGITS if key in known}
    other = next((key for key, usual in defaults.items() if options.get(key, usual) != usual), None)
    if other:
        raise ConfigError(
            f"network {name}: {other} is {options[other]!r}; networks answer with logits a pixel and nothing "
            f"else here.\nLeave it out; input.activation says what the logits mean."
        )
    # The library takes any keyword and forgets those it does not know.
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        has = ", ".join(key for key in known if key not in _NO_LOGITS)
        raise ConfigError(f"network {name} has no option {unknown[0]!r}; it has {has}.")


def of_one_size(timm_name: str) -> bool:
    """Whether a network of timm is built for one size of image, as most transformers are."""
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(timm_name)
    return bool(settings is not None and settings.fixed_input_size)


def _check_any_size(name: str, encoder: str, network: nn.Module, in_channels: int) -> None:
    """Raise ConfigError for an encoder that takes one size of image; some that say so take others too."""
    if not encoder.startswith("tu-") or not of_one_size(encoder.removeprefix("tu-")):
        return
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, in_channels, *_TRIAL_HW))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{name}: the encoder {encoder} takes images of one size only ({error}).\n"
            "Expected one for any size, such as resnet18, mit_b0 or tu-convnext_atto."
        ) from error
    finally:
        network.train(training)


def load_encoder_weights(encoder: nn.Module, path: Path) -> None:
    """Loads pretrained weights into an encoder from a local file.

    Prefixes such as ``encoder.`` and ``module.`` are taken off, classifier heads that do not fit are left
    out, a first convolution for another number of channels is averaged over its channels and repeated.
    Raises ConfigError when the file is absent or unreadable, lacks a tensor of the encoder, or holds further
    ones of its layers: those are weights of another network.
    """
    found = {_bare(key): value for key, value in _read_weights(path).items()}
    wanted = encoder.state_dict()
    fitting: dict[str, Tensor] = {}
    for key, target in wanted.items():
        value = found.get(_bare(key))
        if value is not None and value.shape != target.shape:
            value = _refit_channels(value, target)
        if value is not None:
            fitting[key] = value
    _check_same_network(path, wanted, found, fitting)
    nn.Module.load_state_dict(encoder, fitting, strict=False)


def _check_same_network(
    path: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], fitting: Mapping[str, Tensor]
) -> None:
    """Raise ConfigError unless the file is of this very encoder, heads and layers it has none of aside."""
    needed = [key for key in wanted if _matters(_bare(key))]
    lacking = [key for key in needed if key not in fitting]
    if lacking:
        raise ConfigError(
            f"{path} holds {len(needed) - len(lacking)} of the encoder's {len(needed)} tensors; it lacks "
            f"{lacking[0]} {tuple(wanted[lacking[0]].shape)}.\n{_what_instead(needed, found)}"
        )
    known = {_bare(key) for key in wanted}
    layers = {key.partition(".")[0] for key in known}
    more = [key for key in found if key not in known and _matters(key) and key.partition(".")[0] in layers]
    if more:
        raise ConfigError(
            f"{path} holds {len(more)} tensors that the encoder has no place for, e.g. {more[0]}.\n"
            "Expected weights of the same encoder, not of a deeper one. Check the encoder's name."
        )


def _what_instead(needed: Sequence[str], found: Mapping[str, Tensor]) -> str:
    """What file is meant.

    Tensors are not renamed from one library's names to another's: timm has EfficientNets of different padding
    and epsilon of BatchNorm under the same names, so that a file could fit and answer wrongly.
    """
    theirs = sorted(key for key in found if _matters(key))
    if not theirs or any(_bare(key) in found for key in needed):
        return "Expected weights of the same encoder. Check the encoder's name."
    efficientnet = any(key.startswith("_conv_stem") for key in needed)
    meant = "model.safetensors of smp-hub/efficientnet-bN.imagenet" if efficientnet else "one with its names"
    return (
        f"The file's names are of another library ({theirs[0]}). Expected {meant}; a file of timm's "
        "goes with encoder = 'tu-NAME', timm's name of the network."
    )


def _matters(key: str) -> bool:
    return key.partition(".")[0] not in _HEADS and not key.endswith(_COUNTER)


def _bare(key: str) -> str:
    for prefix in ("module.", "network.", "model.", "encoder."):
        key = key.removeprefix(prefix)
    return key


def _refit_channels(value: Tensor, target: Tensor) -> Tensor | None:
    """A first convolution O x C x k x k for another C, or None when more than C differs.

    The sum over channels stays the same, so that the layers behind see responses of the usual size.
    """
    same = value.dim() == 4 and value.shape[0] == target.shape[0] and value.shape[2:] == target.shape[2:]
    if not same:
        return None
    return value.sum(dim=1, keepdim=True).expand_as(target) / target.shape[1]


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"encoder weights {path} do not exist; expected safetensors or torch weights.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(
            f"encoder weights {path} cannot be read without running code from it ({type(error).__name__}); "
            "expected a safetensors file or a plain state dict."
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"encoder weights {path} hold no state dict of tensors.")
    return state
