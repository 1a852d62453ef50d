"""The Full Attention paper's verification experiment on the ISBI 2012 cells, and what it says when held out.

Its four networks are trained as the recipes say and scored three ways: on the 30 images they were trained on
(the set has no labelled test part, so the paper's figures may be that), on the 6 that `split.json` keeps
apart, and over its five folds. Then the same four with a sane learning rate and so many quiet minutes each,
with 95 % limits over images, of each network and of its difference to the best one on the same images. Full
width and the fourfold set need an accelerator (`--width 64 --flips every`); a CPU takes width 8 and draws the
flips at random. The result file is written anew after every run; the same call goes on where it was cut.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from common import Figures, data_folder, go_on_with, machine, make_parser, say, write_result
from crack_budget import Measure, Run, budget, measure_apart, run_command, wall_minutes
from kept import Rows, make_whole, quiet_minute_before, times_cut, train

SET = "isbi2012_em"
NETWORKS = {
    "U-net": "attention-unet",
    "Attention U-net": "attention-attention",
    "Advanced Attention U-net": "attention-advanced",
    "Full Attention U-net": "attention-full",
}
"""The paper's names, and our recipes."""
PRINTED = {
    "U-net": 85.59, "Attention U-net": 90.85, "Advanced Attention U-net": 85.88, "Full Attention U-net": 90.02
}  # fmt: skip
"""mIoU in % as printed: IoU of the cells, mean over images (docs/decisions/0004)."""
FILLER = "filler"
SHOWN = ("iou_image_mean", "miou_image_mean", "iou_pooled", "f1_pooled")
SANE = (
    "optimiser={ name = 'adamw', lr = 0.002 }", "schedule={ name = 'onecycle' }", "data.crop_px=256",
    "data.crops_per_image=4", "train.batch=4", "augment.four_flips='random'", "augment.rotate90=0.5",
    "input={ mode = 'tile', size_px = 512, halo_px = 0, blend_px = 0 }",
)  # fmt: skip
"""What minutes need, the same for all four networks."""


def prepare(data: Path, out: Path) -> Path:
    """Copy the set and add one drawn image that alone validates, so that every real image may train.

    Nothing is chosen on that image: the last weights are kept and the threshold is 0.5. Returns ``out``.
    """
    import numpy as np
    from PIL import Image

    shutil.copytree(data / SET / "train", out / "train")
    size = Image.open(next((out / "train" / "image").glob("*.png"))).size
    noise = np.random.default_rng(0).integers(120, 200, (size[1], size[0]), dtype=np.uint8)
    label = np.full_like(noise, 255)
    label[::16] = 0
    noise[::16] = 40
    Image.fromarray(noise).save(out / "train" / "image" / f"{FILLER}.png")
    Image.fromarray(label).save(out / "train" / "label" / f"{FILLER}.png")
    return out


