"""What the recipe for areas of several classes reaches in so many quiet minutes, over several seeds.

For each seed as `crack_budget.py` does it: a quiet minute is measured, the budget becomes wall minutes,
`flawscope train` runs as a user would run it, a quiet minute is measured again, and `flawscope evaluate`
scores the test part. The result file is written anew after every seed. `iou_pooled` is the mean of the defect
classes; the background is none of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from crack_budget import budget_parser, completed, run_all

SHOWN = ("iou_pooled", "f1_pooled", "precision_pooled", "recall_pooled", "exact_match", "image_ap")
"""Figures that are taken from metrics.json."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = budget_parser(__doc__)
    parser.set_defaults(set="neu_seg", quiet_minutes=15.0, recipe="segment-quick")
    return completed(parser.parse_args(arguments), SHOWN)


def main() -> None:
    """Run all seeds."""
    run_all(parse())


if __name__ == "__main__":
    main()
