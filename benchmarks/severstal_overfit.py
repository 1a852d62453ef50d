"""Ten real strips of Severstal learned by heart, and a submission that decodes to the very masks.

A small U-Net trains on all ten images and is scored on the same ones: no figure of quality, but proof that
reading, training, bundle, inspection and run lengths fit together on real files.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import Figures, data_folder, machine, make_parser, say, write_result

SETTINGS: dict[str, Any] = {
    "recipe": "severstal-overfit",
    "model": {
        "name": "unet",
        "options": {"widths": [24, 48, 96, 192], "stem": "space_to_depth"},
        "prior": "data",
    },
    # At half size a crop costs a quarter and shows four times as much.
    "input": {"mode": "resize", "size_hw": [128, 800]},
    "data": {"crop_px": 128, "crops_per_image": 16, "positive_share": 0.8},
    # Classes 1 and 2 are a few hundred pixels: Dice would push them to nothing where a batch has none.
    "loss": [{"name": "bce", "options": {"pos_weight": [10.0, 20.0, 2.0, 1.0]}}],
    "augment": {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0},
    "optimiser": {"name": "adamw", "lr": 0.002},
    "schedule": {"name": "onecycle", "options": {"rise": 0.1}},
    "train": {"batch": 8, "ema_decay": 0.98, "grad_clip": 1.0, "keep": "last", "validate_every": 100},
    "validation": {"threshold_rule": "f1"},
    "bundle": {"overlaps": True},
}


def overfit(options: argparse.Namespace, work: Path) -> Figures:
    """Train on every image and score on every image."""
    from flawscope.data.open import open_dataset
    from flawscope.data.split_file import Split
    from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
    from flawscope.training.config_load import parse_config
    from flawscope.training.run import train

    folder = options.data / options.set
    dataset = open_dataset(folder)
    settings = {name: dict(part) if isinstance(part, dict) else part for name, part in SETTINGS.items()}
    settings["train"] |= {"steps": options.steps} if options.steps else {"minutes": options.minutes}
    split = Split(parts={"train": dataset.names, "val": dataset.names})
    began = time.time()
    run = train(parse_config(settings), dataset, work / "run", split=split, started_s=began)
    seconds = time.time() - began
    found = evaluate(run.bundle, dataset, part="all", options=EvaluateOptions(gallery=4, draws=0))
    found.write(work / "evaluation")
    values = found.to_dict()
    dice = {name: figures["f1_pooled"]["value"] for name, figures in values["classes"].items()}
    return {
        "images": values["images"],
        "steps": run.progress.step,
        "seconds": seconds,
        **{
            name: values["figures"][name]["value"]
            for name in ("f1_pooled", "dice_competition", "exact_match")
        },
        "dice_of_classes": {name: value for name, value in dice.items() if name != "background"},
        **submitted(run.bundle, folder, work),
    }


def submitted(bundle: Path, folder: Path, work: Path) -> Figures:
    """Inspect the images, write both forms, read them back, compare with the masks pixel by pixel."""
    from flawscope.data.open import open_dataset
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.run import RunSettings, inspect_folder

    out = work / "inspection"
    forms = ("submission", "submission-joined")
    inspect_folder(Inspector(bundle), RunSettings((folder / "train_images",), out, ("masks", *forms)))
    figures: Figures = {}
    for form in forms:
        again = work / form
        shutil.copytree(folder / "train_images", again / "train_images")
        shutil.copyfile(out / f"{form}.csv", again / "train.csv")
        same = [_same(sample.name, sample.mask, out / "masks") for sample in open_dataset(again)]
        figures[f"{form}_rows"] = len((out / f"{form}.csv").read_text(encoding="utf-8").splitlines()) - 1
        figures[f"{form}_decodes_to_the_masks"] = all(same)
    return figures


def _same(name: str, decoded: Any, masks: Path) -> bool:
    """Whether every class of a decoded mask is what the inspection wrote."""
    for class_id in range(1, 5):
        own = masks / f"{name}.c{class_id}.png"
        wanted = np.asarray(Image.open(own)) > 0 if own.is_file() else _mask(masks, name) == class_id
        plane = decoded == class_id if decoded.ndim == 2 else decoded[..., class_id - 1]
        if not np.array_equal(np.asarray(plane, bool), wanted):
            return False
    return True


def _mask(masks: Path, name: str) -> Any:
    return np.asarray(Image.open(masks / f"{name}.png"))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--set", default="severstal_10", help="image set (default severstal_10)")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of training (default 10)")
    parser.add_argument("--steps", type=int, default=0, help="steps instead of minutes")
    parser.add_argument(
        "--work", type=Path, default=None, help="folder for run and submission; else temporary"
    )
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, options.set).resolve()
    return options


def run_all(options: argparse.Namespace) -> Figures:
    """Everything, and the result file."""
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        figures = overfit(options, work)
    write_result(options.json, figures, machine())
    say(
        f"{figures['images']} images, {figures['steps']} steps in {figures['seconds']:.0f} s: Dice "
        f"{figures['f1_pooled']:.3f} (mean of the classes), competition's {figures['dice_competition']:.3f}; "
        f"submission decodes to the same masks: {figures['submission_decodes_to_the_masks']}, "
        f"{figures['submission-joined_decodes_to_the_masks']}"
    )
    return figures


def main() -> None:
    """Run it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_all(parse())


if __name__ == "__main__":
    main()
