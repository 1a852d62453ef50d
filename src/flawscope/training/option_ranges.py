"""What the options of losses, schedules, optimisers and generators may be. Imports no torch.

A configuration keeps them as plain tables, for their names follow from another key. These say their ranges,
so that a wrong value is refused when the configuration is read and not after hours of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Option:
    """What one option may be."""

    words: str
    fits: Callable[[Any], bool]

    def unset(self) -> Option:
        """The same, or None where a function takes that for "not set"."""
        return replace(self, fits=lambda value: value is None or self.fits(value))

    def or_each(self) -> Option:
        """One value, or a list of one for each class."""
        return Option(
            f"{self.words}, or a list of such numbers",
            lambda value: (
                self.fits(value) or (_is_list(value) and len(value) > 0 and all(map(self.fits, value)))
            ),
        )


Options = Mapping[str, Option]


def number(low: float, high: float = math.inf, *, above: bool = False, below: bool = False) -> Option:
    """A number from ``low`` to ``high``; without the ends where ``above`` and ``below`` say so."""

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (low < value if above else low <= value) and (value < high if below else value <= high)

    start = f"above {low:g}" if above else f"from {low:g}"
    if math.isinf(high):
        return Option(f"a number {start}" + ("" if above else " on"), fits)
    return Option(f"a number {start} {'and below' if below else 'to'} {high:g}", fits)


def whole(low: int, high: int) -> Option:
    """A whole number from ``low`` to ``high``."""

    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Option(f"a whole number from {low} to {high}", fits)


def word(*known: str) -> Option:
    """One of some words."""
    return Option("one of " + ", ".join(known), lambda value: value in known)


def rising(low: float, high: float) -> Option:
    """A pair, the smaller number first."""
    end = number(low, high)

    def fits(value: Any) -> bool:
        return _is_list(value) and len(value) == 2 and all(map(end.fits, value)) and value[0] <= value[1]

    return Option(f"smallest and largest, from {low:g} to {high:g}", fits)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


_FLAG = Option("true or false", lambda value: isinstance(value, bool))
_TEXT = Option("a name", lambda value: isinstance(value, str))
_SHARE = number(0, 1)
_DECAY = number(0, 1, below=True)
_FROM_0 = number(0)
_ABOVE_0 = number(0, above=True)
_POOL = word("batch", "image")
_HARD = {"hard_negative_ratio": _FROM_0.unset()}
_WEIGHTS = {"class_weights": _FROM_0.or_each().unset()}

LOSS_OPTIONS: dict[str, Options] = {
    "bce": {"pos_weight": _ABOVE_0.or_each().unset(), **_WEIGHTS, **_HARD},
    "cross_entropy": {**_WEIGHTS, "label_smoothing": _DECAY, **_HARD},
    "dice": {"beta": _ABOVE_0, "smooth": _ABOVE_0, "pool": _POOL, "background": _FLAG},
    "focal": {"alpha": _SHARE, "gamma": _FROM_0, **_HARD},
    "binary_focal_dice": {
        "alpha": _SHARE,
        "gamma": _FROM_0,
        "beta": _ABOVE_0,
        "smooth": _ABOVE_0,
        "focal_weight": _FROM_0,
    },
    "tversky": {
        "alpha": _FROM_0,
        "beta": _FROM_0,
        "gamma": _ABOVE_0,
        "smooth": _ABOVE_0,
        "pool": _POOL,
        "background": _FLAG,
    },
    "tolerant_dice": {
        "tolerance_px": whole(0, 64),
        "beta": _ABOVE_0,
        "smooth": _ABOVE_0,
        "pool": _POOL,
        "background": _FLAG,
    },
    "lovasz": {"per_image": _FLAG, "present_only": _FLAG},
}
"""Loss -> its options, as ``flawscope.training.losses.LOSSES`` takes them."""

SCHEDULE_OPTIONS: dict[str, Options] = {
    "constant": {},
    "cosine": {"final": _SHARE},
    "onecycle": {"rise": _SHARE, "start": _SHARE, "final": _SHARE},
    "plateau": {
        "factor": number(0, 1, above=True, below=True),
        "patience": whole(0, 1_000_000),
        "min_lr": _FROM_0,
        "mode": word("min", "max"),
        "min_delta": _FROM_0,
    },
}
"""Schedule -> its options, as ``flawscope.training.schedules`` takes them."""

OPTIMISER_OPTIONS: Options = {
    "momentum": _DECAY,
    "dampening": _SHARE,
    "betas": Option(
        "two numbers from 0 and below 1",
        lambda value: _is_list(value) and len(value) == 2 and all(map(_DECAY.fits, value)),
    ),
    "eps": _ABOVE_0,
    "rho": _SHARE,
    "alpha": _DECAY,
    "lr_decay": _FROM_0,
    "initial_accumulator_value": _FROM_0,
    **dict.fromkeys(("nesterov", "centered", "amsgrad", "maximize", "differentiable", "capturable"), _FLAG),
    **{name: _FLAG.unset() for name in ("foreach", "fused")},
}
"""Options of torch's optimisers, which mean the same in each that has them."""

CRACK_OPTIONS: Options = {
    "count": whole(0, 1000).unset(),
    "path": _TEXT.unset(),
    "fill": _TEXT.unset(),
    "width_px": rising(0.1, 200),
    "contrast": rising(0, 1),
    "gaps": _FLAG,
    "bridge_px": number(0, 10_000),
    "surround": _FLAG,
    "label_margin_px": number(0, 100),
}
"""Options of the cracks on synthetic images."""

CONCRETE_OPTIONS: Options = {
    "clean_share": _SHARE,
    "materials": Option(
        "a table of materials and their shares from 0 on, not all 0",
        lambda value: (
            isinstance(value, Mapping) and all(map(_FROM_0.fits, value.values())) and any(value.values())
        ),
    ),
    "patch_share": _SHARE,
    "rescale_share": _SHARE,
    "distractors": _FLAG,
    "always": Option("a list of names", lambda value: _is_list(value) and all(map(_TEXT.fits, value))),
    "cracks": Option("a table", lambda value: isinstance(value, Mapping)).unset(),
}
"""Options of synthetic images of the kind ``concrete``; ``cracks`` is a table of its own."""


def check_options(known: Options | None, options: Mapping[str, Any], where: str = "options") -> None:
    """Refuse values out of range. Options that ``known`` does not name are checked where they are used.

    Raises ValueError naming the option, what was found and what is expected.
    """
    for name, value in options.items():
        option = (known or {}).get(name)
        if option is not None and not option.fits(value):
            raise ValueError(f"{where}.{name} is {value!r}; expected {option.words}")


def check_generator(kind: str, ground: str, options: Mapping[str, Any]) -> None:
    """As `check_options`, for synthetic images of a kind; on photographs the options are those of cracks."""
    if ground == "photographs":
        check_options(CRACK_OPTIONS, options)
    elif kind == "concrete":
        check_options(CONCRETE_OPTIONS, options)
        check_options(CRACK_OPTIONS, options.get("cracks") or {}, "options.cracks")


def check_shares(shares: Mapping[str, Any], where: str) -> None:
    """Refuse shares outside 0..1. Raises ValueError naming the first."""
    for name, share in shares.items():
        if not _SHARE.fits(share):
            raise ValueError(f"{where}.{name} is {share!r}; expected {_SHARE.words}")
