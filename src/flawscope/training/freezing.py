"""Encoders held still: which part of a network that is, from when to when, and what its norms do."""

from __future__ import annotations

from torch import nn

from flawscope.errors import ConfigError
from flawscope.training.config import TrainConfig
from flawscope.training.progress import Reporter
from flawscope.training.protocol_config import EncoderConfig

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


def encoder_of(network: nn.Module) -> nn.Module:
    """Return the encoder of a network over one. Raises ConfigError where it has none by that name."""
    for owner in (network, getattr(network, "network", None)):
        encoder = getattr(owner, "encoder", None)
        if isinstance(encoder, nn.Module):
            return encoder
    raise ConfigError(
        f"[encoder] holds an encoder still or slow, and {type(network).__name__} has no part of that name.\n"
        "Take a network over an encoder, such as smp-unet, or leave the section out."
    )


def needs_encoder(config: EncoderConfig) -> bool:
    """Whether the section asks for anything."""
    return config.freeze or config.lr_factor < 1.0


def without_idle_freeze(config: TrainConfig, reporter: Reporter) -> TrainConfig:
    """Return the configuration, unfrozen where the encoder would stand still at random weights."""
    weights = str(config.model.options.get("encoder_weights", "none"))
    if not config.encoder.freeze or weights != "none" or config.train.init:
        return config
    reporter.say(
        "note: encoder.freeze is set and no weights are given, so the encoder learns too; to freeze it, set "
        "model.options.encoder_weights=file:PATH"
    )
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"freeze": False})})


class Freezer:
    """Holds an encoder still until its epoch comes."""

    def __init__(self, network: nn.Module, config: EncoderConfig) -> None:
        self._config = config
        self._encoder = encoder_of(network)
        norms = [part for part in self._encoder.modules() if isinstance(part, _NORMS)]
        self._norms = norms
        self._of_norms = {id(one) for part in norms for one in part.parameters()}

    def holds(self, epoch: int) -> bool:
        """Whether the encoder stands still in an epoch, counted from 0."""
        return not self._config.unfreeze_at or epoch < self._config.unfreeze_at

    def apply(self, epoch: int) -> None:
        """Set what may learn in an epoch; call it after ``network.train()``, which wakes the norms."""
        still = self.holds(epoch)
        norms_learn = not still or self._config.norm == "train"
        for parameter in self._encoder.parameters():
            parameter.requires_grad_(norms_learn if id(parameter) in self._of_norms else not still)
        if not norms_learn:
            for part in self._norms:
                part.eval()


def trainable(network: nn.Module) -> int:
    """Number of parameters that may learn now."""
    return sum(one.numel() for one in network.parameters() if one.requires_grad)
