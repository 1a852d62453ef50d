"""How high a threshold may be so that misses stay below a level: from losses of units to a promise.

A unit (a photograph, a part, a plate: whatever must not be torn apart) has a loss in 0..1 at every threshold,
which never falls as the threshold rises. Units to come are taken to be drawn as those at hand were.

* *In expectation* (Angelopoulos et al. 2022, conformal risk control): the highest threshold where
  (sum of losses + 1) / (n + 1) <= level; then the expected loss of the next unit is at most the level.
* *With confidence* 1 - d (Bates et al. 2021, risk-controlling prediction sets): the highest threshold below
  which an upper confidence bound on the mean loss stays at or below the level; then, with probability 1 - d
  over the units at hand, the mean loss of units to come is at most the level.

Both are promises over draws of the units at hand, and a draw for which no threshold is found counts as one
without a miss: nothing is left to the model then. (Threshold 0, at which everything is predicted, would say
the same, and is of no use.) Where many draws are refused, those that are not may miss more than the level;
`close_to_refusal` tells when that is to be feared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from flawscope.errors import DataError, UsageError

Values = npt.NDArray[np.float64]
Bound = Literal["wsr", "hb"]


def units_needed(level: float, confidence: float | None = None, bound: Bound = "wsr") -> int:
    """Fewest units for any promise at this level: with fewer, not even units without a miss are enough.

    ceil(1 / level) - 1 in expectation; with a confidence as many as bring the bound on no loss at all down to
    the level. Raises UsageError for what is out of range.
    """
    check_wish(level, confidence, bound)
    least = max(1, math.ceil(1.0 / level - 1e-9) - 1)
    if confidence is None:
        return least

    def enough(count: int) -> bool:
        return BOUNDS[bound](np.zeros(count), 1.0 - confidence) <= level

    # More units never hurt, so the border is found by halves.
    too_few, many = least - 1, least
    while not enough(many):
        too_few, many = many, 2 * many
    while many - too_few > 1:
        middle = (too_few + many) // 2
        too_few, many = (too_few, middle) if enough(middle) else (middle, many)
    return many


def check_wish(level: float, confidence: float | None, bound: str) -> None:
    """Raises UsageError for a level or confidence out of range, and for an unknown bound."""
    if not 0 < level < 1:
        raise UsageError(f"The level is {level:g}; expected a share above 0 and below 1, such as 0.1.")
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UsageError(f"The confidence is {confidence:g}; expected 0.5 or more, below 1, such as 0.9.")
    if bound not in BOUNDS:
        raise UsageError(f"There is no bound {bound!r}; expected one of: {', '.join(BOUNDS)}.")


def highest_in_expectation(losses: Values, level: float) -> int | None:
    """Number of the highest threshold with the promise in expectation; None when none has it.

    ``losses``: units x thresholds, in ascending order of thresholds. Raises UsageError and DataError.
    """
    _check(losses, level, units_needed(level))
    n = len(losses)
    # Sums of floats: a hair's breadth is no violation.
    kept = (losses.sum(axis=0) + 1.0) / (n + 1) <= level + 1e-12
    return _last_of_run(kept)


def close_to_refusal(losses: Values, level: float) -> bool:
    """Whether other units, drawn as these were, might well have no threshold with the promise in expectation.

    So it is when the mean loss at the lowest threshold is within two standard errors of what is refused.
    ``losses`` as for :func:`highest_in_expectation`.
    """
    n, lowest = len(losses), losses[:, 0]
    largest = (level * (n + 1) - 1.0) / n
    error = float(lowest.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return float(lowest.mean()) + 2.0 * error >= largest - 1e-12


def highest_with_confidence(
    losses: Values, level: float, confidence: float, bound: Bound = "wsr", seed: int = 0
) -> int | None:
    """Number of the highest threshold with the promise at this confidence; None when none has it.

    ``bound``: ``wsr`` (betting, Waudby-Smith and Ramdas 2021) or ``hb`` (Hoeffding and Bentkus). Raises
    UsageError and DataError.
    """
    _check(losses, level, units_needed(level, confidence, bound), f" with confidence {confidence:g}")
    # Betting looks at the units one after another: their order must not come from a file listing.
    shuffled = np.random.default_rng(seed).permutation(losses, axis=0)
    # From the lowest threshold upwards, up to the first that fails: so no threshold is tested twice.
    last = None
    for column in range(shuffled.shape[1]):
        if BOUNDS[bound](shuffled[:, column], 1.0 - confidence) > level:
            break
        last = column
    return last


def wsr_bound(losses: Values, delta: float) -> float:
    """Upper confidence bound on the mean of losses in 0..1, by betting (Waudby-Smith and Ramdas 2021).

    For every mean r, a bet whose expected gain is none if the mean is r; where it has won 1 / delta, r is too
    high. Found by bisection, to 1e-4 from above.
    """
    n = len(losses)
    number = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(losses)) / (1 + number)
    variance = (0.25 + np.cumsum((losses - mean) ** 2)) / (1 + number)
    before = np.concatenate([[0.25], variance[:-1]])
    stake = np.minimum(1.0, np.sqrt(2 * math.log(1 / delta) / (n * before)))

    def won(r: float) -> bool:
        return bool(np.cumsum(np.log1p(-stake * (losses - r))).max() >= math.log(1 / delta))

    low, high = float(np.mean(losses)), 1.0
    if not won(high - 1e-9):
        return 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if won(middle) else (middle, high)
    return high


def hb_bound(losses: Values, delta: float) -> float:
    """Upper confidence bound on the mean of losses in 0..1, Hoeffding's and Bentkus's (Bates et al. 2021)."""
    n, mean = len(losses), float(np.mean(losses))

    def tail(r: float) -> float:
        """Largest probability of a mean as small as this one, if the true one were r."""
        close = min(mean, r)
        hoeffding = math.exp(-n * _divergence(close, r))
        bentkus = math.e * float(stats.binom.cdf(math.ceil(n * mean - 1e-9), n, r))
        return min(hoeffding, bentkus)

    low, high = mean, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if tail(middle) <= delta else (middle, high)
    return high


BOUNDS: dict[str, Callable[[Values, float], float]] = {"wsr": wsr_bound, "hb": hb_bound}
"""Upper confidence bounds by name: (losses of n units, delta) -> bound on their mean."""


def _divergence(a: float, b: float) -> float:
    """Relative entropy of two coins."""
    out = 0.0
    if a > 0:
        out += a * math.log(a / b)
    if a < 1:
        out += (1 - a) * math.log((1 - a) / (1 - b)) if b < 1 else math.inf
    return out


def _check(losses: Values, level: float, need: int, how: str = "") -> None:
    if len(losses) < need:
        raise DataError(
            f"There are {len(losses)} units with the class; a miss rate of at most {level:g}{how} needs "
            f"{need} or more.\nCollect more of them (units are whole groups, such as photographs), or take a "
            "higher --level."
        )
    if (np.diff(losses, axis=1) < -1e-12).any() or losses.min() < 0 or losses.max() > 1 + 1e-12:
        raise UsageError("Losses must lie in 0..1 and never fall as the threshold rises.")


def _last_of_run(kept: npt.NDArray[np.bool_]) -> int | None:
    """Number of the last True of the run that the array begins with."""
    if not kept[0]:
        return None
    return len(kept) - 1 if kept.all() else int(np.argmin(kept)) - 1
