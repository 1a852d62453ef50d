"""The loop: it learns, it can be stopped at any point, and it goes on as if it had not been."""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flawscope.errors import ConfigError, TrainingError
from flawscope.inspection.options import PredictOptions
from flawscope.training.budget import Clock
from flawscope.training.checkpoint import load_progress, load_weights
from flawscope.training.loop import BEST, LAST, fit, steps_per_epoch
from flawscope.training.losses import build_loss
from flawscope.training.progress import Silent
from flawscope.training.session import resolve_threads
from flawscope.training.validate import Validator

from .small import CRACK, make_job, samples, settings, weights_equal


class StopAt(Silent):
    """Calls ``act`` after a step."""

    def __init__(self, step: int, act: Any) -> None:
        self._at, self._act = step, act

    def step(self, step: int, total: int, crops: int, loss: float, lr: float) -> None:
        if step == self._at:
            self._act()


def _figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_it_learns_and_writes_history_and_checkpoints(tmp_path: Path) -> None:
    progress = fit(make_job(tmp_path, settings(train={"steps": 40})))
    assert progress.finished and progress.step == 40 and not progress.stopped
    assert progress.history[-1]["train_loss"] < 0.7 * progress.history[0]["train_loss"]
    assert progress.history[-1]["val_f1_tol2"] > 0.5
    rows = list(csv.DictReader((tmp_path / "history.csv").open(encoding="utf-8")))
    assert [int(row["epoch"]) for row in rows] == list(range(10))
    assert rows[-1]["step"] == "40"
    for name in (LAST, BEST):
        assert (tmp_path / name).is_file() and (tmp_path / name).with_suffix(".json").is_file()


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit(make_job(tmp_path / name))
    other = make_job(tmp_path / "c", settings(train={"seed": 1}))
    fit(other)
    a, b, c = (load_weights(tmp_path / name / LAST) for name in "abc")
    assert weights_equal(a, b)
    assert not weights_equal(a, c)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("at", [2, 4, 5, 7])
