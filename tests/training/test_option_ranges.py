"""Ranges of options are those of the functions that take them, and hold at both ends."""

from __future__ import annotations

import inspect
import math
from dataclasses import fields

import pytest

from flawscope.data.synthetic.concrete import ConcreteOptions
from flawscope.data.synthetic.cracks import CrackOptions
from flawscope.training import option_ranges
from flawscope.training.losses import LOSSES
from flawscope.training.optimisers import OPTIMISERS
from flawscope.training.option_ranges import (
    CONCRETE_OPTIONS,
    CRACK_OPTIONS,
    LOSS_OPTIONS,
    OPTIMISER_OPTIONS,
    SCHEDULE_OPTIONS,
    check_generator,
    check_options,
    number,
    rising,
    whole,
    word,
)
from flawscope.training.schedules import SCHEDULES, Schedule


def _keywords(function: object) -> dict[str, object]:
    found = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return {one.name: one.default for one in found if one.kind is one.KEYWORD_ONLY}


def test_every_option_of_a_loss_has_a_range_that_holds_its_default() -> None:
    assert LOSS_OPTIONS.keys() == LOSSES.keys()
    for name, loss in LOSSES.items():
        assert LOSS_OPTIONS[name].keys() == _keywords(loss).keys()
        check_options(LOSS_OPTIONS[name], _keywords(loss))


def test_every_option_of_a_schedule_has_a_range_that_holds_its_default() -> None:
    assert SCHEDULE_OPTIONS.keys() == SCHEDULES.keys()
    for name, schedule in SCHEDULES.items():
        check_options(SCHEDULE_OPTIONS[name], _keywords(schedule))
        assert name == "plateau" or SCHEDULE_OPTIONS[name].keys() == _keywords(schedule).keys()
    Schedule("plateau", 10, factor=0.5, patience=0, min_lr=0.0, mode="max", min_delta=0.0)
    assert len(SCHEDULE_OPTIONS["plateau"]) == 5


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_number_of_an_optimiser_has_a_range_that_holds_its_default(name: str) -> None:
    for one in inspect.signature(OPTIMISERS[name]).parameters.values():
        if one.name in ("params", "lr", "weight_decay") or one.default is one.empty:
            continue
        if isinstance(one.default, int | float | tuple) and not isinstance(one.default, bool):
            assert one.name in OPTIMISER_OPTIONS, f"{name}: give {one.name} a range"
        check_options(OPTIMISER_OPTIONS, {one.name: one.default})


def test_every_option_of_the_generator_has_a_range_that_holds_its_default() -> None:
    assert CONCRETE_OPTIONS.keys() == {field.name for field in fields(ConcreteOptions)}
    assert CRACK_OPTIONS.keys() == {field.name for field in fields(CrackOptions)}
    built, cracks = ConcreteOptions(), CrackOptions()
    shown = {name: getattr(built, name) for name in CONCRETE_OPTIONS}
    shown["cracks"] = {field.name: getattr(cracks, field.name) for field in fields(CrackOptions)}
    check_generator("concrete", "drawn", shown)
    check_generator("concrete", "photographs", shown["cracks"])


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        (number(0, 1), [0, 1, 0.5], [-1e-9, 1.001, math.nan, math.inf, True, "0.5", None, [0.5]]),
        (number(0, 1, above=True, below=True), [0.5], [0, 1]),
        (number(0), [0, 1e30], [-1]),
        (number(0, above=True).unset(), [None, 1e-9], [0]),
        (number(0).or_each(), [0, [1, 2.5], (0,)], [[], [1, -1], "1"]),
        (whole(0, 3), [0, 3], [4, -1, 1.0, False]),
        (word("a", "b"), ["a"], ["c", 1]),
        (rising(0, 5), [[0, 5], (2, 2)], [[2, 1], [0, 6], [1], 3]),
    ],
)
def test_ranges_hold_at_both_ends(
    option: option_ranges.Option, good: list[object], bad: list[object]
) -> None:
    for value in good:
        check_options({"x": option}, {"x": value, "other": "any"})
    for value in bad:
        with pytest.raises(ValueError, match=r"options\.x is .*; expected"):
            check_options({"x": option}, {"x": value})
