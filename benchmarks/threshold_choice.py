"""What it costs to choose a threshold by few images, rule by rule; and whether several sizes together help.

Takes runs of `flawscope train` and images that they did not train on (``--part val``). In each draw some of
them choose threshold and minimum area by each rule, and the choice is scored on the others. Then the images
are predicted at several sizes, alone and averaged, each scored at its own best threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from choose_default import f1, tolerant_counts, without_specks
from common import Figures, data_folder, machine, make_parser, say, write_result

if TYPE_CHECKING:
    from flawscope.inspection.options import PredictOptions

AREAS_PX = (0, 10, 25, 50, 100, 200)
RULES: dict[str, dict[str, Any]] = {
    "f1_tol2, largest": {"measure": "f1_tol2", "slack": 0.0},
    "f1_tol2, middle of all within .005": {"measure": "f1_tol2", "slack": 0.005},
    "f1_tol2, middle of all within .01": {"measure": "f1_tol2", "slack": 0.01},
    "f1_tol2, middle of all within .01, no area": {"measure": "f1_tol2", "slack": 0.01, "areas_px": (0,)},
    "mean of both, largest": {"measure": "mean", "slack": 0.0},
    "mean of both, middle of all within .01": {"measure": "mean", "slack": 0.01},
}
"""What `flawscope.evaluation.chooser.Chooser` is told; areas are `AREAS_PX` where none are named."""
SIZES: dict[str, dict[str, Any]] = {
    "1": {"scales": "native"},
    "0.85": {"scales": (0.85,)},
    "0.7": {"scales": (0.7,)},
    "0.5": {"scales": (0.5,)},
    "1 and 0.85": {"scales": (1.0, 0.85), "fusion": "mean"},
    "1 and 0.7": {"scales": (1.0, 0.7), "fusion": "mean"},
    "1 and 0.5": {"scales": (1.0, 0.5), "fusion": "mean"},
    "1, 0.85 and 0.7": {"scales": (1.0, 0.85, 0.7), "fusion": "mean"},
}
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))

Plane = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
Pairs = Sequence[tuple[Plane, Truth]]


def score(pairs: Pairs, threshold: float, min_area_px: int) -> tuple[float, float]:
    """F1 within 2 px and IoU, both pooled over the pixels of all images."""
    counts, both, either = np.zeros(4), 0, 0
    for plane, truth in pairs:
        mask = without_specks(plane >= threshold, min_area_px)
        near_truth = np.asarray(ndimage.distance_transform_edt(~truth) <= 2) if truth.any() else truth
        counts += tolerant_counts(mask, truth, near_truth)
        both += int((mask & truth).sum())
        either += int((mask | truth).sum())
    return f1(counts), both / max(either, 1)


def compare_rules(
    pairs: Pairs, few: int, draws: int, seed: int, rules: Mapping[str, Mapping[str, Any]] = RULES
) -> dict[str, Figures]:
    """Mean scores on the images that did not choose, for each rule; all rules see the same draws."""
    from flawscope.evaluation.chooser import Chooser

    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(pairs)) for _ in range(draws)]
    table: dict[str, Figures] = {}
    for name, rule in rules.items():
        rows = []
        for order in orders:
            with Chooser(["crack"], **{"areas_px": AREAS_PX, **rule}) as chooser:
                for index in order[:few]:
                    plane, truth = pairs[index]
                    chooser.add([plane], [truth.astype(np.uint8)])
                choice = chooser.choose()[0]
            left = [pairs[index] for index in order[few:]]
            found = score(left, choice.threshold, choice.min_area_px)
            rows.append((*found, choice.threshold, choice.min_area_px))
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        table[name] = {
            "f1_tol2": float(mean[0]),
            "iou": float(mean[1]),
            "f1_tol2_sd": float(spread[0]),
            "threshold": float(mean[2]),
            "threshold_sd": float(spread[2]),
            "min_area_px": float(mean[3]),
        }
    return table


def best_of(pairs: Pairs, thresholds: Sequence[float] = THRESHOLDS) -> Figures:
    """The largest F1 within 2 px over the thresholds without a minimum area, its IoU and its threshold."""
    rows = [(*score(pairs, threshold, 0), threshold) for threshold in thresholds]
    found = max(rows)
    return {"f1_tol2": found[0], "iou": found[1], "threshold": found[2]}


def predict(run: Path, data: Path, part: str, options: PredictOptions | None = None) -> Pairs:
    """Probabilities and truths of the images of ``part`` in the split that the run kept."""
    from flawscope.bundle import Bundle
    from flawscope.data.open import open_dataset
    from flawscope.data.split_file import load_split
    from flawscope.inspection.inspector import Inspector

    inspector = Inspector(Bundle.load(run / "bundle"), options=options)
    samples = open_dataset(data).subset(load_split(run / "split.json").part(part)).samples
    return [
        (inspector.predict_probability(sample.image())[0], np.asarray(sample.mask) == 1) for sample in samples
    ]


def run_all(options: argparse.Namespace) -> Figures:
    """Both tables for each run."""
    from flawscope.inspection.options import PredictOptions

    figures: Figures = {"set": options.set, "part": options.part, "few": options.few, "draws": options.draws}
    facts = machine()
    for run in options.runs:
        found: Figures = {}
        data = options.data / options.set
        pairs = predict(run, data, options.part)
        found["images"] = len(pairs)
        found["rules"] = compare_rules(pairs, options.few, options.draws, options.seed)
        for name, row in found["rules"].items():
            say(f"{run.name}: {name:<44} f1_tol2 {row['f1_tol2']:.4f}  iou {row['iou']:.4f}")
        found["sizes"] = {}
        for name in options.sizes:
            found["sizes"][name] = row = best_of(
                predict(run, data, options.part, PredictOptions(**SIZES[name]))
            )
            say(f"{run.name}: size {name:<39} f1_tol2 {row['f1_tol2']:.4f}  iou {row['iou']:.4f}")
        figures[str(run.name)] = found
        write_result(options.json, figures, facts)
    return figures


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of `flawscope train`")
    parser.add_argument("--set", default="cfd", help="of --data that they were trained on (default cfd)")
    parser.add_argument("--part", default="val", help="of the split in the run (default val)")
    parser.add_argument("--few", type=int, default=7, help="images that choose (default 7)")
    parser.add_argument("--draws", type=int, default=8, help="default 8")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, options.set)
    return options


def main() -> None:
    """Run it."""
    run_all(parse())


if __name__ == "__main__":
    main()
