"""Which images hold what a segmenter lacks: their wrong pixels, and what the set would gain without them.

For each image of a part: predicted pixels further than 2 px from any label, labelled pixels that no
prediction is as near to, and by how much `f1_tol2_pooled` of the whole part would rise were this one image
perfect. Whether the network or the label is wrong, the eyes must say. For understanding, not for choosing,
where the part is `test`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import Figures, data_folder, machine, make_parser, say, write_result
from flawscope.data.open import open_dataset
from flawscope.evaluation.evaluate import Metrics
from flawscope.evaluation.runs import evaluate_run, find_models
from flawscope.evaluation.segmentation import f1_of_hits


@dataclass(frozen=True, slots=True)
class Hits:
    """Pixels of one image or several: predicted, true, and how many of them lie within 2 px of the other."""

    predicted: int
    predicted_hit: int
    true: int
    true_hit: int

    @property
    def f1(self) -> float:
        """F1 within 2 px; NaN where neither side has a pixel."""
        return float(f1_of_hits(self.predicted_hit, self.predicted, self.true_hit, self.true))


def pooled(hits: Sequence[Hits]) -> Hits:
    """The sums."""
    return Hits(
        sum(one.predicted for one in hits),
        sum(one.predicted_hit for one in hits),
        sum(one.true for one in hits),
        sum(one.true_hit for one in hits),
    )


def perfect(hits: Hits) -> Hits:
    """The same image with exactly its true pixels predicted."""
    return Hits(hits.true, hits.true, hits.true, hits.true)


def rank(images: dict[str, Hits]) -> list[dict[str, Any]]:
    """A row an image, the one that costs most first."""
    now = pooled(list(images.values())).f1
    rows = []
    for name, hits in images.items():
        others = [other for key, other in images.items() if key != name]
        rows.append(
            {
                "image": name,
                "beyond_2_px": hits.predicted - hits.predicted_hit,
                "missed_px": hits.true - hits.true_hit,
                "true_px": hits.true,
                "f1_tol2": hits.f1,
                "gain_if_perfect": pooled([*others, perfect(hits)]).f1 - now,
                "f1_tol2_of_the_others": pooled(others).f1,
            }
        )
    return sorted(rows, key=lambda row: -row["gain_if_perfect"])


def hits_of(metrics: Metrics, class_index: int) -> dict[str, Hits]:
    """Image -> its pixels of one class."""
    found = {}
    for row in metrics.rows:
        one = row.classes[class_index]
        found[row.name] = Hits(
            one.predicted_pixels, one.predicted_hit_tol2, one.true_pixels, one.true_hit_tol2
        )
    return found


def run_all(options: argparse.Namespace) -> Figures:
    """Score every model, print its worst images, and write the figures."""
    dataset = open_dataset(options.data / options.set)
    figures: Figures = {}
    for model in options.models:
        metrics = evaluate_run(find_models(model), dataset, part=options.part)
        if not isinstance(metrics, Metrics):
            raise SystemExit(f"{model} labels images or holds folds; expected one segmenter.")
        images = hits_of(metrics, options.class_index)
        rows, sums = rank(images), pooled(list(images.values()))
        figures[str(model)] = {
            "f1_tol2_pooled": sums.f1,
            "beyond_2_px": sums.predicted - sums.predicted_hit,
            "missed_px": sums.true - sums.true_hit,
            "images": rows,
        }
        whole = figures[str(model)]
        say(
            f"{model}: f1_tol2_pooled {whole['f1_tol2_pooled']:.4f}, {whole['beyond_2_px']} px beyond 2 px "
            f"of a label, {whole['missed_px']} px missed"
        )
        for row in rows[: options.top]:
            say(
                f"  {row['image']}: {row['beyond_2_px']} px beyond, {row['missed_px']} of {row['true_px']} "
                f"missed; perfect, it would add {row['gain_if_perfect']:.4f}; without it "
                f"{row['f1_tol2_of_the_others']:.4f}"
            )
    write_result(options.json, figures, machine())
    return figures


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="runs of `flawscope train`, or bundles")
    parser.add_argument("--set", default="cfd", help="of --data (default cfd)")
    parser.add_argument("--part", default="test", help="default test")
    parser.add_argument("--class-index", type=int, default=0, help="of the bundle's classes (default 0)")
    parser.add_argument("--top", type=int, default=8, help="images to print (default 8)")
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, options.set)
    return options


def main() -> None:
    """Run it."""
    run_all(parse())


if __name__ == "__main__":
    main()
