"""Figures of the bundled default model on every real crack set, and its false alarms on clean pictures.

Nothing of these sets went into its training. With --train-parts only the parts that generator and threshold
may be chosen on are scored (crack_sc and masonry, train): use that while choosing, the plain call to report.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clean_crops import CROP_PX, clean_corners
from common import Figures, data_folder, machine, make_parser, say, write_result

if TYPE_CHECKING:
    from flawscope.data.dataset import Dataset
    from flawscope.inspection.inspector import Inspector
    from flawscope.types import RgbImage

REPORT = (("cfd", "all"), ("crack_sc", "test"), ("masonry", "test"))
CHOOSE = (("crack_sc", "train"), ("masonry", "train"))
"""Set and part that are scored, for the report and for choosing."""
CLEAN_SET = "kolektor_sdd"
LEAST_CROPS = 300
SHOWN = (
    "f1_tol2_pooled", "iou_pooled", "precision_pooled", "recall_pooled", "precision_tol2_pooled",
    "recall_tol2_pooled", "cldice", "ods_tol2",
)  # fmt: skip


def score(inspector: Inspector, dataset: Dataset, part: str, names: bool) -> Figures:
    """The segmentation figures of one part of a set."""
    from flawscope.evaluation.evaluate import EvaluateOptions, evaluate

    began = time.perf_counter()
    metrics = evaluate(inspector, dataset, part=part, options=EvaluateOptions(gallery=0, draws=0))
    figures: Figures = {name: metrics.value(name) for name in SHOWN}
    figures |= {"images": metrics.images, "part": part, "seconds": time.perf_counter() - began}
    if names:
        figures["names"] = [row.name for row in metrics.rows]
    return figures


def crops_of(dataset: Dataset) -> Iterator[tuple[str, RgbImage]]:
    """Name and pixels of the crack-free crops of a set, each a picture of its own."""
    for sample in dataset.samples:
        mask = sample.mask
        if mask is None:
            continue
        corners = clean_corners(mask)
        image = sample.image() if corners else None
        for row, column in corners:
            assert image is not None
            yield (
                f"{sample.name}@{row},{column}",
                image[row : row + CROP_PX, column : column + CROP_PX].copy(),
            )


def clean_images(dataset: Dataset) -> Iterator[tuple[str, RgbImage]]:
    """Name and pixels of the images whose mask is empty."""
    for sample in dataset.samples:
        mask = sample.mask
        if mask is not None and not mask.any():
            yield sample.name, sample.image()


def false_alarms(inspector: Inspector, pictures: Iterable[tuple[str, RgbImage]]) -> Figures:
    """How many clean pictures hold any predicted pixel after thresholds and minimum areas."""
    images, wrong = 0, []
    for name, image in pictures:
        images += 1
        if inspector.predict(image).mask.any():
            wrong.append(name)
    return alarm_figures(images, wrong)


def alarm_figures(images: int, wrong: Sequence[str]) -> Figures:
    """Count, false positives and their share; their names for a look at them."""
    rate = len(wrong) / images if images else None
    return {"images": images, "image_fp": len(wrong), "image_fp_rate": rate, "wrong": list(wrong)}


def together(parts: Mapping[str, Figures]) -> Figures:
    """False alarms of several sets as one."""
    wrong = [f"{name}/{item}" for name, part in parts.items() for item in part["wrong"]]
    return alarm_figures(sum(part["images"] for part in parts.values()), wrong)


def measure(options: argparse.Namespace) -> Figures:
    """Every figure; the result file is written anew after each set."""
    from flawscope.data.open import open_dataset

    inspector = make_inspector(options)
    facts = machine()
    figures: Figures = {
        "model": model_facts(inspector),
        "mode": "choose" if options.train_parts else "report",
    }
    figures |= {"sets": {}, "clean_crops": {}}
    for name, part in CHOOSE if options.train_parts else REPORT:
        dataset = open_dataset(options.data / name)
        chosen = dataset if part == "all" else dataset.part(part)
        figures["sets"][name] = score(inspector, _first(chosen, options.limit), "all", options.part_names)
        figures["sets"][name]["part"] = part
        say(f"{name} ({part}): {_line(figures['sets'][name])}")
        # While choosing, test images may not be looked at; for the report every image gives crops.
        source = chosen if options.train_parts else dataset
        figures["clean_crops"][name] = false_alarms(inspector, crops_of(_first(source, options.limit)))
        say(f"{name}, crack-free crops: {_alarm_line(figures['clean_crops'][name])}")
        write_result(options.json, figures, facts)
    clean = dict(figures["clean_crops"])
    figures["clean_crops_all"] = together(clean)
    say(f"all crack-free crops: {_alarm_line(figures['clean_crops_all'])}")
    if not options.train_parts:
        if figures["clean_crops_all"]["images"] < LEAST_CROPS and not options.limit:
            say(f"warning: fewer than {LEAST_CROPS} crack-free crops")
        dataset = _first(open_dataset(options.data / CLEAN_SET), options.limit)
        figures["kolektor_clean"] = false_alarms(inspector, clean_images(dataset))
        say(f"clean kolektor images: {_alarm_line(figures['kolektor_clean'])}")
        figures["clean_all"] = together({**clean, CLEAN_SET: figures["kolektor_clean"]})
        say(f"all clean pictures: {_alarm_line(figures['clean_all'])}")
    write_result(options.json, figures, facts)
    return figures


def make_inspector(options: argparse.Namespace) -> Inspector:
    """The inspector, with the settings of `flawscope inspect` unless options say otherwise."""
    from flawscope.bundle import Bundle
    from flawscope.inspection.default_model import default_bundle_path
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.options import PredictOptions, parse_working_scale

    path = options.model or default_bundle_path()
    run = Path(path) / "bundle"
    bundle = Bundle.load(run if run.is_dir() else path)
    names = [info.name for info in bundle.classes]
    predict = PredictOptions(
        flip_tta=options.tta, scales=parse_working_scale(options.working_scale), fusion=options.fusion
    )
    thresholds = None if options.threshold is None else dict.fromkeys(names, options.threshold)
    areas = None if options.min_area is None else dict.fromkeys(names, options.min_area)
    return Inspector(bundle, options=predict, thresholds=thresholds, min_area_px=areas)


def model_facts(inspector: Inspector) -> dict[str, Any]:
    """What was measured: settings in force."""
    return {
        "thresholds": inspector.thresholds,
        "min_area_px": inspector.min_area_px,
        "working_scale": inspector.options.scales,
        "fusion": inspector.options.fusion,
        "flip_tta": inspector.options.flip_tta,
        "name": str(getattr(inspector.bundle.manifest, "name", "")),
    }


def _first(dataset: Dataset, limit: int) -> Dataset:
    return dataset.subset(dataset.names[:limit]) if limit else dataset


def _line(figures: Figures) -> str:
    shown = ", ".join(f"{name} {figures[name]:.4f}" for name in SHOWN[:4])
    return f"{figures['images']} images, {shown}, cldice {figures['cldice']:.4f} ({figures['seconds']:.0f} s)"


def _alarm_line(figures: Figures) -> str:
    rate = figures["image_fp_rate"]
    share = "-" if rate is None else f"{100 * rate:.1f} %"
    return f"{figures['image_fp']} of {figures['images']} with a finding ({share})"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", type=Path, default=None, help="bundle or run folder (default: bundled)")
    parser.add_argument(
        "--train-parts", action="store_true", help="score crack_sc and masonry train only, for choosing"
    )
    parser.add_argument("--part-names", action="store_true", help="write the names of the scored images too")
    parser.add_argument("--working-scale", default="native", help="as in inspect (default native)")
    parser.add_argument("--fusion", default="choose", help="as in inspect (default choose)")
    parser.add_argument("--tta", action="store_true", help="average over flips")
    parser.add_argument("--threshold", type=float, default=None, help="in place of the bundle's own")
    parser.add_argument("--min-area", type=int, default=None, help="in place of the bundle's own, in px")
    parser.add_argument("--limit", type=int, default=0, help="only the first N images of each set (a try)")
    options = parser.parse_args(arguments)
    wanted = [name for name, _ in (CHOOSE if options.train_parts else REPORT)]
    options.data = data_folder(options.data, *wanted, *(() if options.train_parts else (CLEAN_SET,)))
    return options


def main() -> None:
    """Measure everything."""
    measure(parse())


if __name__ == "__main__":
    main()