def protocols(data: Path, wanted: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Name of a run -> its parts: ``all`` (tested on what it saw), ``held-out``, ``fold-0`` and so on."""
    split = json.loads((data / SET / "split.json").read_text(encoding="utf-8"))
    train, test, folds = split["parts"]["train"], split["parts"]["test"], split["folds"]
    names = [*train, *test]
    runs: dict[str, dict[str, list[str]]] = {}
    if "all" in wanted:
        runs["all"] = {"train": names, "test": names}
    if "held-out" in wanted:
        runs["held-out"] = {"train": train, "test": test}
    if "folds" in wanted:
        for number, fold in enumerate(folds):
            runs[f"fold-{number}"] = {"train": [name for name in names if name not in fold], "test": fold}
    return runs


def write_splits(parts: dict[str, list[str]], folder: Path) -> tuple[Path, Path]:
    """Split files for training and for scoring: no file may name an image twice, and ``all`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "split-train.json", folder / "split-test.json"
    for path, content in zip(
        paths, ({"train": parts["train"], "val": [FILLER]}, {"test": parts["test"]}), strict=True
    ):
        path.write_text(json.dumps({"schema": 1, "parts": content}), encoding="utf-8")
    return paths


def train_command(
    options: argparse.Namespace, data: Path, recipe: str, split: Path, out: Path, minutes: float | None
) -> list[str]:
    """The call of `flawscope train` for one run: the paper's settings, or sane ones with a budget."""
    command = [sys.executable, "-m", "flawscope", "train", recipe, "--data", str(data), "--split", str(split)]
    command += ["--seed", str(options.seed), "--out", str(out)]
    sets = [f"model.options.base_width={options.width}", f"augment.four_flips='{options.flips}'"]
    if minutes is None:
        sets.append(f"train.epochs={options.epochs}")
    else:
        sets += SANE
        command += ["--minutes", f"{minutes:.3f}"]
    for text in (*sets, *options.set_option):
        command += ["--set", text]
    return command


def one_run(
    options: argparse.Namespace, name: str, protocol: str, parts: dict[str, list[str]], run: Run,
    measure: Measure,
) -> Figures:  # fmt: skip
    """Train one network by one protocol, and score it. ``sane`` is ``held-out`` with a budget of minutes."""
    sane = protocol == "sane"
    out = run_folder(options, name, protocol)
    for_training, for_scoring = write_splits(parts, options.work / "splits" / protocol)
    before_s = quiet_minute_before(out, measure) if sane else 0.0
    minutes = wall_minutes(options.quiet_minutes, before_s) if sane else None
    train(train_command(options, options.prepared, NETWORKS[name], for_training, out, minutes), out, run)
    scored = out / "evaluation"
    if not (scored / "metrics.json").is_file():
        run([sys.executable, "-m", "flawscope", "evaluate", out, options.prepared, "--split", for_scoring,
             "--part", "test", "--out", scored])  # fmt: skip
    figures = json.loads((scored / "metrics.json").read_text(encoding="utf-8"))["figures"]
    progress = json.loads((out / "checkpoints" / "last.json").read_text(encoding="utf-8"))["progress"]
    spent = budget(float(progress["elapsed_s"]), before_s, measure()) if sane else {}
    return {
        "network": name,
        "protocol": protocol,
        "steps": progress["step"],
        "stopped": progress.get("stopped", ""),
        "went_on": times_cut(out),
        "seconds": progress["elapsed_s"],
        **spent,
        **{key: figures[key]["value"] for key in SHOWN},
        **{f"{key}_limits": [figures[key].get("low"), figures[key].get("high")] for key in SHOWN},
    }


def run_folder(options: argparse.Namespace, name: str, protocol: str) -> Path:
    """Where a run lies."""
    work = Path(options.work)
    return work / f"{NETWORKS[name]}-{protocol}-width{options.width}-seed{options.seed}"


def image_ious(scored: Path) -> dict[str, float]:
    """IoU of the cells in each image of an evaluation, by the image's name."""
    with (scored / "images.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: float(row["iou"]) for row in csv.DictReader(file) if row["iou"]}


def less_than_best(ious: Mapping[str, Mapping[str, float]], draws: int = 10_000) -> Figures:
    """Which network has the largest mean IoU, and what the others lack, in % with 95 % limits over images.

    Every draw takes the same images of both networks: what makes an image hard is in neither's way. Networks
    are told apart where the limits leave out 0. Each was trained once: another seed may change more.
    """
    import numpy as np

    from flawscope.evaluation.bootstrap import resampled_limits

    images = sorted(set.intersection(*(set(one) for one in ious.values())))
    columns = {name: np.array([100 * one[image] for image in images]) for name, one in ious.items()}
    best = max(columns, key=lambda name: float(columns[name].mean()))
    out: Figures = {"best": best, "images": len(images), "others": {}}
    for name, column in columns.items():
        if name != best:
            sums = {"lack": column - columns[best], "count": np.ones(len(images))}
            limits = resampled_limits(
                sums, lambda drawn: {"lack": drawn["lack"] / drawn["count"]}, draws=draws
            )
            low, high = limits["lack"]
            out["others"][name] = {
                "difference": float(sums["lack"].mean()), "low": low, "high": high, "told_apart": high < 0
            }  # fmt: skip
    return out


def tell_best(found: Figures) -> None:
    """Which network is best with a sane rate, and which cannot be told from it."""
    say(f"sane: {found['best']} has the largest mean IoU of {found['images']} images; less than that have")
    for name, one in found["others"].items():
        end = "" if one["told_apart"] else ": cannot be told apart"
        say(f"  {name:<25} {one['difference']:+.2f} % [{one['low']:+.2f}, {one['high']:+.2f}]{end}")


def table(runs: Sequence[Figures], figure: str = "iou_image_mean") -> dict[str, Figures]:
    """A figure in % of each network by protocol, folds as mean and sd; of the cells with what was printed."""
    rows: dict[str, Figures] = {}
    for name in dict.fromkeys(row["network"] for row in runs):
        own = {row["protocol"]: 100 * row[figure] for row in runs if row["network"] == name}
        folds = [value for protocol, value in own.items() if protocol.startswith("fold-")]
        rows[name] = {"printed": PRINTED[name]} if figure == "iou_image_mean" else {}
        rows[name] |= {key: value for key, value in own.items() if not key.startswith("fold-")}
        if folds:
            rows[name]["folds_mean"] = statistics.fmean(folds)
            rows[name]["folds"] = len(folds)
            rows[name]["folds_sd"] = statistics.stdev(folds) if len(folds) > 1 else 0.0
    return rows


def run_all(options: argparse.Namespace, run: Run = run_command, measure: Measure = measure_apart) -> Figures:
    """All networks and protocols; the result file is complete as far as it goes at any moment."""
    facts = machine()
    rows = Rows(options.work, options.json)
    options.prepared = make_whole(options.work / SET, partial(prepare, options.data))
    figures: Figures = {
        "width": options.width,
        "flips": options.flips,
        "epochs": options.epochs,
        "quiet_minutes": options.quiet_minutes,
        "seed": options.seed,
        "set_options": list(options.set_option),
        "runs": [],
    }
    plans = protocols(options.data, options.protocols)
    if "sane" in options.protocols:
        plans["sane"] = protocols(options.data, ["held-out"])["held-out"]
    for protocol, parts in plans.items():
        for name in options.networks:
            make = partial(one_run, options, name, protocol, parts, run, measure)
            row = rows.take(run_folder(options, name, protocol).name, make)
            figures["runs"] = rows.all()
            figures |= tables(options, figures["runs"])
            write_result(options.json, figures, facts)
            low, high = row["iou_image_mean_limits"]
            limits = "" if low is None else f" [{100 * low:.2f}, {100 * high:.2f}]"
            say(
                f"{name:<25} {protocol:<9} mIoU {100 * row['iou_image_mean']:.2f} %{limits}, printed "
                f"{PRINTED[name]}; {row['steps']} steps, {row['seconds']:.0f} s"
            )
    if "sane_best" in figures:
        tell_best(figures["sane_best"])
    for protocol in [name for name in ("held-out", "sane") if name in plans]:
        say(f"{protocol}, side by side: {draw_gallery(options, protocol)}")
    return figures


def draw_gallery(options: argparse.Namespace, protocol: str) -> Path:
    """One page as the paper's figure 8: images that were held out, their truth, and a column a network."""
    from flawscope.data.open import open_dataset
    from flawscope.data.split_file import load_split
    from flawscope.evaluation.side_by_side import write_side_by_side
    from flawscope.evaluation.table_runs import Trial, Wanted

    rows = [Wanted(name, run_folder(options, name, protocol) / "bundle") for name in options.networks]
    split = load_split(options.work / "splits" / protocol / "split-test.json")
    path: Path = options.work / f"side-by-side-{protocol}.html"
    write_side_by_side(path, rows, Trial(open_dataset(options.prepared), split), each=6)
    return path


def tables(options: argparse.Namespace, runs: Sequence[Figures]) -> Figures:
    """What is told of all runs so far."""
    out: Figures = {"table": table(runs), "table_with_background": table(runs, "miou_image_mean")}
    sane = [row["network"] for row in runs if row["protocol"] == "sane"]
    if len(sane) > 1:
        ious = {name: image_ious(run_folder(options, name, "sane") / "evaluation") for name in sane}
        out["sane_best"] = less_than_best(ious)
    return out


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--width", type=int, default=8, help="channels of the finest level (default 8)")
    parser.add_argument(
        "--flips", choices=("every", "random"), default="random", help="default random, a quarter of the work"
    )
    parser.add_argument("--epochs", type=int, default=50, help="of the paper's experiment (default 50)")
    parser.add_argument(
        "--protocols", nargs="+", choices=("all", "held-out", "folds", "sane"),
        default=["all", "held-out", "folds", "sane"], help="default: all four",
    )  # fmt: skip
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--quiet-minutes", type=float, default=10.0, help="budget of `sane` (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--set-option", action="append", default=[], metavar="a.b=c", help="for train --set")
    parser.add_argument("--work", type=Path, required=True, help="folder of set and runs; goes on there")
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, SET).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    shared = ("width", "flips", "epochs", "quiet_minutes", "seed", "set_option")
    go_on_with(options.work, {name: getattr(options, name) for name in shared})
    return options


def main() -> None:
    """Run everything."""
    run_all(parse())


if __name__ == "__main__":
    main()
