"""Learning-rate schedules as functions of the step: hardly anything to restore when a run resumes.

A schedule gives a factor; the learning rate is the configured (highest) rate times that factor. The plateau
has a state, and so has a schedule whose end was moved: a few numbers that go into the checkpoint's JSON.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, Literal

from flawscope.errors import ConfigError


def constant(_step: float, _total: int) -> float:
    """Always 1."""
    return 1.0


def cosine(step: float, total: int, *, final: float = 0.0) -> float:
    """Half a cosine from 1 at step 0 to ``final`` at the last step (Loshchilov and Hutter 2017)."""
    progress = min(step / max(total - 1, 1), 1.0)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def onecycle(
    step: float, total: int, *, rise: float = 0.3, start: float = 0.04, final: float = 1e-4
) -> float:
    """Half a cosine from ``start`` up to 1 within the share ``rise`` of the steps, then down to ``final``.

    Smith and Topin 2018. ``start`` and ``final`` are shares of the highest rate.
    """
    top = rise * (total - 1)
    if step <= top:
        return start + (1.0 - start) * 0.5 * (1.0 - math.cos(math.pi * step / top)) if top > 0 else 1.0
    progress = min((step - top) / max(total - 1 - top, 1e-9), 1.0)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "cosine": cosine,
    "onecycle": onecycle,
    "plateau": constant,
}
"""Every schedule by name: (step, total steps, **options) -> factor. The plateau adds its own state."""


class Plateau:
    """Lowers the rate when a figure has stopped improving, as Keras does (absolute ``min_delta``)."""

    def __init__(
        self,
        factor: float = 0.5,
        patience: int = 10,
        min_factor: float = 0.0,
        mode: Literal["min", "max"] = "min",
        min_delta: float = 1e-4,
    ) -> None:
        if not 0.0 < factor < 1.0 or patience < 0 or mode not in ("min", "max"):
            raise ConfigError(
                "plateau: expected factor between 0 and 1, patience of 0 or more, mode min or max; "
                f"found {factor}, {patience}, {mode!r}."
            )
        self.mode = mode
        """``max``: it waits for a larger figure."""
        self._factor, self._patience, self._min = factor, patience, min_factor
        self._sign, self._min_delta = (1.0 if mode == "min" else -1.0), min_delta
        self.best, self.waited, self.value = math.inf, 0, 1.0

    def observe(self, figure: float) -> None:
        """Takes the figure of one epoch; NaN counts as no improvement."""
        signed = self._sign * figure
        if signed < self.best - self._min_delta:
            self.best, self.waited = signed, 0
            return
        self.waited += 1
        if self.waited >= self._patience:
            self.value, self.waited = max(self.value * self._factor, self._min), 0

    def state_dict(self) -> dict[str, float]:
        """Three plain numbers (an infinite best is left out: JSON has none)."""
        best = {} if math.isinf(self.best) else {"best": self.best}
        return {**best, "waited": self.waited, "value": self.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where ``state_dict`` left off."""
        self.best = float(state.get("best", math.inf))
        self.waited, self.value = int(state["waited"]), float(state["value"])


class Schedule:
    """Warm-up, a schedule by name, and the plateau's state where there is one."""

    def __init__(
        self, name: str, total_steps: int, *, warmup_steps: int = 0, lr: float = 1.0, **options: Any
    ) -> None:
        if name not in SCHEDULES:
            raise ConfigError(f"unknown schedule {name!r}; expected one of {', '.join(SCHEDULES)}.")
        if total_steps < 1 or warmup_steps < 0:
            raise ConfigError(f"schedule {name}: expected 1 step or more, found {total_steps}.")
        self.name, self.total_steps, self.warmup_steps = name, total_steps, warmup_steps
        self.end_step = total_steps
        """Steps of the run; another number than ``total_steps`` once the end was moved."""
        self._turn = (0, 0.0)
        self.plateau: Plateau | None = None
        if name == "plateau":
            _check_options(name, options, {"factor", "patience", "min_lr", "mode", "min_delta"})
            min_lr = float(options.pop("min_lr", 0.0))
            self.plateau = Plateau(min_factor=min_lr / lr, **options)
            options = {}
        known = inspect.signature(SCHEDULES[name]).parameters.values()
        _check_options(name, options, {one.name for one in known if one.kind is one.KEYWORD_ONLY})
        self._options = options

    def factor(self, step: int) -> float:
        """Factor of the learning rate at ``step`` (0-based); the warm-up rises linearly to the schedule."""
        place = self.place(step)
        if place < self.warmup_steps:
            return (place + 1) / (self.warmup_steps + 1) * self._at(0)
        return self._at(place - self.warmup_steps)

    def place(self, step: int) -> float:
        """Where ``step`` lies on the schedule as it was laid out, 0 to ``total_steps - 1``."""
        if self.end_step == self.total_steps and self._turn == (0, 0.0):
            return step
        turn_step, turn_place = self._turn
        share = (step - turn_step) / max(self.end_step - 1 - turn_step, 1)
        return turn_place + share * (self.total_steps - 1 - turn_place)

    def move_end(self, step: int, end_step: int) -> None:
        """Spread what is left of the schedule at ``step`` over the steps up to ``end_step``, without a jump.

        Raises ValueError for an end that is already past.
        """
        if end_step <= step:
            raise ValueError(f"expected an end after step {step}, found {end_step}")
        self._turn, self.end_step = (step, self.place(step)), end_step

    def _at(self, step: float) -> float:
        factor = SCHEDULES[self.name](step, max(self.total_steps - self.warmup_steps, 1), **self._options)
        return factor * (self.plateau.value if self.plateau else 1.0)

    def observe(self, figure: float) -> None:
        """Tells the plateau the figure of an epoch; the others do not listen."""
        if self.plateau:
            self.plateau.observe(figure)

    def state_dict(self) -> dict[str, float]:
        """What JSON must keep; empty but for the plateau and a moved end."""
        state = self.plateau.state_dict() if self.plateau else {}
        if self._turn != (0, 0.0) or self.end_step != self.total_steps:
            state |= {"turn_step": self._turn[0], "turn_place": self._turn[1], "end_step": self.end_step}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where ``state_dict`` left off."""
        if self.plateau and state:
            self.plateau.load_state_dict(state)
        if "end_step" in state:
            self._turn = (int(state["turn_step"]), float(state["turn_place"]))
            self.end_step = int(state["end_step"])


def _check_options(name: str, options: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(options.keys() - known)
    if unknown:
        expected = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"schedule {name} has no option {unknown[0]!r}; it has {expected}.")
