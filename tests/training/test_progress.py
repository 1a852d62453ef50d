"""Lines and bars with rate and time left."""

from __future__ import annotations

import logging

import pytest

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
