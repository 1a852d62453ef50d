from __future__ import annotations

import json

import pytest

from flawscope.errors import ConfigError
from flawscope.training.schedules import Plateau, Schedule, cosine, onecycle


def test_cosine_lands_at_its_end() -> None:
    assert cosine(0, 101) == 1.0
    assert cosine(50, 101) == pytest.approx(0.5)
    assert cosine(100, 101) == pytest.approx(0.0, abs=1e-12)
    assert cosine(100, 101, final=0.1) == pytest.approx(0.1)


def test_onecycle_rises_to_one_and_lands_at_its_end() -> None:
    factors = [onecycle(step, 101, rise=0.3, start=0.04, final=1e-3) for step in range(101)]
    assert factors[0] == pytest.approx(0.04)
    assert factors[30] == max(factors) == 1.0
    assert factors[100] == pytest.approx(1e-3)
    assert factors[:31] == sorted(factors[:31])
    assert factors[30:] == sorted(factors[30:], reverse=True)


@pytest.mark.parametrize("name", ["constant", "cosine", "onecycle", "plateau"])
@pytest.mark.parametrize("total", [1, 2, 7])
def test_factors_of_short_runs_lie_between_zero_and_one(name: str, total: int) -> None:
    schedule = Schedule(name, total, warmup_steps=1)
    assert all(0.0 <= schedule.factor(step) <= 1.0 for step in range(total + 3))


def test_warm_up_climbs_evenly_to_the_schedule() -> None:
    schedule = Schedule("cosine", 14, warmup_steps=3)
    assert [schedule.factor(step) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert schedule.factor(13) == pytest.approx(0.0, abs=1e-12)


def test_plateau_waits_then_halves_and_stops_at_its_floor() -> None:
    schedule = Schedule("plateau", 100, lr=1e-3, factor=0.5, patience=2, min_lr=2e-4)
    for figure, expected in [
        (1.0, 1.0), (0.9, 1.0), (0.95, 1.0), (float("nan"), 0.5), (0.8, 0.5),
        (0.8, 0.5), (0.8, 0.25), (0.8, 0.25), (0.8, 0.2), (0.8, 0.2), (0.8, 0.2),
    ]:  # fmt: skip
        schedule.observe(figure)
        assert schedule.factor(0) == pytest.approx(expected)


def test_plateau_resumes_from_json() -> None:
    figures = [1.0, 0.9, 0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7]
    whole = Plateau(patience=2)
    for figure in figures:
        whole.observe(figure)
    for cut in range(len(figures)):
        first, second = Plateau(patience=2), Plateau(patience=2)
        for figure in figures[:cut]:
            first.observe(figure)
        second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
        for figure in figures[cut:]:
            second.observe(figure)
        assert second.state_dict() == whole.state_dict()


def test_plateau_of_a_score_waits_for_it_to_rise() -> None:
    plateau = Plateau(patience=1, mode="max")
    plateau.observe(0.5)
    plateau.observe(0.6)
    assert plateau.value == 1.0
    plateau.observe(0.6)
    assert plateau.value == 0.5


def test_others_have_no_state() -> None:
    schedule = Schedule("cosine", 10)
    schedule.observe(0.3)
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})


def test_wrong_choices_are_named() -> None:
    with pytest.raises(ConfigError, match="linear"):
        Schedule("linear", 10)
    with pytest.raises(ConfigError, match="rise"):
        Schedule("cosine", 10, rise=0.2)
    with pytest.raises(ConfigError, match="min_factor"):
        Schedule("plateau", 10, min_factor=0.2)
    with pytest.raises(ConfigError, match="factor between"):
        Schedule("plateau", 10, factor=2.0)
    with pytest.raises(ConfigError, match="1 step"):
        Schedule("cosine", 0)


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
@pytest.mark.parametrize("end_step", [45, 100, 330])
def test_a_moved_end_neither_jumps_nor_stops_short(name: str, end_step: int) -> None:
    laid_out, moved = Schedule(name, 100, warmup_steps=5), Schedule(name, 100, warmup_steps=5)
    moved.move_end(40, end_step)
    assert moved.factor(40) == pytest.approx(laid_out.factor(40))
    assert moved.factor(end_step - 1) == pytest.approx(laid_out.factor(99))
    factors = [moved.factor(step) for step in range(40, end_step)]
    assert factors == sorted(factors, reverse=True)


def test_a_moved_end_survives_json() -> None:
    moved, resumed = Schedule("onecycle", 50), Schedule("onecycle", 50)
    moved.move_end(10, 80)
    moved.move_end(30, 64)
    resumed.load_state_dict(json.loads(json.dumps(moved.state_dict())))
    assert resumed.end_step == 64
    assert [resumed.factor(step) for step in range(30, 64)] == [moved.factor(step) for step in range(30, 64)]
    with pytest.raises(ValueError, match="after step 64"):
        moved.move_end(64, 64)
