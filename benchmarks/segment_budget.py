"""What the recipe for areas of several classes reaches in so many quiet minutes, over several seeds.

For each seed as `crack_budget.py` does it: a quiet minute is measured, the budget becomes wall minutes,
`flawscope train` runs as a user would run it, a quiet minute is measured again, and `flawscope evaluate`
scores the test part. The result file is written anew after every seed. `iou_pooled` is the mean of the defect
classes; the background is none of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common import data_folder, make_parser
from crack_budget import run_all

SHOWN = ("iou_pooled", "f1_pooled", "precision_pooled", "recall_pooled", "exact_match")
"""Figures that are taken from metrics.json."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--set", default="neu_seg", help="image set with a split.json (default neu_seg)")
    parser.add_argument("--quiet-minutes", type=float, default=15.0, help="budget (default 15)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument("--recipe", default="segment-quick", help="recipe or TOML file")
    parser.add_argument(
        "--set-option", action="append", default=[], metavar="a.b=c", help="handed to train as --set"
    )
    parser.add_argument("--part", default="test", help="part that is scored (default test; val to choose)")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the runs; must be new for a seed"
    )
    options = parser.parse_args(arguments)
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
