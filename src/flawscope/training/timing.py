"""``--minutes``: times the first steps on throw-away copies and fixes a whole number of steps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import nn

from flawscope.errors import TrainingError
from flawscope.training.budget import Clock, Costs, Fit, fit_steps
from flawscope.training.config import TrainConfig
from flawscope.training.crops import deal_for
from flawscope.training.loader import Items, loader_of_steps
from flawscope.training.loop import AnyValidator, take_step
from flawscope.training.session import Session
from flawscope.types import ClassInfo

_WARM_UP = 1
_LEAST, _MOST = 3, 40
"""Steps that are timed: at least so many, more while they are short."""
_SHARE, _MOST_SHARE = 0.02, 0.08
"""Timing goes on until it has taken the first share of the budget, and ends at the second in any case."""

MakeSession = Callable[[nn.Module, int], Session]
"""(network, total steps) -> a fresh session."""


def plan_steps(
    config: TrainConfig,
    network: nn.Module,
    make_session: MakeSession,
    crops: Items,
    validator: AnyValidator | None,
    classes: tuple[ClassInfo, ...],
    workers: int,
    clock: Clock,
    renewal_s: float = 0.0,
) -> Fit:
    """Return the number of steps that fit into what is left of the budget.

    ``renewal_s`` is what else every epoch costs: drawing synthetic images anew.
    Neither the network nor torch's random state is changed, so a run that is given the same number of steps
    outright ends the same. Raises TrainingError when nothing is left of the budget.
    """
    state = torch.get_rng_state()
    session = make_session(copy.deepcopy(network), 1000)
    step_s = _time_steps(session, config, crops, classes, workers, clock)
    validation_s = _time_validation(session, validator)
    torch.set_rng_state(state)
    session.accelerator.free_memory()  # or its optimiser would be unscaled with the real one
    world = session.accelerator.num_processes
    left_s = clock.left_s()
    if left_s < step_s:
        raise TrainingError(
            f"{clock.minutes:g} minutes were over before the first step: start-up took "
            f"{clock.elapsed_s():.0f} s and a step takes {step_s:.1f} s.\n"
            "Give more minutes, or a smaller network or batch."
        )
    per_epoch = len(deal_for(config.train, crops.order(0), world))
    # A checkpoint is about four copies of the weights on disk.
    epoch_s = renewal_s + 0.02 + 4 * sum(p.numel() for p in network.parameters()) * 4 / 2e8
    return fit_steps(left_s, Costs(step_s, validation_s, epoch_s), per_epoch, config.train.validate_every)


def _time_steps(
    session: Session,
    config: TrainConfig,
    crops: Items,
    classes: tuple[ClassInfo, ...],
    workers: int,
    clock: Clock,
) -> float:
    accelerator, train = session.accelerator, config.train
    steps = deal_for(train, crops.order(0), accelerator.num_processes, accelerator.process_index)
    steps = steps[: _WARM_UP + _MOST]
    full = [step for step in steps if len(step.micro) == len(steps[0].micro)]
    batches = iter(loader_of_steps(crops, full, workers, session.device))
    session.train_mode(0)
    session.set_rate(0)
    budget_s = 60 * (clock.minutes or 1.0)
    times: list[float] = []
    for number, step in enumerate(full):
        began_s = time.perf_counter()
        float(take_step(session, step, batches, config, classes))  # waits for the device
        if number >= _WARM_UP or len(full) == 1:
            times.append(time.perf_counter() - began_s)
        enough = len(times) >= _LEAST and sum(times) > _SHARE * budget_s
        if enough or sum(times) > _MOST_SHARE * budget_s:
            break
    return sum(times) / len(times)


def _time_validation(session: Session, validator: AnyValidator | None) -> float:
    if validator is None or not validator.samples:
        return 0.0
    few = validator.first()
    began_s = time.perf_counter()
    few(session.network)
    return (time.perf_counter() - began_s) * len(validator.samples) / len(few.samples)
