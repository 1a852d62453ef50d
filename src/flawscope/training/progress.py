"""What a run tells while it works: lines for logs, or a bar with rate and time left on a terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

_LOG = logging.getLogger("flawscope.training")


class Reporter(Protocol):
    """Listens to a run."""

    def say(self, text: str) -> None:
        """Tell one line."""
        ...

    def step(self, step: int, total: int, crops: int, loss: float, lr: float) -> None:
        """Report an optimiser step (counted from 1) that used ``crops`` crops."""
        ...

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Report a row of the history."""
        ...

    def close(self) -> None:
        """End."""
        ...


class LogReporter:
    """Plain lines through ``logging``: every ``every`` steps and every epoch."""

    def __init__(self, every: int = 20) -> None:
        self._every = every
        self._last = time.monotonic()
        self._crops = 0
        self._first_step = self._at = 0
        self._began = self._last

    def say(self, text: str) -> None:
        """Tell one line."""
        _LOG.info("%s", text)

    def step(self, step: int, total: int, crops: int, loss: float, lr: float) -> None:
        """Tell a line at every ``every``-th step, with rate and time left."""
        now = time.monotonic()
        if step <= self._at or not self._at:  # the first step, or that of the next fold
            # Its own time holds all that went before: rates begin after it.
            self._first_step, self._began, self._last, self._crops = step, now, now, -crops
        self._at = step
        self._crops += crops
        if step % self._every and step != total:
            return
        rate = self._crops / max(now - self._last, 1e-9)
        left_s = (now - self._began) / max(step - self._first_step, 1) * (total - step)
        _LOG.info(
            "step %d/%d  loss %.4f  lr %.2e  %.1f crops/s  %s left",
            step,
            total,
            loss,
            lr,
            rate,
            clock(left_s),
        )
        self._last, self._crops = now, 0

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tell the figures of an epoch."""
        _LOG.info("epoch %s: %s", row.get("epoch"), describe(row))
        self._last, self._crops = time.monotonic(), 0  # validation is no training

    def close(self) -> None:
        """Nothing to end."""


class BarReporter:
    """A bar with rate and time left (rich), and a line above it for each epoch."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            transient=True,
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._crops = self._at = 0
        self._began = 0.0

    def say(self, text: str) -> None:
        """Tell one line above the bar."""
        self._bar.console.print(text, highlight=False, markup=False)

    def step(self, step: int, total: int, crops: int, loss: float, lr: float) -> None:
        """Move the bar."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=total, completed=step - 1, note="")
            self._began = time.monotonic()
        elif step <= self._at:  # the first step of the next fold
            self._bar.reset(self._task, total=total, completed=step - 1)
            self._crops, self._began = 0, time.monotonic()
        self._at = step
        self._crops += crops
        rate = self._crops / max(time.monotonic() - self._began, 1e-9)
        self._bar.update(self._task, completed=step, note=f"loss {loss:.4f}  lr {lr:.1e}  {rate:.1f} crops/s")

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tell the figures of an epoch above the bar."""
        self.say(f"epoch {row.get('epoch')}: {describe(row)}")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class Silent:
    """Tells nothing: for processes other than the first, and for tests."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    def step(self, step: int, total: int, crops: int, loss: float, lr: float) -> None:
        """Tell nothing."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Nothing to end."""


def clock(seconds: float) -> str:
    """Return ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def describe(row: Mapping[str, Any]) -> str:
    """Return the figures of a history row as ``name value`` pairs."""
    shown = {k: v for k, v in row.items() if isinstance(v, float) and k not in ("seconds", "lr")}
    return "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
