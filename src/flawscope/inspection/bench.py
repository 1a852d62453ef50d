"""Times of an inspection on this machine: each stage, what a gate saves, and whether limits are kept.

Whole inspections are run, files and all, into a folder that is thrown away; a first round warms up and does
not count. Rounds with and without a gate take turns, so that a machine that slows down hits both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flawscope.errors import DataError, UsageError
from flawscope.inspection.ensemble import BundleLike
from flawscope.inspection.gate import without_gate
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.outputs import DEFAULT_FORMATS
from flawscope.inspection.run import RunResult, RunSettings, inspect_folder
from flawscope.inspection.stopwatch import STAGES

OTHER = "other"
TOTAL = "total"
LOAD = "load"
LIMITED = (*STAGES, OTHER, TOTAL, LOAD)
"""What a limit may be set for."""

MakeInspector = Callable[[Sequence[BundleLike]], Inspector]
"""Makes the inspector of bundles; called again for the same bundles without their gates."""


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What to time."""

    inputs: tuple[Path, ...]
    formats: tuple[str, ...] = DEFAULT_FORMATS
    repeats: int = 3
    """Rounds that count."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Stage, ``total`` or ``load`` -> most milliseconds (an image; ``load``: once)."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """Milliseconds an image over the rounds."""

    median_ms: float
    low_ms: float
    high_ms: float
    share: float
    """Of the total, 0..1."""


@dataclass(frozen=True, slots=True)
class GateSaving:
    """What the gate spares, and what that saves."""

    threshold: float
    images: int
    spared: int
    with_ms: float
    without_ms: float
    time_saved: float
    """1 - with / without; below 0 where the gate costs more than it saves."""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What was measured."""

    images: int
    failed: tuple[tuple[str, str], ...]
    """Images that could not be inspected, and why."""
    megapixels: float
    """Mean of an image."""
    repeats: int
    runtime: str
    threads: int
    load_ms: float
    stages: dict[str, StageTime]
    total: StageTime
    gate: GateSaving | None
    limits: dict[str, float]

    def found_ms(self, name: str) -> float:
        """What a limit of that name is compared with; a stage that did not run took nothing."""
        if name == LOAD:
            return self.load_ms
        row = self.total if name == TOTAL else self.stages.get(name)
        return 0.0 if row is None else row.median_ms

    @property
    def exceeded(self) -> tuple[str, ...]:
        """Names of the limits that were not kept."""
        return tuple(name for name, most in self.limits.items() if self.found_ms(name) > most)

    @property
    def exit_code(self) -> int:
        """0 all kept, 1 some images failed, 3 a limit was not kept."""
        if self.exceeded:
            return 3
        return 1 if self.failed else 0

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        content = asdict(self)
        content["failed"] = [{"image": image, "error": error} for image, error in self.failed]
        return {"schema": 1, **content, "exceeded": list(self.exceeded)}


def bench(bundles: Sequence[BundleLike], make: MakeInspector, settings: BenchSettings) -> BenchResult:
    """Time inspections of ``settings.inputs``.

    Raises UsageError for wrong settings, DataError where no image can be inspected, else as `inspect_folder`.
    """
    _check(settings)
    begin = time.perf_counter()
    inspector = make(bundles)
    load_ms = 1000 * (time.perf_counter() - begin)
    gated = inspector.gate_threshold is not None and not inspector.two_step
    plain = make([without_gate(bundle) for bundle in inspector.bundles]) if gated else None
    rounds: list[dict[str, float]] = []
    bare: list[float] = []
    result: RunResult | None = None
    for number in range(settings.repeats + 1):
        result, seconds = _round(inspector, settings)
        without = _round(plain, settings)[1][TOTAL] if plain is not None else 0.0
        if number:  # the first warms up
            rounds.append(seconds)
            bare.append(without)
    assert result is not None
    done = [item for item in result.inspections if item.status == "ok"]
    total = _time([one[TOTAL] for one in rounds])
    stages = {
        name: _time([one.get(name, 0.0) for one in rounds], total)
        for name in (*STAGES, OTHER)
        if any(name in one for one in rounds)
    }
    saving = None
    if plain is not None:
        without_ms = statistics.median(bare)
        saving = GateSaving(
            threshold=float(inspector.gate_threshold or 0.0),
            images=len(done),
            spared=sum(item.spared for item in done),
            with_ms=total.median_ms,
            without_ms=without_ms,
            time_saved=1.0 - total.median_ms / without_ms,
        )
    return BenchResult(
        images=len(result.inspections),
        failed=tuple((item.image, item.error or "") for item in result.failed),
        megapixels=statistics.mean(item.size_hw[0] * item.size_hw[1] / 1e6 for item in done),
        repeats=settings.repeats,
        runtime=inspector.runtime_name,
        threads=inspector.threads,
        load_ms=load_ms,
        stages=stages,
        total=total,
        gate=saving,
        limits=dict(settings.limits),
    )


def _round(inspector: Inspector, settings: BenchSettings) -> tuple[RunResult, dict[str, float]]:
    """One inspection of all images, and milliseconds an image by stage."""
    inspector.stopwatch.take()
    with tempfile.TemporaryDirectory(prefix="flawscope-bench-") as folder:
        begin = time.perf_counter()
        run = RunSettings(settings.inputs, Path(folder) / "out", settings.formats)
        result = inspect_folder(inspector, run)
        whole_s = time.perf_counter() - begin  # with the tables and the report of the run
    count = len(result.inspections)
    if len(result.failed) == count:
        first = result.failed[0]
        raise DataError(f"None of the {count} images can be inspected; the first: {first.error}")
    seconds = inspector.stopwatch.take()
    seconds[OTHER] = max(0.0, whole_s - sum(seconds.values()))
    seconds[TOTAL] = whole_s
    return result, {name: 1000 * value / count for name, value in seconds.items()}


def _time(values: Sequence[float], total: StageTime | None = None) -> StageTime:
    median = statistics.median(values)
    share = median / total.median_ms if total is not None and total.median_ms > 0 else 1.0
    return StageTime(median, min(values), max(values), share)


def _check(settings: BenchSettings) -> None:
    if settings.repeats < 1:
        raise UsageError(f"--repeats is {settings.repeats}; expected 1 or more.")
    for name, most in settings.limits.items():
        if name not in LIMITED:
            raise UsageError(f"--limit: there is no stage {name!r}.\nExpected one of: {', '.join(LIMITED)}.")
        if not most > 0:
            raise UsageError(f"--limit {name}={most:g}: expected milliseconds above 0.")
