"""Before any data is read: everything that a configuration names by a word is built once and thrown away.

So a wrong option of a network is told in seconds, and not once images were checked or a first step trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from flawscope.data.dataset import Dataset
from flawscope.data.protocols import check_protocol
from flawscope.data.synthetic.distractors import check_names
from flawscope.data.synthetic.kinds import kind_named
from flawscope.errors import ConfigError
from flawscope.training.config import TrainConfig
from flawscope.training.losses import LossSum, build_loss
from flawscope.training.optimisers import build_optimiser
from flawscope.training.schedules import Schedule
from flawscope.training.session import build_network
from flawscope.training.synth_pool import Recipe, crack_options, render
from flawscope.training.two_step_config import classes_config, gate_config
from flawscope.types import ClassInfo


def try_parts(config: TrainConfig, dataset: Dataset | None = None) -> None:
    """Refuse options that no network, loss, optimiser, schedule, generator or protocol can be built with.

    :param dataset: whose classes the network is built for; without it so many as the configuration speaks of.
    Raises ConfigError or UsageError.
    """
    if config.two_step.steps != "off":
        # Each step has classes of its own, and is tried with them when it starts.
        for step in (gate_config(config), classes_config(config)):
            try_parts(step)
        return
    _try_data(config)
    classes = _classes(config) if dataset is None else dataset.classes
    network = _network(_without_weights(config), classes)
    one, schedule = config.optimiser, config.schedule
    build_optimiser(network, one.name, one.lr, one.weight_decay, **one.options)
    Schedule(schedule.name, 1, warmup_steps=schedule.warmup_steps, lr=one.lr, **schedule.options)
    loss = build_loss(config.loss, config.input.activation, config.train.side_weight)
    if dataset is not None:  # there may be a weight for each of its classes
        _try_loss(loss, config, len(classes))


def _classes(config: TrainConfig) -> Sequence[ClassInfo]:
    """As many as the recipe was made for, or as it has shares for."""
    if config.data.synth.images and config.data.synth.validation_images:
        return kind_named(config.data.synth.kind).classes
    prior = config.model.prior
    outputs = len(prior) - (config.input.activation == "softmax") if isinstance(prior, tuple) else 0
    return [ClassInfo(k, f"class-{k}") for k in range(1, 1 + max(config.expected_classes, outputs, 1))]


def _network(config: TrainConfig, classes: Sequence[ClassInfo]) -> nn.Module:
    try:
        with torch.device("meta"):  # which takes neither memory nor time
            return build_network(config, classes)
    except (ConfigError, NotImplementedError, RuntimeError):
        return build_network(config, classes)  # some networks reckon with tensors while they are built


def _without_weights(config: TrainConfig) -> TrainConfig:
    """What is counted on the data, and weights that may have to be fetched, come later."""
    options = {name: value for name, value in config.model.options.items() if name != "encoder_weights"}
    model = {"options": options} | ({"prior": "none"} if config.model.prior == "data" else {})
    return config.model_copy(update={"model": config.model.model_copy(update=model)})


def _try_loss(loss: LossSum, config: TrainConfig, classes: int) -> None:
    """Take the loss of one small answer: it says when there are more weights than classes."""
    exclusive = config.input.activation == "softmax"
    outputs = classes + (exclusive and config.task == "segmentation")
    size = (1, outputs, 4, 4)
    target = torch.zeros(1, 4, 4, dtype=torch.long) if exclusive else torch.zeros(size)
    loss(torch.zeros(size), target, torch.ones(1, 4, 4, dtype=torch.bool))


def _try_data(config: TrainConfig) -> None:
    synth = config.data.synth
    if synth.images:
        kind_named(synth.kind).check(config.train.seed, synth.size_hw)
        if synth.ground == "photographs":
            crack_options(synth.options)
            check_names(tuple(synth.distractors), "data.synth.distractors")
        elif synth.options:
            render(Recipe(synth.kind, config.train.seed, (64, 64), tuple(sorted(synth.options.items()))))
    if config.data.protocol:
        try:
            check_protocol(config.data.protocol, config.data.protocol_options)
        except TypeError as error:  # text where a number belongs
            raise ConfigError(f"data.protocol_options: {error}\nExpected numbers.") from error
