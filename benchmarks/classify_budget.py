"""What a recipe for labelled images reaches in so many quiet minutes, over several seeds.

For each seed as `crack_budget.py` does it: a quiet minute is measured, the budget becomes wall minutes,
`flawscope train` runs as a user would run it, a quiet minute is measured again, and `flawscope evaluate`
scores the test part. The result file is written anew after every seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common import data_folder, make_parser
from crack_budget import run_all

SETS = {"mnist": ("mnist-lab", 1.0), "neu_cls": ("classify-quick", 10.0)}
"""Image set -> its recipe and its budget in quiet minutes."""

SHOWN = ("accuracy", "f1_macro", "loss", "calibration_error")
"""Figures that are taken from metrics.json."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--set", choices=tuple(SETS), default="mnist", help="image set (default mnist)")
    parser.add_argument(
        "--quiet-minutes", type=float, default=None, help="budget (default 1 for mnist, 10 for neu_cls)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument(
        "--recipe", default=None, help="recipe or TOML file (default mnist-lab, classify-quick for neu_cls)"
    )
    parser.add_argument(
        "--set-option", action="append", default=[], metavar="a.b=c", help="handed to train as --set"
    )
    parser.add_argument("--part", default="test", help="part that is scored (default test)")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the runs; must be new for a seed"
    )
    options = parser.parse_args(arguments)
    recipe, quiet_minutes = SETS[options.set]
    options.recipe = options.recipe or recipe
    options.quiet_minutes = options.quiet_minutes or quiet_minutes
    options.recipe_name = Path(options.recipe).stem if options.recipe.endswith(".toml") else options.recipe
    options.shown, options.synthetic_share = SHOWN, 0.0
    options.data = data_folder(options.data, options.set).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def main() -> None:
    """Run all seeds."""
    run_all(parse())


if __name__ == "__main__":
    main()
