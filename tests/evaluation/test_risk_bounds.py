"""Promises about misses are kept: worked out by hand, and by simulation where chance has a say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.risk_bounds import (
    BOUNDS,
    Bound,
    close_to_refusal,
    hb_bound,
    highest_in_expectation,
    highest_with_confidence,
    units_needed,
    wsr_bound,
)

GRID = np.linspace(0.01, 0.99, 99)


def draw(rng: np.random.Generator, units: int) -> np.ndarray:
    """Losses of units x 99 thresholds: each unit's crack pixels have probabilities of their own.

    Three kinds of units: clear ones, faint ones, and a few that are hardly seen at all.
    """
    kind = rng.choice(3, size=units, p=[0.7, 0.25, 0.05])
    a, b = np.array([8.0, 3.0, 1.0])[kind], np.array([1.5, 2.0, 3.0])[kind]
    pixels = np.sort(rng.beta(a[:, None], b[:, None], (units, 40)), axis=1)
    return (pixels[:, :, None] < GRID).mean(axis=1)


RNG = np.random.default_rng(0)
POPULATION = draw(RNG, 20_000).mean(axis=0)


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
def test_in_expectation_the_next_unit_misses_at_most_the_level(level: float) -> None:
    rng = np.random.default_rng(1)
    risks = []
    for _ in range(400):
        found = highest_in_expectation(draw(rng, 40), level)
        risks.append(0.0 if found is None else POPULATION[found])
    error = np.std(risks) / np.sqrt(len(risks))
    assert np.mean(risks) <= level + 3 * error
    assert np.mean(risks) >= level - 0.045, "and not far below: the promise is not bought by timidity"


def half_blind(rng: np.random.Generator, units: int, blind: float) -> np.ndarray:
    """As `draw`, of a network that does not see some units at all, at any threshold."""
    return np.where(rng.random((units, 1)) < blind, 1.0, draw(rng, units))


@pytest.mark.parametrize("units", [20, 60])
def test_a_refusal_counts_as_no_miss(units: int) -> None:
    """Where even the lowest threshold misses more than the level, what is granted misses more as well: the
    promise is over all draws, and most of these are refused."""
    rng, level, blind = np.random.default_rng(4), 0.1, 0.12
    risks, told = [], []
    for _ in range(400):
        losses = half_blind(rng, units, blind)
        found = highest_in_expectation(losses, level)
        if found is not None:
            risks.append(blind + (1 - blind) * POPULATION[found])
            told.append(close_to_refusal(losses, level))
    assert len(risks) < 0.5 * 400
    assert np.mean(risks) > level >= sum(risks) / 400
    assert np.mean(told) > 0.6, "and mostly the user is told"


def test_what_is_never_refused_is_seldom_said_to_be_close() -> None:
    rng = np.random.default_rng(5)
    assert np.mean([close_to_refusal(draw(rng, 60), 0.1) for _ in range(200)]) < 0.05
    # Of the fewest units that are enough, none may miss anything.
    assert close_to_refusal(np.zeros((9, 3)), 0.1) and not close_to_refusal(np.zeros((19, 3)), 0.1)
    assert close_to_refusal(np.zeros((1, 3)), 0.5) and not close_to_refusal(np.zeros((1, 3)), 0.6)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("delta", [0.1, 0.3])
def test_with_confidence_few_draws_break_the_level(bound: str, delta: float) -> None:
    rng = np.random.default_rng(2)
    level, rounds = 0.15, 150 if bound == "wsr" else 50
    broken, found = 0, 0
    for seed in range(rounds):
        column = highest_with_confidence(draw(rng, 60), level, 1 - delta, bound, seed)  # type: ignore[arg-type]
        broken += column is not None and POPULATION[column] > level
        found += column is not None
    assert broken / rounds <= delta + 3 * np.sqrt(delta * (1 - delta) / rounds)
    assert found > 0.9 * rounds


def test_the_bounds_hold_and_betting_is_closer() -> None:
    rng = np.random.default_rng(3)
    wide = dict.fromkeys(BOUNDS, 0)
    sums = dict.fromkeys(BOUNDS, 0.0)
    for _ in range(200):
        losses = rng.beta(1.0, 9.0, 80)
        for name, bound in BOUNDS.items():
            upper = bound(losses, 0.1)
            wide[name] += upper < 0.1
            sums[name] += upper
    assert all(count <= 200 * (0.1 + 3 * np.sqrt(0.09 / 200)) for count in wide.values())
    assert sums["wsr"] < sums["hb"]


def test_numbers_by_hand() -> None:
    losses = np.array([[0.0, 0.0, 0.5], [0.0, 0.25, 1.0], [0.0, 0.0, 0.0]])
    # (0 + 1) / 4 = .25, (.25 + 1) / 4 = .3125, (1.5 + 1) / 4 = .625
    assert highest_in_expectation(losses, 0.25) == 0
    assert highest_in_expectation(losses, 0.3125) == 1
    assert highest_in_expectation(losses, 0.63) == 2
    assert highest_in_expectation(losses + 0.0, 0.3) == 0
    # Nobody of n missed anything: Hoeffding and Bentkus give 1 - delta^(1/n)
    assert hb_bound(np.zeros(20), 0.1) == pytest.approx(1 - 0.1 ** (1 / 20), abs=2e-4)
    assert wsr_bound(np.zeros(50), 0.1) < 0.1
    assert wsr_bound(np.ones(5), 0.1) == 1.0


def test_no_threshold_keeps_the_promise() -> None:
    assert highest_in_expectation(np.full((30, 5), 0.5), 0.1) is None
    assert highest_with_confidence(np.full((30, 5), 0.5), 0.1, 0.9) is None


def test_units_needed() -> None:
    assert [units_needed(level) for level in (0.5, 0.3, 0.1, 0.05, 0.01)] == [1, 3, 9, 19, 99]
    for n, level in ((8, 0.1), (2, 0.3)):
        with pytest.raises(DataError, match=f"needs {units_needed(level)} "):
            highest_in_expectation(np.zeros((n, 3)), level)


def test_units_needed_as_documented() -> None:
    """In docs/thresholds.md."""
    assert (units_needed(0.1, 0.9, "wsr"), units_needed(0.1, 0.9, "hb")) == (25, 22)


@pytest.mark.parametrize("bound", ["wsr", "hb"])
@pytest.mark.parametrize(("level", "confidence"), [(0.1, 0.9), (0.3, 0.5), (0.05, 0.95)])
def test_units_needed_with_confidence(bound: Bound, level: float, confidence: float) -> None:
    """As many as make a promise possible where nothing was missed, and no fewer: told when refused."""
    need = units_needed(level, confidence, bound)
    assert highest_with_confidence(np.zeros((need, 3)), level, confidence, bound) == 2
    with pytest.raises(DataError, match=f"with confidence {confidence:g} needs {need} or more"):
        highest_with_confidence(np.zeros((need - 1, 3)), level, confidence, bound)
    if bound == "hb":  # (1 - level)^n <= 1 - confidence
        assert need == max(units_needed(level), math.ceil(math.log(1 - confidence) / math.log(1 - level)))


def test_wrong_questions_are_refused() -> None:
    good = np.zeros((30, 3))
    for level in (0.0, 1.0, -1.0):
        with pytest.raises(UsageError, match="level"):
            highest_in_expectation(good, level)
    with pytest.raises(UsageError, match="confidence"):
        highest_with_confidence(good, 0.1, 1.0)
    with pytest.raises(UsageError, match="bound"):
        highest_with_confidence(good, 0.1, 0.9, "clt")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="never fall"):
        highest_in_expectation(good - np.arange(3) * 0.1 + 0.5, 0.1)
