"""Seconds by stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.inspection.bands import ArraySource
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.stopwatch import STAGES, Stopwatch, TimedRuntime, TimedSource

from .toy_networks import Identity, dark_bundle


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_of_stages_inside_stages_the_innermost_runs() -> None:
    hands = Hands()
    watch = Stopwatch(hands)
    hands.now += 100  # before anything is timed
    with watch.stage("outer"):
        hands.now += 1
        with watch.stage("inner"):
            hands.now += 2
        hands.now += 4
        with watch.stage("inner"):
            hands.now += 8
    hands.now += 100
    assert watch.take() == {"outer": 5, "inner": 10}
    assert watch.take() == {}, "begins anew"


def test_a_stage_that_raises_is_timed_and_ends() -> None:
    hands = Hands()
    watch = Stopwatch(hands)
    with pytest.raises(ValueError, match="wrong"), watch.stage("a"):
        hands.now += 3
        raise ValueError("wrong")
    with watch.stage("b"):
        hands.now += 1
    assert watch.take() == {"a": 3, "b": 1}


def test_what_is_timed_answers_as_before() -> None:
    watch = Stopwatch()
    pixels = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    source = TimedSource(ArraySource(pixels), watch)
    assert source.size_hw == (5, 4) and (source.read(1, 3) == pixels[1:3]).all()
    network = TimedRuntime(Identity(), watch)
    batch = np.ones((1, 3, 8, 8), np.float32)
    assert (network.run(batch) == batch[:, :1]).all() and (network.name, network.threads) == ("identity", 1)
    assert set(watch.take()) == {"read", "network"}


def test_an_inspection_passes_its_stages(tmp_path: Path) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "dark"))
    inspector.inspect(np.zeros((64, 64, 3), np.uint8))
    seconds = inspector.stopwatch.take()
    assert set(seconds) == {"read", "prepare", "network", "measure"} and set(seconds) < set(STAGES)
    assert all(value >= 0 for value in seconds.values())
