"""How many steps fit into the minutes given, and when to stop all the same."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

GUARD = 1.10
"""A run stops at this share of its budget even when steps are left: the machine became slower."""
MARGIN = 0.97
"""Share of the time left that is planned with; the rest absorbs small waits."""
PACE_OVER = 0.75
"""The pace is taken over the steps since this share of them all."""
PACE_SLACK = 0.05
"""Ends that differ by less than this share of the steps left are the same."""
VALIDATION_SHARE = 0.10
"""Validations while training may take this share of the budget; they become rarer beyond it."""


@dataclass(frozen=True)
class Clock:
    """The budget of a run, from ``started_s`` (seconds since 1970), plus what earlier processes used."""

    started_s: float
    minutes: float | None = None
    used_before_s: float = 0.0

    def elapsed_s(self) -> float:
        """Seconds used so far, by this process and those before it."""
        return self.used_before_s + time.time() - self.started_s

    def left_s(self) -> float:
        """Seconds left of the budget; infinite without one."""
        return math.inf if self.minutes is None else 60 * self.minutes - self.elapsed_s()

    def spent(self) -> bool:
        """Whether the guard says stop."""
        return self.minutes is not None and self.elapsed_s() > GUARD * 60 * self.minutes


@dataclass(frozen=True)
class Costs:
    """What was measured, in seconds."""

    step_s: float
    validation_s: float
    """One validation; 0 when there is none."""
    epoch_s: float = 0.0
    """Once an epoch: checkpoint, starting the loader."""


@dataclass(frozen=True)
class Fit:
    """What the budget allows."""

    steps: int
    validate_every: int
    """Epochs from one validation to the next."""


@dataclass
class Pace:
    """How fast a run really is: the first timing is short, and machines change their speed for minutes."""

    marks: list[tuple[int, float]] = field(default_factory=list)
    """(steps taken, seconds used) at the beginning of each epoch."""

    def mark(self, step: int, elapsed_s: float) -> None:
        """Note where the run stands."""
        self.marks.append((step, elapsed_s))

    def end_step(self, planned: int, left_s: float) -> int:
        """Return the step with which the budget ends, from the pace of the latest quarter of the steps.

        ``planned`` as long as too little is known, and where the difference is not worth a change; never
        before one more step.
        """
        step, elapsed_s = self.marks[-1]
        since = [mark for mark in self.marks if mark[0] <= PACE_OVER * step and mark[0] < step]
        if not since or step >= planned:
            return max(planned, step + 1)
        first_step, first_s = since[-1]
        step_s = (elapsed_s - first_s) / (step - first_step)
        steps = max(int(max(left_s * MARGIN, 0.0) / max(step_s, 1e-9)), 1)
        if abs(steps - (planned - step)) <= PACE_SLACK * steps:
            return planned
        return step + steps


def fit_steps(left_s: float, costs: Costs, steps_per_epoch: int, validate_every: int) -> Fit:
    """Return the number of optimiser steps (at least 1) that fit into ``left_s`` seconds.

    Validations are paid from the same budget; where they would take more than ``VALIDATION_SHARE`` of it,
    they become rarer. The validation after the last step is not part of the budget.
    """
    usable_s = max(left_s * MARGIN, 0.0)
    epoch_steps_s = steps_per_epoch * costs.step_s + costs.epoch_s
    if costs.validation_s > 0:
        rarest = costs.validation_s * (1 - VALIDATION_SHARE) / (VALIDATION_SHARE * max(epoch_steps_s, 1e-9))
        validate_every = max(validate_every, math.ceil(rarest - 1e-9))
    a_step_s = costs.step_s + (costs.epoch_s + costs.validation_s / validate_every) / steps_per_epoch
    # The last epoch's validation comes after the last step.
    steps = int((usable_s + costs.validation_s / validate_every) / max(a_step_s, 1e-9))
    if steps < steps_per_epoch * validate_every:
        steps = int(usable_s / max(costs.step_s + costs.epoch_s / steps_per_epoch, 1e-9))
    return Fit(max(steps, 1), validate_every)


def process_started_s() -> float:
    """Return when this process began, in seconds since 1970; now, where the system does not tell."""
    try:
        import psutil  # type: ignore[import-untyped]

        return float(psutil.Process().create_time())
    except (ImportError, OSError):
        return time.time()
