"""The live parts of a run: network, optimiser, schedule, running mean, loss, and the machine they run on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from flawscope.errors import ConfigError
from flawscope.inspection.runtimes import default_threads
from flawscope.models.build import MODELS, build_model, stride_multiple
from flawscope.models.classifiers import CLASSIFIERS
from flawscope.training.checkpoint import Parts
from flawscope.training.config import TrainConfig
from flawscope.training.ema import Ema
from flawscope.training.freezing import Freezer, encoder_of, needs_encoder
from flawscope.training.losses import LossSum, build_loss
from flawscope.training.optimisers import LR_FACTOR, build_optimiser
from flawscope.training.pictures import image_size_hw
from flawscope.training.protocol_config import EncoderConfig
from flawscope.training.schedules import Schedule
from flawscope.types import ClassInfo


@dataclass(eq=False)
class Session:
    """Everything that moves while training."""

    accelerator: Accelerator
    network: nn.Module
    """The network itself; its weights are what is saved."""
    wrapped: nn.Module
    """The same as accelerate prepared it: mixed precision, gradients averaged over processes."""
    optimiser: Any
    """As accelerate prepared it."""
    schedule: Schedule
    loss: LossSum
    ema: Ema | None
    base_lr: float
    freezer: Freezer | None = None
    watches_dice: bool = False
    dices: list[Tensor] = field(default_factory=list)
    """Soft Dice of the batches since the loop took them, where they are watched."""

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def parts(self) -> Parts:
        """What checkpoints save and restore."""
        others: dict[str, Any] = {"schedule": self.schedule}
        if self.accelerator.scaler is not None:
            others["scaler"] = self.accelerator.scaler
        return Parts(self.network, getattr(self.optimiser, "optimizer", self.optimiser), self.ema, others)

    def set_rate(self, step: int) -> float:
        """Set the learning rate of ``step`` (counted from 0) and return it."""
        rate = self.base_lr * self.schedule.factor(step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get(LR_FACTOR, 1.0)
        return rate

    def train_mode(self, epoch: int) -> None:
        """Make the network ready to learn in an epoch: what is held still stays so."""
        self.wrapped.train()
        if self.freezer is not None:
            self.freezer.apply(epoch)


def make_accelerator(config: TrainConfig) -> Accelerator:
    """Open the device(s). Raises ConfigError where the precision is not to be had."""
    precision = config.train.precision
    if precision == "fp16" and (config.train.device == "cpu" or not torch.cuda.is_available()):
        raise ConfigError("train.precision = 'fp16' needs a GPU; use 'bf16' or 'fp32' on the CPU.")
    if "LOCAL_RANK" not in os.environ:
        # accelerate keeps its state for the life of a process; a second run may ask for other things.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        mixed_precision="no" if precision == "fp32" else precision, cpu=config.train.device == "cpu"
    )


def resolve_threads(config: TrainConfig) -> tuple[int, int]:
    """Return (threads of torch, worker processes of the loader); together they fill the machine once."""
    cores = default_threads()
    workers = config.train.workers
    if workers < 0:
        # Few cores are best left to the network: a loader of its own would only take turns with it.
        on_gpu = config.train.device == "auto" and torch.cuda.is_available()
        workers = min(8, cores - 1) if on_gpu else 0 if cores <= 4 else 1 + cores // 16
    threads = config.train.threads or max(1, cores - (workers if cores > 2 else 0))
    return threads, workers


def network_options(config: TrainConfig, classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """Return the options that the configured network is built with."""
    labels = config.task == "classification"
    outputs = len(classes) + (config.input.activation == "softmax" and not labels)
    given: dict[str, Any] = {"in_channels": config.input.channel_count, "classes": outputs}
    if labels:
        given["size_hw"] = list(image_size_hw(config.input))
    clash = sorted(given.keys() & config.model.options.keys())
    if clash:
        raise ConfigError(f"model.options.{clash[0]} follows from input.channels and the data; leave it out.")
    options = {**config.model.options, **given}
    if isinstance(config.model.prior, tuple):
        options["prior"] = list(config.model.prior)
    return options


def recorded_options(config: TrainConfig, classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """Return the options that a bundle records: without those that only matter before the first step."""
    options = network_options(config, classes)
    return {name: value for name, value in options.items() if name not in ("prior", "encoder_weights")}


def build_network(config: TrainConfig, classes: Sequence[ClassInfo]) -> nn.Module:
    """Build the configured network, random weights from ``train.seed``. Raises ConfigError."""
    if (config.model.name in CLASSIFIERS) != (
        config.task == "classification"
    ) and config.model.name in MODELS:
        what = "labels whole images" if config.model.name in CLASSIFIERS else "marks pixels"
        raise ConfigError(
            f"The network {config.model.name} {what}; the task is {config.task}.\n"
            "Choose another model.name, or another task."
        )
    torch.manual_seed(config.train.seed)
    network = build_model(config.model.name, **network_options(config, classes))
    wanted = stride_multiple(network)
    if config.input.mode == "tile" and config.input.size_px % wanted:
        raise ConfigError(
            f"input.size_px is {config.input.size_px}; the network needs a multiple of {wanted}."
        )
    return network


def start_session(
    config: TrainConfig, network: nn.Module, accelerator: Accelerator, total_steps: int
) -> Session:
    """Put the parts together on the device."""
    network = network.to(accelerator.device)
    if config.train.channels_last:
        network = network.to(memory_format=torch.channels_last)
    one = config.optimiser
    encoder = config.encoder
    slower = (encoder_of(network), encoder.lr_factor) if needs_encoder(encoder) else None
    # Made before anything is frozen, so that it knows the weights that learn later.
    raw = build_optimiser(network, one.name, one.lr, one.weight_decay, slower, **one.options)
    freezer = _freezer(network, encoder, accelerator)
    wrapped, optimiser = accelerator.prepare(network, raw)
    schedule = Schedule(
        config.schedule.name,
        total_steps,
        warmup_steps=config.schedule.warmup_steps,
        lr=one.lr,
        **config.schedule.options,
    )
    ema = Ema(network, config.train.ema_decay) if config.train.ema_decay else None
    loss = build_loss(config.loss, config.input.activation, config.train.side_weight)
    watches = config.validation.figures == "dice"
    return Session(accelerator, network, wrapped, optimiser, schedule, loss, ema, one.lr, freezer, watches)


def _freezer(network: nn.Module, encoder: EncoderConfig, accelerator: Accelerator) -> Freezer | None:
    if not encoder.freeze:
        return None
    if encoder.unfreeze_at and accelerator.num_processes > 1:
        raise ConfigError(
            f"encoder.unfreeze_at = {encoder.unfreeze_at} needs one process; "
            f"{accelerator.num_processes} were started.\nTrain in two runs, the second with --init."
        )
    freezer = Freezer(network, encoder)
    freezer.apply(0)
    return freezer


def to_device(tensor: Tensor, device: torch.device, channels_last: bool) -> Tensor:
    """Move a batch; images in the memory order of the network."""
    if channels_last and tensor.dim() == 4:
        return tensor.to(device, non_blocking=True, memory_format=torch.channels_last)
    return tensor.to(device, non_blocking=True)


def broadcast_int(accelerator: Accelerator, value: int) -> int:
    """Return the first process's value in every process."""
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast

    return int(broadcast(torch.tensor(value, device=accelerator.device)).item())
