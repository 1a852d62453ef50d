"""Checkpoints: all that a run needs to go on, in one safetensors file that appears whole or not at all.

Tensors (weights, running mean, optimiser, random states) are tensors of the file; the rest is JSON in its
header, and once more beside it in a ``.json`` for people. No pickle. Nothing in training draws from
Python's or NumPy's global generators, so torch's states are the only ones to keep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from flawscope.errors import TrainingError
from flawscope.images.atomic import write_bytes_atomic, write_text_atomic
from flawscope.training.ema import Ema

SCHEMA = 1
_HEADER = "flawscope"


@dataclass
class Progress:
    """Where a run stands; all of it is in every checkpoint."""

    epoch: int = 0
    """Epochs begun and not yet finished are this one, counted from 0."""
    batches_done: int = 0
    """Batches of that epoch that were already used."""
    step: int = 0
    """Optimiser steps taken."""
    loss_sum: float = 0.0
    loss_count: int = 0
    dice_sum: float = 0.0
    dice_count: int = 0
    best_value: float | None = None
    best_epoch: int = -1
    validations_without_gain: int = 0
    elapsed_s: float = 0.0
    """Seconds of all processes that worked on this run."""
    stopped: str = ""
    """Why the run ended before its last step; empty while it goes on, or when it went through."""
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)
    """Rows of ``history.csv``."""


class HasState(Protocol):
    """What optimisers, schedules and gradient scalers share."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take the state over."""
        ...


@dataclass
class Parts:
    """The live objects of a run whose state is saved and restored."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    ema: Ema | None = None
    others: Mapping[str, HasState] = field(default_factory=dict)
    """Objects whose state is plain JSON: schedule, gradient scaler."""


def save_checkpoint(path: Path, parts: Parts, progress: Progress) -> None:
    """Write ``path`` (``.safetensors``) and its readable twin. Raises OutputError."""
    tensors = _prefixed("network", parts.network.state_dict())
    if parts.ema is not None:
        tensors |= _prefixed("ema", parts.ema.state_dict())
    optimiser_tensors, optimiser_json = _split_optimiser(parts.optimiser.state_dict())
    tensors |= optimiser_tensors | _random_states()
    header = {
        "schema": SCHEMA,
        "progress": asdict(progress),
        "optimiser": optimiser_json,
        "others": {name: other.state_dict() for name, other in parts.others.items()},
    }
    plain = {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in tensors.items()}
    write_bytes_atomic(path, save(plain, metadata={_HEADER: json.dumps(header)}))
    write_text_atomic(path.with_suffix(".json"), json.dumps(header, indent=1) + "\n")


def save_weights(path: Path, weights: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write weights alone (``best``) with notes beside them. Raises OutputError."""
    plain = {f"network.{k}": v.detach().to("cpu").contiguous().clone() for k, v in weights.items()}
    header = {"schema": SCHEMA, **notes}
    write_bytes_atomic(path, save(plain, metadata={_HEADER: json.dumps(header)}))
    write_text_atomic(path.with_suffix(".json"), json.dumps(header, indent=1) + "\n")


def load_weights(path: Path, section: str = "network") -> dict[str, Tensor]:
    """Return the weights of one section (``network`` or ``ema``) of a checkpoint. Raises TrainingError."""
    tensors, _ = _read(path)
    return _section(tensors, section)


def load_progress(path: Path) -> Progress:
    """Return where the run stood. Raises TrainingError."""
    return Progress(**_read(path)[1]["progress"])


def load_checkpoint(path: Path, parts: Parts) -> Progress:
    """Put everything back into the live objects and return where the run stood.

    Raises TrainingError when the file is damaged or belongs to another network or optimiser.
    """
    tensors, header = _read(path)
    try:
        parts.network.load_state_dict(_section(tensors, "network"))
        if parts.ema is not None:
            parts.ema.load_state_dict(_section(tensors, "ema"))
        _restore_optimiser(parts.optimiser, _section(tensors, "optimiser"), header["optimiser"])
        for name, other in parts.others.items():
            other.load_state_dict(header["others"][name])
        progress = Progress(**header["progress"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path} does not fit this configuration: {str(error).splitlines()[0]}\n"
            "Resume with the configuration that the run began with, or start a new run folder."
        ) from error
    _restore_random(tensors)
    return progress


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        header = json.loads(metadata[_HEADER])
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise TrainingError(
            f"{path} is no checkpoint of flawscope, or is damaged: {error}\n"
            "Start a new run folder, or restore the file."
        ) from error
    if header.get("schema") != SCHEMA:
        raise TrainingError(f"{path} has schema {header.get('schema')}; this version reads {SCHEMA}.")
    return tensors, header


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def _section(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}


def _split_optimiser(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors under ``optimiser.INDEX.NAME``; numbers and parameter groups as JSON."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        numbers[str(index)] = {k: v for k, v in entries.items() if not isinstance(v, Tensor)}
        tensors |= {f"optimiser.{index}.{k}": v for k, v in entries.items() if isinstance(v, Tensor)}
    groups = [{k: v for k, v in group.items() if _is_json(v)} for group in state["param_groups"]]
    return tensors, {"state": numbers, "groups": groups}


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | list | tuple)


def _restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]
) -> None:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(entries) for index, entries in plain["state"].items()
    }
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state[int(index)][name] = tensor
    now = optimiser.state_dict()["param_groups"]
    groups = [{**live, **saved} for live, saved in zip(now, plain["groups"], strict=True)]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    # Same memory order as the parameter, as in a run that was never interrupted: other orders take other
    # code paths, whose roundings differ.
    for parameter, entries in optimiser.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _random_states() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"random.cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_random(tensors: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    states = _section(tensors, "random.cuda")
    if torch.cuda.is_available() and len(states) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([states[str(i)] for i in range(len(states))])
