"""The capstone's tables on steel strips: both steps, its batch sweep, a learning curve, a gate's time.

Strips of the Severstal form are drawn, half of them clean, the rest with one class each; ``--folder`` takes a
folder of that form instead. `two-step-capstone` is trained on the capstone's split of them (as many images a
class as the rarest has, at most the capstone's 180), and again for each batch size and for fewer training
images a class; validation and test images stay the same. Then its gate is put before a segmenter for several
miss rates, and both are timed on the test images. The result file, and the tables in ``WORK/tables`` as
Markdown and CSV, are written anew after every run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import Figures, add_folder, go_on_with, machine, make_parser, say, write_result, write_table
from crack_budget import Run, run_command

if TYPE_CHECKING:
    from flawscope.bundle import Bundle
    from flawscope.data.dataset import Dataset
    from flawscope.data.split_file import Split

PARTS = ("tables", "sweep", "curve", "gate")
SHOWN = ("loss", "accuracy", "f1_macro", "precision_macro", "recall_macro")
TABLES = {"tables": "steps", "sweep": "batch-sweep", "curve": "learning-curve", "gate": "gate"}
"""Part -> name of its table's files."""
MOST_PER_CLASS = 180
"""Images of each class that the capstone takes, beside four times as many clean ones."""
MIX = "none=50,1=12.5,2=12.5,3=12.5,4=12.5"
SEGMENTER: dict[str, Any] = {"in_channels": 3, "classes": 4, "widths": [16, 32, 64, 128], "prior": [1e-4] * 4}
"""Untrained: its time does not depend on its weights, and it finds nothing that would have to be measured."""


def strips_of(options: argparse.Namespace, run: Run) -> Path:
    """The folder that was named as it is, else strips, drawn once."""
    if options.folder is not None:
        return Path(options.folder)
    data: Path = options.work / "steel"
    if not data.is_dir():
        command = [sys.executable, "-m", "flawscope", "synth", "steel", "--count", options.strips]
        run([*command, "--size", options.strip_size, "--seed", options.seed, "--mix", MIX, "--out", data])
    return data


