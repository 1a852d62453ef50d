"""Five folds of steel by both protocols: the honest one, and the thesis's with its two leaks.

Strips are drawn, or taken from a folder of the Severstal form (``--folder``), and split as the thesis splits
(some of each class alone and some with several to test on, none clean). Every network is trained on the same
folds by each protocol, as a user would: `flawscope train --folds`. The tables of figures 61 and 65 with our
rows go to ``WORK/tables``, the figures of ``folds.csv`` to the result file, which is complete as far as it
goes at any moment. `copies` and `weights` show either leak alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from common import Figures, add_folder, go_on_with, machine, make_parser, say, write_result
from crack_budget import Command, measure_apart, run_command, wall_minutes

PROTOCOLS = {
    "honest": (),
    "thesis": ("folds.copies=before", "folds.weights=carried"),
    "copies": ("folds.copies=before",),
    "weights": ("folds.weights=carried",),
}
NETWORKS = {"severstal-unet": "plain U-Net", "severstal-resnet34": "ResNet-34"}
MIX = "1=25,2=15,3=30,4=20,3+4=6,1+3=4"
"""No clean strips, as in the thesis; class 2 is the rare one, class 3 the common one."""

Run = Callable[[Command], None]
Measure = Callable[[], float]


def data_of(options: argparse.Namespace) -> Path:
    """The folder that was named as it is, else that of the drawn strips."""
    return Path(options.folder or options.work / "data")


def make_data(options: argparse.Namespace, run: Run) -> tuple[Path, Path]:
    """Draw the strips and split them; what is there already is taken."""
    data, split = data_of(options), options.work / "split.json"
    if not data.is_dir():
        run([sys.executable, "-m", "flawscope", "synth", "steel", "--count", str(options.images),
             "--size", options.size, "--mix", MIX, "--seed", str(options.seed), "--out", data])  # fmt: skip
    if not split.is_file():
        each = str(options.test_per_class)
        run([sys.executable, "-m", "flawscope", "split", data, "--protocol", "thesis-test",
             "--per-class", each, "--several", each, "--clean", "0", "--folds", str(options.folds),
             "--seed", str(options.seed), "--out", split])  # fmt: skip
    return data, split


def train_command(options: argparse.Namespace, network: str, protocol: str, minutes: float) -> list[str]:
    """The call of `flawscope train` for all folds of one network by one protocol."""
    work = options.work
    command = [sys.executable, "-m", "flawscope", "train", network, "--data", str(data_of(options))]
    command += [
        "--split",
        str(work / "split.json"),
        "--folds",
        str(options.folds),
        "--seed",
        str(options.seed),
    ]
    if not options.steps:
        command += ["--minutes", f"{minutes:.3f}"]
    command += ["--out", str(run_folder(options, network, protocol))]
    sets = [f"input.size_hw={options.input}", f"data.balance.target={options.target}", "train.batch=8"]
    # From scratch in minutes: the head starts from the share of each class, the rate falls to the end.
    sets += ["model.prior=data", "optimiser.lr=0.002", "schedule.name=onecycle"]
    sets += [f"train.steps={options.steps}"] if options.steps else []
    for text in (*sets, *PROTOCOLS[protocol], *options.set_option):
        command += ["--set", text]
    if (run_folder(options, network, protocol) / "fold-0").is_dir():
        command += ["--resume"]
    return command


def run_folder(options: argparse.Namespace, network: str, protocol: str) -> Path:
    """Where the folds of one network by one protocol go."""
    return Path(options.work) / f"{network}-{protocol}"


def budget(options: argparse.Namespace) -> Figures:
    """What a fold may take, by the unit that was asked for."""
    if options.steps:
        return {"steps_a_fold": options.steps}
    if options.minutes:
        return {"minutes_a_fold": options.minutes}
    return {"quiet_minutes_a_fold": options.quiet_minutes}


def whole(folder: Path, folds: int) -> bool:
    """Whether an earlier call ended all folds there; the table is written after each of them."""
    return (folder / "folds.csv").is_file() and str(folds - 1) in told(folder)


def told(folder: Path) -> Figures:
    """The rows of ``folds.csv``: numbers by fold, and mean and sd."""
    with (folder / "folds.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row.pop("fold"): {name: float(cell) for name, cell in row.items() if cell} for row in rows}


def run_all(options: argparse.Namespace, run: Run = run_command, measure: Measure = measure_apart) -> Figures:
    """All networks and protocols, one after another, then the tables."""
    from flawscope.data.split_file import load_split

    facts = machine()
    data, split = make_data(options, run)
    figures: Figures = {"images": len(load_split(split).names()), "drawn": options.folder is None}
    figures |= {**budget(options), "runs": {}}
    done = []
    for network in options.networks:
        for protocol in options.protocols:
            folder = run_folder(options, network, protocol)
            quiet_s = 0.0 if options.steps else measure()
            if not whole(folder, options.folds):
                minutes = options.minutes or wall_minutes(options.quiet_minutes, quiet_s)
                run(train_command(options, network, protocol, minutes))
            found = told(folder)
            figures["runs"][folder.name] = {"quiet_minute_s": quiet_s, **found}
            write_result(options.json, figures, facts)
            say(f"{folder.name}: {summary(found)}")
            done.append(f"{NETWORKS.get(network, network)}, {protocol}={folder}")
    tables = options.work / "tables"
    run([sys.executable, "-m", "flawscope", "table", *done, "--like", "thesis-61,thesis-65", "--data", data,
         "--split", split, "--gallery", "0", "--limits", "--out", tables])  # fmt: skip
    for name in ("thesis-61", "thesis-65"):
        figures[name] = _ours(tables / f"{name}.csv")
    write_result(options.json, figures, facts)
    return figures


def summary(found: Figures) -> str:
    """Dice of validation and test, and what leaks, in a line."""
    mean, last = found["mean"], found[max(name for name in found if name.isdecimal())]
    parts = [f"val Dice {mean['val_dice']:.3f}, test Dice {mean['test_dice']:.3f} (means of folds)"]
    parts.append(f"test Dice of the last fold {last['test_dice']:.3f}")
    if "val_dice_alone" in mean or "val_twins" in mean:
        twins = f"{mean['val_twins']:.0%} of validation images have a copy in training"
        pair = [mean.get(f"val_dice_{name}", float("nan")) for name in ("twins", "alone")]
        parts.append(f"{twins}: Dice {pair[0]:.3f} on them, {pair[1]:.3f} on the others")
    if "val_dice_start" in mean:
        parts.append(
            f"Dice before a fold's first step {mean['val_dice_start']:.3f} (from the second fold on)"
        )
    return "; ".join(parts)


def _ours(path: Path) -> list[Figures]:
    with path.open(encoding="utf-8", newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if row["from"] == "ours"]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__, data=False)
    add_folder(parser)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for data, runs and tables; goes on there"
    )
    parser.add_argument("--images", type=int, default=500, help="strips drawn (default 500)")
    parser.add_argument("--size", default="256x1600", help="their size (default 256x1600)")
    parser.add_argument("--input", default="[64, 400]", help="size that networks see (default [64, 400])")
    parser.add_argument("--folds", type=int, default=5, help="default 5")
    parser.add_argument("--quiet-minutes", type=float, default=5.0, help="budget of each fold (default 5)")
    parser.add_argument("--minutes", type=float, default=0.0, help="minutes of the clock a fold, instead")
    parser.add_argument("--steps", type=int, default=0, help="steps of each fold instead of minutes")
    parser.add_argument("--target", type=int, default=150, help="images a class, balanced (default 150)")
    parser.add_argument(
        "--test-per-class", type=int, default=15, help="test images of each kind (default 15; the thesis: 50)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="recipes (default: both)")
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), default=["honest", "thesis"])
    parser.add_argument(
        "--set-option", action="append", default=[], metavar="a.b=c", help="handed to train as --set"
    )
    options = parser.parse_args(arguments)
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    shared = ("folder", "images", "size", "input", "folds", "quiet_minutes", "minutes", "steps", "target")
    shared += ("test_per_class", "seed", "set_option")
    go_on_with(options.work, {name: getattr(options, name) for name in shared})
    return options


def main() -> None:
    """Run it and print the figures."""
    say(json.dumps(run_all(parse())["thesis-61"], indent=1))


if __name__ == "__main__":
    main()
