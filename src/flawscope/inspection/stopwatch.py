"""Where the time of an inspection goes: seconds by stage, the inner stage of two counting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flawscope.inspection.bands import RowSource
from flawscope.inspection.runtimes import Runtime
from flawscope.types import FloatArray, RgbImage

STAGES: dict[str, str] = {
    "read": "open the photograph and decode its rows",
    "gate": "the gate's look at the whole photograph",
    "prepare": "resize, tile, normalise, stitch, threshold",
    "network": "the network itself",
    "measure": "components, centrelines, lengths, widths",
    "write": "masks, overlays, tables, report",
}
"""Each stage and what it holds, in the order in which a photograph meets them."""


class Stopwatch:
    """Adds up seconds by stage. Of stages inside stages only the innermost runs."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside, also where it raises."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def take(self) -> dict[str, float]:
        """Seconds by stage since the last call; begins anew."""
        taken, self._seconds = self._seconds, {}
        return taken

    def _turn(self) -> None:
        now = self._clock()
        if self._open:
            name = self._open[-1]
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._since
        self._since = now


class TimedRuntime:
    """A runtime whose runs count as ``network``."""

    def __init__(self, runtime: Runtime, stopwatch: Stopwatch) -> None:
        self.name, self.threads = runtime.name, runtime.threads
        self._runtime, self._stopwatch = runtime, stopwatch

    def run(self, batch: FloatArray) -> FloatArray:
        """As the runtime's own."""
        with self._stopwatch.stage("network"):
            return self._runtime.run(batch)


class TimedSource:
    """A picture whose reading counts as ``read``."""

    def __init__(self, source: RowSource, stopwatch: Stopwatch) -> None:
        self._source, self._stopwatch = source, stopwatch

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, upright."""
        return self._source.size_hw

    def read(self, y0: int, y1: int) -> RgbImage:
        """As the picture's own."""
        with self._stopwatch.stage("read"):
            return self._source.read(y0, y1)
