"""Chooses threshold, minimum area and working scales of the bundled model on the train parts that may choose.

CrackSC and masonry, part ``train``, and their crack-free crops; CFD and the test parts are never opened. The
choice is the largest mean of both sets' pooled F1 within 2 px among the settings that keep false alarms on
the crops below ``--most-alarms``. With ``--write`` it is written into the bundle.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from clean_crops import CROP_PX, clean_corners
from common import Figures, data_folder, machine, make_parser, say, write_result

if TYPE_CHECKING:
    from flawscope.manifest import Chosen

SETS = ("crack_sc", "masonry")
MODES: dict[str, dict[str, Any]] = {
    "native": {"scales": "native"},
    "choose 1, .5": {"scales": (1.0, 0.5), "fusion": "choose"},
    "mean 1, .5": {"scales": (1.0, 0.5), "fusion": "mean"},
    "max 1, .5": {"scales": (1.0, 0.5), "fusion": "max"},
    "half": {"scales": (0.5,)},
}
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 20))
"""Below .1 masks grow visibly wider than the cracks."""
AREAS_PX = (80,)
"""Smaller ones look as good on crops of 160 px, but a photograph holds a hundred times as many specks. Larger
ones would drop short cracks that an inspector wants to see."""
_EIGHT = np.ones((3, 3), np.uint8)

Plane = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]


def without_specks(mask: Truth, least_px: int) -> Truth:
    """The 8-connected components of at least ``least_px`` pixels."""
    labels, _ = ndimage.label(mask, structure=_EIGHT)
    keep = np.bincount(labels.ravel()) >= max(1, least_px)
    keep[0] = False
    return np.asarray(keep[labels], dtype=np.bool_)


def tolerant_counts(mask: Truth, truth: Truth, near_truth: Truth) -> npt.NDArray[np.float64]:
    """Predicted pixels near truth, predicted, true pixels near a prediction, true."""
    near_mask = ndimage.distance_transform_edt(~mask) <= 2 if mask.any() else mask
    hits = (mask & near_truth).sum(), mask.sum(), (truth & near_mask).sum(), truth.sum()
    return np.array(hits, dtype=np.float64)


def f1(counts: npt.NDArray[np.float64]) -> float:
    """F1 of summed `tolerant_counts`."""
    precision, recall = counts[0] / max(counts[1], 1.0), counts[2] / max(counts[3], 1.0)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def grid(
    pairs: list[tuple[Plane, Truth]], crops: list[Plane]
) -> dict[tuple[float, int], tuple[float, float]]:
    """F1 within 2 px on ``pairs`` and share of ``crops`` with a finding, for each threshold and area."""
    near = [np.asarray(ndimage.distance_transform_edt(~truth) <= 2) for _, truth in pairs]
    table = {}
    for threshold in THRESHOLDS:
        for area in AREAS_PX:
            counts = np.sum(
                [
                    tolerant_counts(without_specks(plane >= threshold, area), truth, close)
                    for (plane, truth), close in zip(pairs, near, strict=True)
                ],
                axis=0,
            )
            alarms = [without_specks(crop >= threshold, area).any() for crop in crops]
            table[threshold, area] = f1(counts), float(np.mean(alarms)) if alarms else 0.0
    return table


def measure(options: argparse.Namespace) -> Figures:
    """Try every setting on both sets."""
    from flawscope.bundle import Bundle
    from flawscope.data.open import open_dataset
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.options import PredictOptions

    bundle = Bundle.load(options.model)
    rows: list[dict[str, Any]] = []
    for mode in options.modes:
        inspector = Inspector(bundle, options=PredictOptions(**MODES[mode]))
        tables, crop_count = {}, {}
        for name in SETS:
            dataset = open_dataset(options.data / name).part("train")
            pairs, crops = [], []
            for sample in list(dataset.samples)[:: options.every]:
                image, mask = sample.image(), np.asarray(sample.mask) == 1
                pairs.append((inspector.predict_probability(image)[0], mask))
                for top, left in clean_corners(mask):
                    crop = image[top : top + CROP_PX, left : left + CROP_PX].copy()
                    crops.append(inspector.predict_probability(crop)[0])
            tables[name] = grid(pairs, crops)
            crop_count[name] = len(crops)
        for key in tables[SETS[0]]:
            scores = {name: table[key][0] for name, table in tables.items()}
            alarms = {name: table[key][1] for name, table in tables.items()}
            row = {"mode": mode, "threshold": key[0], "min_area_px": key[1], "f1_tol2": scores}
            share = sum(alarms[n] * crop_count[n] for n in SETS) / max(1, sum(crop_count.values()))
            rows.append(
                row | {"alarms": alarms, "alarm_share": share, "mean": sum(scores.values()) / len(SETS)}
            )
        best = max((row for row in rows if row["mode"] == mode), key=lambda row: row["mean"])
        say(f"{mode}: best without regard to alarms {best}")
    allowed = [row for row in rows if row["alarm_share"] <= options.most_alarms] or rows
    chosen = max(allowed, key=lambda row: row["mean"])
    say(f"chosen: {chosen}")
    return {"chosen": chosen, "rows": rows}


def rules(chosen: dict[str, Any], most_alarms: float) -> dict[str, Chosen]:
    """Threshold, minimum area and presence, each with how it came about and what was looked at for it."""
    from flawscope.manifest import Chosen

    area = chosen["min_area_px"]
    threshold_rule = (
        "largest mean of pooled F1 within 2 px on both sets, with findings on at most "
        f"{100 * most_alarms:g} % of crack-free crops, at a minimum area of {area:g} px"
    )
    area_rule = (
        "held at that of the bundle before, not chosen by F1: left free it had become 40 px, and the first "
        "report showed too many false alarms on whole photographs and on crack-free crops"
    )
    return {
        "thresholds": Chosen(
            value=chosen["threshold"], rule=threshold_rule, data="train parts of crack_sc and masonry"
        ),
        "min_area_px": Chosen(
            value=area,
            rule=area_rule,
            data="clean images of kolektor_sdd; crack-free crops of cfd, crack_sc and masonry, all parts",
        ),
        "presence_px": Chosen(
            value=1, rule="as configured: whatever threshold and minimum area leave", data="none"
        ),
    }


def write_choice(path: Path, chosen: dict[str, Any], most_alarms: float) -> None:
    """Put the choice into the manifest of the bundle, folder or zip, at ``path``."""
    from flawscope.bundle import Bundle
    from flawscope.evaluation.report import rewrite

    bundle = Bundle.load(path)
    told = {
        key: {item.name: one for item in bundle.classes} for key, one in rules(chosen, most_alarms).items()
    }
    rewrite(bundle, bundle.manifest.model_copy(update=told))


def main() -> None:
    """Choose, and write when asked to."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="bundle, folder or zip")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--every", type=int, default=1, help="take every N-th image only (a try)")
    parser.add_argument("--most-alarms", type=float, default=0.2, help="most crack-free crops with a finding")
    parser.add_argument("--write", action="store_true", help="write the choice into the bundle")
    options = parser.parse_args()
    options.data = data_folder(options.data, *SETS)
    figures = measure(options)
    write_result(options.json, figures, machine())
    if options.write:
        write_choice(options.model, figures["chosen"], options.most_alarms)


if __name__ == "__main__":
    main()
