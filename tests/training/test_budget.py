"""Steps that fit into minutes."""

from __future__ import annotations

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from flawscope.training.budget import (
    GUARD,
    MARGIN,
    VALIDATION_SHARE,
    Clock,
    Costs,
    Pace,
    fit_steps,
    process_started_s,
)


@given(
    st.floats(1, 5000),
    st.floats(0.01, 20),
    st.floats(0, 60),
    st.floats(0, 2),
    st.integers(1, 500),
    st.integers(1, 5),
)
def test_the_plan_fits_the_time_left(
    left_s: float, step_s: float, validation_s: float, epoch_s: float, per_epoch: int, every: int
) -> None:
    fit = fit_steps(left_s, Costs(step_s, validation_s, epoch_s), per_epoch, every)
    epochs = math.ceil(fit.steps / per_epoch)
    inside = (epochs - 1) // fit.validate_every  # the validation after the last step is not in the budget
    used_s = fit.steps * step_s + (epochs - 1) * epoch_s + inside * validation_s
    assert fit.validate_every >= every
    if fit.steps > 1:
        assert used_s <= left_s * MARGIN * 1.0001 + max(validation_s, epoch_s)
        assert inside * validation_s <= VALIDATION_SHARE * left_s * 1.2 + validation_s


def test_without_validation_all_time_is_steps() -> None:
    assert fit_steps(100, Costs(1.0, 0.0), 10, 1).steps == int(100 * MARGIN)


def test_at_least_one_step() -> None:
    assert fit_steps(-5, Costs(1.0, 1.0), 10, 1).steps == 1


def test_costly_validation_becomes_rarer() -> None:
    assert fit_steps(1000, Costs(1.0, 50.0), 10, 1).validate_every > 10


def test_clock_counts_earlier_processes_and_guards() -> None:
    now = time.time()
    assert not Clock(now, 1.0).spent()
    assert Clock(now, 1.0, used_before_s=60 * GUARD + 1).spent()
    assert not Clock(now - 1e6).spent()
    assert Clock(now).left_s() == math.inf
    assert 29 < Clock(now, 1.0, used_before_s=30).left_s() <= 30


def test_process_began_before_now() -> None:
    assert 0 < process_started_s() <= time.time() + 1


@given(st.floats(0.05, 5.0), st.floats(0.2, 5.0), st.integers(4, 40))
def test_a_pace_that_changes_moves_the_end_to_where_the_budget_ends(
    first_s: float, change: float, per_epoch: int
) -> None:
    """A machine that turns slower or faster after a third of the steps still ends close to its budget."""
    planned, budget_s = 40 * per_epoch, 40 * per_epoch * first_s / MARGIN
    pace, step, used_s, end = Pace(), 0, 0.0, planned
    while step < end:
        pace.mark(step, used_s)
        end = pace.end_step(end, budget_s - used_s)
        taken = min(per_epoch, end - step)
        step += taken
        used_s += taken * first_s * (1.0 if step <= planned // 3 else change)
    epoch_s = per_epoch * first_s * change
    assert used_s <= budget_s * 1.05 + 2 * epoch_s
    assert used_s >= budget_s * 0.88 - 2 * epoch_s


def test_the_end_stays_while_little_is_known_or_little_changes() -> None:
    pace = Pace()
    pace.mark(0, 5.0)
    assert pace.end_step(100, 60.0) == 100
    pace.mark(50, 5.0 + 50.0)
    assert pace.end_step(100, 50.0) == 100, "within the slack"
    assert pace.end_step(100, 0.0) == 51, "one more step at least"
