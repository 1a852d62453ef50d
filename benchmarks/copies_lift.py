"""What copies in the training part do to the Dice of a fold: the same images with and without them.

Takes two runs of `flawscope train --folds` (as `steel_folds.py --protocols copies honest` makes them), one
whose copies were made before the folds. Images that its folds validated on are parted into those with a copy
in the training part and the others. Each is scored by the model of its fold in either run, class by class,
by the images that show the class: pixels pooled, hard masks at the bundle's threshold, on the network's grid.
In the honest run nothing of an image was trained on, so what its own difference between the two groups does
not explain is the leak.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import Figures, machine, make_parser, say, write_result
from flawscope.data.balance import COPY
from flawscope.data.dataset import Dataset
from flawscope.data.open import SPLIT_FILE, open_dataset
from flawscope.data.split_file import load_split
from flawscope.evaluation.counts import ClassCounts
from flawscope.evaluation.evaluate import Metrics
from flawscope.evaluation.runs import FOLDS, FoldMetrics, evaluate_run, find_models

ALL = "all classes"


@dataclass
class Pooled:
    """Pixels summed up over pairs of an image and a class that it shows."""

    shown: int = 0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, counts: ClassCounts) -> None:
        """Take one more image."""
        self.shown += 1
        self.tp, self.fp, self.fn = self.tp + counts.tp, self.fp + counts.fp, self.fn + counts.fn

    @property
    def dice(self) -> float | None:
        """2 tp / (2 tp + fp + fn); None without an image."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.shown else None


def with_a_copy(run: Path) -> dict[str, bool]:
    """Image that a fold validated on -> whether the fold trained on a copy of it. Copies are left out."""
    found = {}
    for bundle in find_models(run).folds:
        split = load_split(bundle.parent / SPLIT_FILE)
        copied = {name.partition(COPY)[0] for name in split.parts["train"]}
        found.update({name: name in copied for name in split.parts["val"] if COPY not in name})
    return found


def held_out(run: Path, data: Dataset) -> Iterator[tuple[str, str, ClassCounts]]:
    """Image, class and pixel counts of every validated image and every class that it shows."""
    scored = evaluate_run(find_models(run), data, part=FOLDS, at="network")
    assert isinstance(scored, FoldMetrics)  # part folds gives nothing else
    for metrics in scored.folds:
        assert isinstance(metrics, Metrics)  # a segmenter's
        defects = [name for name in metrics.classes if name != "background"]
        for row in metrics.rows:
            for name, counts in zip(defects, row.classes, strict=True):
                if counts.tp + counts.fn:
                    yield row.name, name, counts


def compare_runs(leaky: Path, honest: Path, data: Dataset) -> Figures:
    """Class -> group of images -> Dice in either run, and what the leak adds (an empty group: None)."""
    copied = with_a_copy(leaky)
    sums: dict[tuple[str, bool, str], Pooled] = defaultdict(Pooled)
    for run_name, run in (("leaky", leaky), ("honest", honest)):
        for image, class_name, counts in held_out(run, data):
            if image in copied:
                for name in (class_name, ALL):
                    sums[name, copied[image], run_name].add(counts)
    figures: Figures = {}
    for name in sorted({name for name, _, _ in sums}):
        groups = {}
        for flag, group in ((True, "with a copy"), (False, "without")):
            one, other = sums[name, flag, "leaky"], sums[name, flag, "honest"]
            groups[group] = {"shown": one.shown, "leaky": one.dice, "honest": other.dice}
        gains = [
            group["leaky"] - group["honest"]
            for group in groups.values()
            if group["leaky"] is not None and group["honest"] is not None
        ]
        figures[name] = {**groups, "lift": gains[0] - gains[1] if len(gains) == 2 else None}
    return figures


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--leaky", type=Path, required=True, help="run whose copies were made before its folds"
    )
    parser.add_argument("--honest", type=Path, required=True, help="run of the same images without that")
    parser.add_argument("--images", type=Path, required=True, help="the data set of both")
    return parser.parse_args(arguments)


def main() -> None:
    """Run it and print the figures."""
    options = parse()
    figures = compare_runs(options.leaky, options.honest, open_dataset(options.images))
    write_result(options.json, figures, machine())
    say(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
