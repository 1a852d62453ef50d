"""Lines and bars with rate and time left."""

from __future__ import annotations

import logging

import pytest

from flawscope.training import progress
from flawscope.training.progress import BarReporter, LogReporter, clock, describe


def test_lines_come_every_few_steps(caplog: pytest.LogCaptureFixture) -> None:
    reporter = LogReporter(every=2)
    with caplog.at_level(logging.INFO, "flawscope.training"):
        reporter.say("hello")
        for step in range(1, 6):
            reporter.step(step, 5, 8, 0.5, 1e-3)
        reporter.epoch({"epoch": 0, "train_loss": 0.25, "lr": 1.0, "seconds": 3.0})
        reporter.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "hello"
    assert [line.split()[1] for line in lines[1:4]] == ["2/5", "4/5", "5/5"]
    assert "crops/s" in lines[1] and "left" in lines[1]
    assert lines[-1] == "epoch 0: train_loss 0.2500"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_rates_leave_out_validation_and_begin_anew_with_each_fold(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    reporter = LogReporter(every=2)
    with caplog.at_level(logging.INFO, "flawscope.training"):
        for _ in range(2):
            clock.now += 500  # preparing, or the end of the fold before
            for step in range(1, 7):
                reporter.step(step, 6, 8, 0.5, 1e-3)
                clock.now += 2
            clock.now += 60
            reporter.epoch({"epoch": 0})
    lines = [line for line in caplog.messages if line.startswith("step")]
    assert len(lines) == 6
    assert all("  4.0 crops/s" in line for line in lines), lines
    assert [line.rpartition("  ")[2] for line in lines[:3]] == ["0:08 left", "0:04 left", "0:00 left"]
    assert lines[3:] == lines[:3]


def test_the_bar_begins_anew_with_each_fold() -> None:
    reporter = BarReporter()
    for total in (3, 5):
        for step in range(1, total + 1):
            reporter.step(step, total, 8, 0.5, 1e-3)
        assert (reporter._bar.tasks[0].completed, reporter._bar.tasks[0].total) == (total, total)
    reporter.close()


def test_the_bar_starts_and_stops(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = BarReporter()
    reporter.say("a note")
    reporter.step(1, 3, 8, 0.5, 1e-3)
    reporter.step(2, 3, 8, 0.4, 1e-3)
    reporter.epoch({"epoch": 0, "train_loss": 0.25})
    reporter.close()
    assert "a note" in capsys.readouterr().err


def test_times_and_figures_in_words() -> None:
    assert clock(59.6) == "1:00"
    assert clock(3723) == "1:02:03"
    assert describe({"epoch": 1, "val_f1": 0.5, "seconds": 2.0}) == "val_f1 0.5000"