def capstone_split(dataset: Dataset, seed: int) -> tuple[Split, int]:
    """The capstone's split with as many images a class as the rarest class has, and that number.

    More than the capstone's own number are never taken.
    """
    from flawscope.data.protocols import capstone_binary, labelled
    from flawscope.data.units import find_ties

    images = labelled(dataset, find_ties(dataset))
    alone = [image.classes[0] for image in images if len(image.classes) == 1]
    clean = sum(not image.classes for image in images)
    kinds = sorted(set(alone))
    per_class = min(*(alone.count(kind) for kind in kinds), clean // len(kinds), MOST_PER_CLASS)
    return capstone_binary(images, per_class=per_class, seed=seed), per_class


def with_fewer(split: Split, dataset: Dataset, per_class: int) -> Split:
    """The split with only ``per_class`` training images of each class, and as many clean ones in all."""
    from flawscope.data.mask_labels import as_labels

    labels = {sample.name: sample.labels[0] for sample in as_labels(dataset.subset(split.part("train")))}
    kinds = sorted(set(labels.values()) - {0})
    kept: list[str] = []
    for kind in (0, *kinds):
        names = [name for name in split.part("train") if labels[name] == kind]
        kept += names[: per_class * (1 if kind else len(kinds))]
    return split.model_copy(update={"parts": {**split.parts, "train": tuple(kept)}})


def one_run(options: argparse.Namespace, name: str, split: Split, run: Run, *sets: str) -> Figures:
    """Train the recipe once and measure both steps on the training and the test images.

    What an earlier call measured in the same folder is taken; a run that it did not end begins again.
    """
    out = options.work / name
    scores = {part: out / f"figures-{part}" / "metrics.json" for part in ("train", "test")}
    if not all(path.is_file() for path in scores.values()):
        shutil.rmtree(out, ignore_errors=True)
        _train(options, name, split, run, sets)
        for part, path in scores.items():
            run([sys.executable, "-m", "flawscope", "evaluate", out, options.data_set, "--part", part,
                 "--out", path.parent])  # fmt: skip
    row: Figures = {"run": name}
    for part, path in scores.items():
        metrics = json.loads(path.read_text(encoding="utf-8"))
        row[part] = {
            "accuracy_together": metrics["figures"]["accuracy"]["value"],
            **{
                step: {"images": found["images"], **{key: found["figures"][key]["value"] for key in SHOWN}}
                for step, found in metrics["steps"].items()
            },
        }
    return row


def _train(options: argparse.Namespace, name: str, split: Split, run: Run, sets: Sequence[str]) -> None:
    from flawscope.data.split_file import write_split

    write_split(options.work / f"{name}.json", split)
    command: list[Any] = [sys.executable, "-m", "flawscope", "train", options.recipe]
    command += ["--data", options.data_set, "--split", options.work / f"{name}.json"]
    command += ["--seed", options.seed, "--out", options.work / name]
    size = [f"input.size_hw=[{options.size[0]}, {options.size[1]}]", f"train.epochs={options.epochs}"]
    for text in (*size, *options.set_option, *sets):
        command += ["--set", text]
    run(command)


def batches(gate: int, classes: int) -> list[str]:
    """The keys of the batch sizes of both steps."""
    return [f"two_step.gate.train.batch={gate}", f"train.batch={classes}"]


def gate_figures(
    options: argparse.Namespace, dataset: Dataset, split: Split, run_folder: Path
) -> list[Figures]:
    """What a gate before a segmenter spares and misses on the test images, and what time that saves.

    Times are of whole inspections that write a table and no pictures.
    """
    from flawscope.bundle import Bundle
    from flawscope.data.mask_labels import CLEAN, as_labels
    from flawscope.evaluation.gate_report import choose_gate
    from flawscope.inspection.bench import BenchSettings, bench
    from flawscope.inspection.gate import with_gate
    from flawscope.inspection.inspector import Inspector

    plain = _segmenter(options, dataset)
    gate = Bundle.load(run_folder / "gate" / "bundle")
    test = as_labels(dataset.subset(split.part("test")))
    images = [(sample.image(), sample.labels != (CLEAN.id,)) for sample in test]
    paths = tuple(Path(sample.image_path) for sample in test)
    settings = BenchSettings(paths, formats=("csv",), repeats=options.repeats)
    rows = []
    for level in options.levels:
        report = choose_gate(plain, gate, dataset, split, "val", level)
        gated = with_gate(plain, gate, report.chosen, options.work / f"gated-{level:g}")
        behind = Inspector(gated)
        found = [behind.inspect(image).spared for image, _ in images]
        saving = bench([gated], Inspector, settings).gate
        assert saving is not None
        rows.append(
            {
                "level": level,
                "threshold": report.cut.threshold,
                "images": len(images),
                "defective": sum(bad for _, bad in images),
                "missed": sum(spared and bad for spared, (_, bad) in zip(found, images, strict=True)),
                "spared": sum(spared and not bad for spared, (_, bad) in zip(found, images, strict=True)),
                "ms_an_image_without": saving.without_ms,
                "ms_an_image_with": saving.with_ms,
                "time_saved": saving.time_saved,
            }
        )
    return rows


def _segmenter(options: argparse.Namespace, dataset: Dataset) -> Bundle:
    from flawscope.bundle import Bundle
    from flawscope.manifest import InputSpec
    from flawscope.models.build import build_model
    from flawscope.training.bundle_writer import write_bundle

    if options.segmenter is not None:
        return Bundle.load(options.segmenter)
    spec = InputSpec(mode="resize", factor=0.5, stride_multiple=8)
    network = build_model("unet", **SEGMENTER)
    stored = {key: value for key, value in SEGMENTER.items() if key != "prior"}
    return write_bundle(
        network, network_name="unet", network_options=stored, classes=dataset.classes, input_spec=spec,
        out=options.work / "segmenter", parity_images=[dataset[0].image()], multi_label=True,
    )  # fmt: skip


def tell(row: Figures) -> None:
    """Two lines a run: each step on the test images."""
    for step in ("gate", "classes"):
        if step in row["test"]:
            shown = "  ".join(f"{key} {row['test'][step][key]:.3f}" for key in SHOWN)
            say(f"{row['run']:<14} {step:<8} {shown}")


def write_tables(options: argparse.Namespace, part: str, figures: Figures) -> None:
    """The rows of one part so far as ``WORK/tables/NAME.csv`` and ``.md``: a line a run, part and step."""
    rows, path = figures[part], options.work / "tables" / TABLES[part]
    if part == "gate":
        write_table(path, list(rows[0]), rows)
        return
    if part == "curve":  # all images are the run of the tables
        rows = [*rows, *figures.get("tables", ())]
    lines = [
        {"run": row["run"], "on": on, "step": step, **row[on][step], "both": row[on]["accuracy_together"]}
        for row in rows
        for step in ("gate", "classes")
        for on in ("train", "test")
        if step in row[on]
    ]
    write_table(path, ["run", "step", "on", "images", *SHOWN, "both"], lines)


def run_all(options: argparse.Namespace, run: Run = run_command) -> Figures:
    """All parts that were asked for; the result file is complete as far as it goes at any moment."""
    from flawscope.data.open import open_dataset

    facts = machine()
    options.data_set = strips_of(options, run)
    dataset = open_dataset(options.data_set)
    split, per_class = capstone_split(dataset, options.seed)
    figures: Figures = {
        "strips": len(dataset),
        "drawn": options.folder is None,
        "per_class": per_class,
        "size_hw": list(options.size),
        "epochs": options.epochs,
        "parts": {part: len(names) for part, names in split.parts.items()},
        "seed": options.seed,
    }

    def add(part: str, row: Figures) -> None:
        figures.setdefault(part, []).append(row)
        write_result(options.json, figures, facts)
        write_tables(options, part, figures)

    def train(part: str, name: str, used: Split, *sets: str) -> None:
        row = one_run(options, name, used, run, *sets)
        tell(row)
        add(part, row)

    if "tables" in options.parts or "gate" in options.parts:
        train("tables", "capstone", split, *batches(32, 16))
    if "sweep" in options.parts:
        for size in options.batches:
            train("sweep", f"batch-{size}", split, *batches(size, size))
    if "curve" in options.parts:
        for count in options.per_class:
            train("curve", f"images-{count}", with_fewer(split, dataset, count), *batches(32, 16))
    if "gate" in options.parts:
        for row in gate_figures(options, dataset, split, options.work / "capstone"):
            say(
                f"miss rate {row['level']:g}: {row['spared']} of {row['images'] - row['defective']} clean "
                f"strips spared, {row['missed']} of {row['defective']} missed, "
                f"{row['ms_an_image_without']:.1f} -> {row['ms_an_image_with']:.1f} ms a strip"
            )
            add("gate", row)
    return figures


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__, data=False)
    add_folder(parser)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for strips, runs and tables; goes on there"
    )
    parser.add_argument("--strips", type=int, default=500, help="default 500")
    parser.add_argument("--strip-size", default="256x1600", help="default 256x1600")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(256, 512), metavar=("H", "W"), help="input; default 256 512"
    )
    parser.add_argument("--epochs", type=int, default=30, help="default 30")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32], help="default 8 16 32")
    parser.add_argument(
        "--per-class", type=int, nargs="+", default=[5, 10, 20], help="of the curve; all is the table's run"
    )
    parser.add_argument("--levels", type=float, nargs="+", default=[0.1, 0.2], help="miss rates")
    parser.add_argument("--repeats", type=int, default=3, help="of each timing; default 3")
    parser.add_argument("--segmenter", type=Path, default=None, help="bundle behind the gate; else untrained")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--recipe", default="two-step-capstone")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--set-option", action="append", default=[], metavar="a.b=c", help="for train --set")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    shared = ("folder", "strips", "strip_size", "size", "epochs", "recipe", "seed", "set_option")
    go_on_with(options.work, {name: getattr(options, name) for name in shared})
    return options


def main() -> None:
    """Run everything."""
    run_all(parse())


if __name__ == "__main__":
    main()