def test_an_interrupted_run_goes_on_as_if_unbroken(tmp_path: Path, at: int, workers: int) -> None:
    config = settings(
        model={"options": {"widths": [4, 8], "dropout": 0.2}}, train={"accumulate": 2, "batch": 2}
    )
    whole = fit(make_job(tmp_path / "whole", config))
    stop = StopAt(at, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background
    with pytest.raises(TrainingError, match=f"Interrupted after step {at} of 8"):
        fit(make_job(tmp_path / "broken", config, reporter=stop, workers=workers))
    assert load_progress(tmp_path / "broken" / LAST).step == at
    assert signal.getsignal(signal.SIGINT) is before
    torch.manual_seed(12345)
    again = fit(make_job(tmp_path / "broken", config, workers=workers), resume=True)
    for section in ("network", "ema", "optimiser"):
        a, b = (load_weights(tmp_path / name / LAST, section) for name in ("whole", "broken"))
        assert weights_equal(a, b)
    assert _figures(whole.history) == _figures(again.history)
    best = [load_weights(tmp_path / name / BEST) for name in ("whole", "broken")]
    assert weights_equal(*best)


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    first = fit(make_job(tmp_path))
    again = fit(make_job(tmp_path), resume=True)
    assert again.step == first.step and again.history == first.history


def test_the_length_decides_the_schedule_not_the_epochs(tmp_path: Path) -> None:
    job = make_job(tmp_path, settings(train={"steps": 6}))
    assert steps_per_epoch(job) == 4
    progress = fit(job)
    assert progress.step == 6 and [row["step"] for row in progress.history] == [4, 6]
    assert job.session.schedule.total_steps == 6
    assert progress.history[-1]["lr"] < 0.01 * 0.01, "one-cycle lands at its end"


def test_a_step_too_small_to_be_normalised_is_told(tmp_path: Path) -> None:
    # Ten crops, three a step: the last one is alone, and its coarsest grid has one pixel.
    config = settings(data={"crop_px": 2})
    with pytest.raises(ConfigError, match=r"(?s)1 of 2 x 2 px .*train\.drop_last"):
        fit(make_job(tmp_path, config))
    config = settings(data={"crop_px": 2}, train={"drop_last": True})
    assert fit(make_job(tmp_path / "dropped", config)).finished


def test_nan_names_the_step_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    job = make_job(tmp_path)

    def poison() -> None:
        with torch.no_grad():
            next(job.session.network.parameters()).fill_(float("nan"))

    job.reporter = StopAt(5, poison)
    with pytest.raises(TrainingError, match=r"nan at step 6 of 8") as caught:
        fit(job)
    assert str(tmp_path / LAST) in str(caught.value)
    assert load_progress(tmp_path / LAST).step == 4
    assert all(bool(v.isfinite().all()) for v in load_weights(tmp_path / LAST).values())


def test_weights_that_the_last_step_of_an_epoch_broke_are_not_kept(tmp_path: Path) -> None:
    """The loss of that step was taken before, so that it tells nothing."""
    job = make_job(tmp_path)

    def poison() -> None:
        with torch.no_grad():
            next(job.session.network.parameters()).fill_(float("inf"))

    job.reporter = StopAt(8, poison)
    with pytest.raises(TrainingError, match="weights became no numbers at step 8 of 8") as caught:
        fit(job)
    assert str(tmp_path / LAST) in str(caught.value)
    assert load_progress(tmp_path / LAST).step == 4
    for name in (LAST, BEST):
        assert all(bool(v.isfinite().all()) for v in load_weights(tmp_path / name).values())


class Figures(Validator):
    """Tells the figures that it is given, in turn."""

    rows: list[dict[str, float]]

    def __call__(self, *_: Any, **__: Any) -> dict[str, float]:
        return self.rows.pop(0)


def _telling(config: Any, rows: list[dict[str, float]]) -> Figures:
    told = Figures(samples(2, 90), config.input, CRACK, build_loss(config.loss), PredictOptions())
    told.rows = rows
    return told


def test_a_validation_loss_that_is_no_number_stops_before_the_checkpoint(tmp_path: Path) -> None:
    config = settings()
    rows = [{"val_loss": 1.0, "val_f1_tol2": 0.1}, {"val_loss": float("nan"), "val_f1_tol2": 0.9}]
    with pytest.raises(TrainingError, match="validation loss became nan at step 8 of 8"):
        fit(make_job(tmp_path, config, validator=_telling(config, rows)))
    assert load_progress(tmp_path / LAST).step == 4


@pytest.mark.parametrize(("mode", "factor"), [("min", 1.0), ("max", 0.5)])
def test_a_plateau_watches_the_loss_or_the_figure_that_rises(
    mode: str, factor: float, tmp_path: Path
) -> None:
    options = {"mode": mode, "patience": 1, "factor": 0.5}
    config = settings(schedule={"name": "plateau", "options": options})
    rows = [{"val_loss": 1.0 / k, "val_f1_tol2": 0.5} for k in (1, 2)]
    job = make_job(tmp_path, config, validator=_telling(config, rows))
    fit(job)
    assert job.session.schedule.factor(0) == factor


def test_nan_before_any_checkpoint(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    with torch.no_grad():
        next(job.session.network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="No checkpoint was written yet"):
        fit(job)


def test_early_stopping(tmp_path: Path) -> None:
    config = settings(
        optimiser={"lr": 1e-9},
        train={"steps": 100, "ema_decay": 0, "early_stopping": {"patience": 2, "min_delta": 0.5}},
    )
    progress = fit(make_job(tmp_path, config))
    assert "early stopping at step 12 of 100" in progress.stopped
    assert progress.best_epoch == 0 and not progress.finished
    assert fit(make_job(tmp_path, config), resume=True).step == 12, "a stopped run is not taken up again"


def test_where_no_image_shows_a_class_the_last_weights_are_kept(tmp_path: Path) -> None:
    config = settings(train={"early_stopping": {"patience": 1}})
    clean = [replace(one, read_mask=lambda: np.zeros((48, 64), np.uint8)) for one in samples(2, 90)]
    validator = Validator(clean, config.input, CRACK, build_loss(config.loss), PredictOptions())
    progress = fit(make_job(tmp_path, config, validator=validator))
    assert progress.finished and len(progress.history) > 1
    assert progress.best_epoch == progress.history[-1]["epoch"]


def test_the_guard_stops_cleanly_and_says_so(tmp_path: Path) -> None:
    clock = Clock(time.time() - 119, 1.0)
    progress = fit(make_job(tmp_path, clock=clock))
    assert progress.step == 1
    assert "time guard at step 1 of 8" in progress.stopped
    assert "val_loss" in progress.history[-1], "what there is gets validated"


@pytest.mark.parametrize("paced", [True, False])
def test_a_slower_machine_brings_the_end_of_a_paced_run_nearer(tmp_path: Path, paced: bool) -> None:
    class Slow(Clock):
        """Three seconds an epoch of four steps; the budget was laid out for one."""

        def elapsed_s(self) -> float:
            return 3.0 * len(epochs)

    epochs: list[int] = []
    config = settings(train={"steps": 240})
    job = make_job(tmp_path, config, clock=Slow(time.time(), 1.0), before_epoch=epochs.append, paced=paced)
    progress = fit(job)
    if not paced:
        assert "time guard" in progress.stopped and job.total_steps == 240
        return
    assert progress.finished and not progress.stopped
    assert 70 <= progress.step <= 84, "20 epochs fit into a minute"
    assert progress.history[-1]["lr"] < 0.01 * 0.01, "one-cycle lands at its end"


def test_the_guard_is_silent_after_the_last_step(tmp_path: Path) -> None:
    progress = fit(make_job(tmp_path, settings(train={"steps": 1}), clock=Clock(time.time() - 119, 1.0)))
    assert progress.finished and not progress.stopped


def test_validation_every_other_epoch_and_at_the_end(tmp_path: Path) -> None:
    progress = fit(make_job(tmp_path, settings(train={"steps": 12, "validate_every": 2})))
    assert ["val_loss" in row for row in progress.history] == [False, True, True]


def test_without_validation_the_last_weights_stay(tmp_path: Path) -> None:
    progress = fit(make_job(tmp_path, validator=None))
    assert progress.best_epoch == -1 and not (tmp_path / BEST).exists()


@pytest.mark.parametrize("monitor", ["f1_tol2", "f1", "loss"])
def test_the_best_checkpoint_is_the_best_row(tmp_path: Path, monitor: str) -> None:
    progress = fit(make_job(tmp_path, settings(train={"steps": 16, "monitor": monitor})))
    values = [row[f"val_{monitor}"] for row in progress.history]
    assert progress.best_value == (min(values) if monitor == "loss" else max(values))
    assert values[progress.best_epoch] == progress.best_value


def test_synthetic_renewal_is_told_of_every_epoch(tmp_path: Path) -> None:
    seen: list[int] = []
    fit(make_job(tmp_path, before_epoch=seen.append))
    assert seen == [0, 1]


def test_accumulated_batches_weigh_every_crop_alike(tmp_path: Path) -> None:
    # Without batch statistics, 2 batches of 3 are one batch of 6.
    plain = {"options": {"widths": [4, 8], "norm": "none"}}
    one = {"loss": [{"name": "bce"}]}
    results = []
    for name, batch, accumulate in (("a", 6, 1), ("b", 3, 2)):
        config = settings(model=plain, train={"batch": batch, "accumulate": accumulate, "steps": 2})
        config = config.model_copy(update={"loss": config.loss[:1]})
        fit(make_job(tmp_path / name, config))
        results.append(load_weights(tmp_path / name / LAST))
    assert one and all(torch.allclose(results[0][k], results[1][k], atol=1e-5) for k in results[0])


def test_deep_supervision_and_clipping(tmp_path: Path) -> None:
    config = settings(
        model={"options": {"widths": [4, 8, 8], "deep_supervision": True}},
        input={"stride_multiple": 4},
        train={"steps": 2, "grad_clip": 0.1},
    )
    assert fit(make_job(tmp_path, config)).finished


def test_softmax_head(tmp_path: Path) -> None:
    config = settings(input={"activation": "softmax"}, train={"steps": 2})
    terms: list[Mapping[str, Any]] = [{"name": "cross_entropy"}, {"name": "dice"}]
    config = type(config).model_validate({**config.model_dump(), "loss": terms})
    assert fit(make_job(tmp_path, config)).finished


def test_bf16_on_the_cpu(tmp_path: Path) -> None:
    assert fit(make_job(tmp_path, settings(train={"steps": 2, "precision": "bf16"}))).finished


def test_threads_and_workers_fill_the_machine_once() -> None:
    threads, workers = resolve_threads(settings(train={"threads": 3, "workers": 2}))
    assert (threads, workers) == (3, 2)
    threads, workers = resolve_threads(settings())
    assert threads >= 1 and workers >= 0
