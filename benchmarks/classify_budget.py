"""What a recipe for labelled images reaches in so many quiet minutes, over several seeds.

For each seed as `crack_budget.py` does it: a quiet minute is measured, the budget becomes wall minutes,
`flawscope train` runs as a user would run it, a quiet minute is measured again, and `flawscope evaluate`
scores the test part. The result file is written anew after every seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from crack_budget import budget_parser, completed, run_all

SETS = {"mnist": ("mnist-lab", 1.0), "neu_cls": ("classify-quick", 10.0)}
"""Image set -> its recipe and its budget in quiet minutes."""

SHOWN = ("accuracy", "f1_macro", "loss", "calibration_error")
"""Figures that are taken from metrics.json."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked; recipe and budget follow from the set where they are not given."""
    parser = budget_parser(__doc__)
    parser.set_defaults(set="mnist")
    options = parser.parse_args(arguments)
    if options.set not in SETS:
        parser.error(f"--set is {options.set!r}; expected one of {', '.join(SETS)}")
    recipe, quiet_minutes = SETS[options.set]
    options.recipe = options.recipe or recipe
    options.quiet_minutes = options.quiet_minutes or quiet_minutes
    return completed(options, SHOWN)


def main() -> None:
    """Run all seeds."""
    run_all(parse())


if __name__ == "__main__":
    main()
