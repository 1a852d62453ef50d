"""The register of optimisers: name -> function of parameter groups, learning rate and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn, optim

from flawscope.errors import ConfigError

OPTIMISERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "rmsprop": optim.RMSprop,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
}
"""Every optimiser by name; options are torch's keywords (``momentum``, ``nesterov``, ``betas``, ...)."""

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


LR_FACTOR = "lr_factor"
"""Key of a group whose learning rate is a share of the others'."""


def parameter_groups(
    model: nn.Module, weight_decay: float, slower: tuple[nn.Module, float] | None = None
) -> list[dict[str, Any]]:
    """Two groups: weights that decay, and biases and normalisations that do not.

    Frozen parameters are in neither. Decaying a scale or an offset shrinks what the data asked for. A part of
    the model that shall learn ``slower``, with its share of the rate, has two further groups after these.
    """
    spared = {
        id(parameter)
        for part in model.modules()
        for name, parameter in part.named_parameters(recurse=False)
        if isinstance(part, _NORMS) or name.endswith("bias")
    }
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    part, factor = slower or (nn.Module(), 1.0)
    slow = {id(parameter) for parameter in part.parameters()}
    groups = []
    for apart in (False, True):
        mine = [p for p in trained if (id(p) in slow) == apart]
        more: dict[str, Any] = {LR_FACTOR: factor} if apart else {}
        groups += [
            {"params": [p for p in mine if id(p) not in spared], "weight_decay": weight_decay, **more},
            {"params": [p for p in mine if id(p) in spared], "weight_decay": 0.0, **more},
        ]
    return [group for group in groups if group["params"]]


def build_optimiser(
    model: nn.Module,
    name: str,
    lr: float,
    weight_decay: float = 0.0,
    slower: tuple[nn.Module, float] | None = None,
    **options: Any,
) -> optim.Optimizer:
    """An optimiser over a model's trainable parameters; ``slower``: see `parameter_groups`.

    Raises ConfigError for an unknown name or option, a value torch refuses, or a wholly frozen model.
    """
    if name not in OPTIMISERS:
        raise ConfigError(f"unknown optimiser {name!r}; expected one of {', '.join(OPTIMISERS)}.")
    known = set(inspect.signature(OPTIMISERS[name]).parameters) - {"params", "lr", "weight_decay"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise ConfigError(
            f"optimiser {name} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}."
        )
    groups = parameter_groups(model, weight_decay, slower)
    if not groups:
        raise ConfigError("the network has no parameter that may learn; unfreeze some of it.")
    try:
        return OPTIMISERS[name](groups, lr=lr, **options)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"optimiser {name}: {error}") from error
