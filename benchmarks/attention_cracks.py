"""The Full Attention paper's validation experiment on drawn photographs, with all that fooled its networks.

Photographs of painted steel and concrete are drawn at many times the network's size (`--times 12`: 4632 x
3072), each with handwriting, a chalk curve beside a crack and a weld seam, and shrunk to 386 x 256 by the
recipe `attention-full-cracks`.
The Full Attention U-Net is trained for few and for many epochs (its rate is constant: an early and a late
checkpoint of one course), the other three networks for many. Each is tried at 386 x 256 and at 682 x 256, on
several metrics and on clean pictures with one kind of mark each, and drawn side by side. The result file is
written anew after every run; the same call goes on where it was cut.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import Figures, fail, go_on_with, machine, make_parser, say, write_result
from crack_budget import Run, run_command
from kept import Rows, make_whole, times_cut, train

if TYPE_CHECKING:
    from flawscope.data.synthetic.concrete import ConcreteOptions

NETWORKS = {
    "U-net": "unet",
    "Attention U-net": "attention-unet",
    "Advanced Attention U-net": "attention-unet-advanced",
    "Full Attention U-net": "attention-unet-full",
}
"""The paper's names, and ours."""
FULL = "Full Attention U-net"
PRINTED = {"best": 49.67, "incompletely trained": 46.54, "overtrained": 48.92}
"""IoU of the crack in %, of the test part and of one photograph by two checkpoints (docs/decisions/0004)."""

TRAIN_HW, TEST_HW = (256, 386), (256, 682)
MARKS = ("handwriting", "chalk-along", "weld-seam")
"""What every photograph carries besides what comes by chance."""
_SEED = 31_000

SHOWN = {
    "iou": ("figures", "iou_image_mean"), "miou_with_background": ("figures", "miou_image_mean"),
    "precision": ("figures", "precision_image_mean"), "recall": ("figures", "recall_image_mean"),
    "iou_pooled": ("figures", "iou_pooled"), "f1_tol2": ("figures", "f1_tol2_pooled"),
    "cldice": ("figures", "cldice"), "fp": ("figures", "image_fp"), "fn": ("figures", "image_fn"),
}  # fmt: skip


def photograph_options(marks: Sequence[str], clean: bool, times: int) -> ConcreteOptions:
    """How photographs are drawn: marks in each of them, cracks .5 to 4 px wide once they are shrunk."""
    from flawscope.data.synthetic.concrete import ConcreteOptions
    from flawscope.data.synthetic.cracks import CrackOptions

    return ConcreteOptions(
        clean_share=float(clean),
        materials={"painted-steel": 0.6, "concrete": 0.4},
        rescale_share=0.0,
        distractors=not clean,
        always=tuple(marks),
        cracks=CrackOptions(width_px=(times / 2, 4.0 * times)),
    )


def draw_set(out: Path, train: int, test: int, clean_each: int, times: int) -> Path:
    """Write `images`, `masks` and `split.json`; the part `MARK` holds clean pictures with that mark alone.

    Pictures whose cracks nobody could see are drawn again with another seed. Returns ``out``.
    """
    parts: dict[str, list[str]] = {"train": [], "test": []}
    seed = _SEED
    for part, count in (("train", train), ("test", test)):
        while len(parts[part]) < count:
            seed += 1
            name = f"{part}_{len(parts[part]):03d}"
            if _draw(out, name, seed, MARKS, times, clean=False):
                parts[part].append(name)
    for mark in (*MARKS, "none"):
        names = [f"{mark}_{number:03d}" for number in range(clean_each)]
        for number, name in enumerate(names):
            _draw(out, name, _SEED - 1 - number, () if mark == "none" else (mark,), times, clean=True)
        parts[mark] = names
    (out / "split.json").write_text(json.dumps({"schema": 1, "parts": parts}), encoding="utf-8")
    return out


def _draw(out: Path, name: str, seed: int, marks: Sequence[str], times: int, clean: bool) -> bool:
    """Draw one picture and its mask; says whether it is written: with a visible crack, unless it is clean."""
    import numpy as np
    from PIL import Image

    from flawscope.data.synthetic.concrete import render_concrete

    size_hw = times * TRAIN_HW[0], times * TRAIN_HW[1]
    drawn = render_concrete(seed, size_hw, photograph_options(marks, clean, times))
    if not clean and not drawn.mask.any():
        return False
    for folder, picture in (("images", drawn.image), ("masks", drawn.mask.astype(np.uint8) * 255)):
        (out / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(out / folder / f"{name}.png", compress_level=1)
    return True


def train_command(options: argparse.Namespace, data: Path, network: str, epochs: int, out: Path) -> list[str]:
    """The call of `flawscope train` for one run."""
    command = [sys.executable, "-m", "flawscope", "train", "attention-full-cracks", "--data", str(data)]
    command += ["--seed", str(options.seed), "--out", str(out)]
    sets = (
        f"model.name={NETWORKS[network]}",
        f"model.options.base_width={options.width}",
        f"augment.four_flips='{options.flips}'",
        f"train.epochs={epochs}",
    )
    for text in (*sets, *options.set_option):
        command += ["--set", text]
    return command


def at_training_size(bundle: Path, out: Path) -> Path:
    """Write the bundle, which works at 682 x 256, again with an input of 386 x 256."""
    from flawscope.bundle import Bundle, write_bundle_folder

    found = Bundle.load(bundle)
    spec = found.manifest.input.model_copy(update={"size_hw": TRAIN_HW})
    stage = found.stage()
    paths = {name: found.file(stage, role) for role, name in stage.files.items()}
    files: dict[str, bytes | Path] = {name: path for name, path in paths.items() if path is not None}
    write_bundle_folder(out, found.manifest.model_copy(update={"input": spec}), files)
    return out


def try_model(model: Path, data: Path) -> Figures:
    """Figures on the part `test`, counted on the network's grid, and the share of wrong pixels by mark."""
    from flawscope.bundle import Bundle
    from flawscope.data.open import open_dataset
    from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
    from flawscope.inspection.inspector import Inspector

    inspector = Inspector(Bundle.load(model))
    dataset = open_dataset(data)
    options = EvaluateOptions(gallery=0)
    metrics = evaluate(inspector, dataset, None, "test", "network", options=options).to_dict()
    figures: Figures = {name: metrics[group][key]["value"] for name, (group, key) in SHOWN.items()}
    figures["iou_limits"] = [metrics["figures"]["iou_image_mean"][key] for key in ("low", "high")]
    figures["false_per_mille"] = {
        mark: 1000 * _marked_share(inspector, dataset.part(mark).samples) for mark in (*MARKS, "none")
    }
    return figures


def _marked_share(inspector: Any, samples: Sequence[Any]) -> float:
    """Share of all pixels of clean pictures that are called crack."""
    import numpy as np

    return float(np.mean([(inspector.predict(sample.image()).mask == 1).mean() for sample in samples]))


def run_folder(options: argparse.Namespace, network: str, epochs: int) -> Path:
    """Where a run lies."""
    work: Path = options.work
    return work / f"{NETWORKS[network]}-epochs{epochs}-width{options.width}-seed{options.seed}"


def one_run(options: argparse.Namespace, data: Path, network: str, epochs: int, run: Run) -> Figures:
    """Train one network for so many epochs, and try it at both sizes."""
    out = run_folder(options, network, epochs)
    train(train_command(options, data, network, epochs, out), out, run)
    progress = json.loads((out / "checkpoints" / "last.json").read_text(encoding="utf-8"))["progress"]
    return {
        "network": network,
        "epochs": epochs,
        "steps": progress["step"],
        "went_on": times_cut(out),
        "seconds": progress["elapsed_s"],
        "train_loss": progress["history"][-1].get("train_loss") if progress["history"] else None,
        "at_386x256": try_model(at_training_size(out / "bundle", out / "bundle-386x256"), data),
        "at_682x256": try_model(out / "bundle", data),
    }


def draw_gallery(options: argparse.Namespace, data: Path, runs: Sequence[Figures]) -> Path:
    """One page as the paper's figure 9, at 682 x 256: image, truth, and a column a run."""
    from flawscope.data.open import open_dataset
    from flawscope.evaluation.side_by_side import write_side_by_side
    from flawscope.evaluation.table_runs import Trial, Wanted

    wanted = [
        Wanted(
            f"{row['network']}, {row['epochs']} epochs",
            run_folder(options, row["network"], row["epochs"]) / "bundle",
        )
        for row in runs
    ]
    path: Path = options.work / "side-by-side.html"
    write_side_by_side(path, wanted, Trial(open_dataset(data), part="test"), each=6)
    return path


def run_all(options: argparse.Namespace, run: Run = run_command) -> Figures:
    """All checkpoints and networks; the result file is complete as far as it goes at any moment."""
    facts = machine()
    rows = Rows(options.work, options.json)
    data = make_whole(
        options.work / "photographs",
        lambda out: draw_set(out, options.train, options.test, options.clean, options.times),
    )
    figures: Figures = {
        "width": options.width,
        "flips": options.flips,
        "seed": options.seed,
        "set_options": list(options.set_option),
        "photographs": {
            "train": options.train,
            "test": options.test,
            "clean_each": options.clean,
            "times": options.times,
        },
        "printed_iou_percent": PRINTED,
        "runs": [],
    }
    plan = [(FULL, epochs) for epochs in options.epochs]
    plan += [(name, options.epochs[-1]) for name in NETWORKS if name != FULL]
    for network, epochs in plan:
        name = run_folder(options, network, epochs).name
        row = rows.take(name, partial(one_run, options, data, network, epochs, run))
        figures["runs"] = rows.all()
        write_result(options.json, figures, facts)
        tell(row)
    say(f"side by side: {draw_gallery(options, data, figures['runs'])}")
    return figures


def tell(row: Figures) -> None:
    """A line a size."""
    for size in ("at_386x256", "at_682x256"):
        one = row[size]
        shown = " ".join(f"{key} {_text(one[key])}" for key in SHOWN)
        wrong = ", ".join(f"{mark} {_text(value)}" for mark, value in one["false_per_mille"].items())
        say(f"{row['network']:<25} {row['epochs']:>4} epochs {size}: {shown}; false per mille: {wrong}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--width", type=int, default=8, help="channels of the finest level (default 8)")
    parser.add_argument("--flips", choices=("every", "random"), default="random", help="default random")
    parser.add_argument(
        "--epochs", type=int, nargs="+", default=[5, 50, 200], help="early to late (default 5 50 200)"
    )
    parser.add_argument("--train", type=int, default=101, help="photographs to train on (default 101)")
    parser.add_argument("--test", type=int, default=40, help="photographs to try on (default 40)")
    parser.add_argument("--clean", type=int, default=20, help="clean pictures of each kind of mark")
    parser.add_argument(
        "--times", type=int, default=6, help="how many times 386 x 256 photographs are drawn (default 6)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--set-option", action="append", default=[], metavar="a.b=c", help="for train --set")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of photographs and runs; goes on there"
    )
    options = parser.parse_args(arguments)
    if list(options.epochs) != sorted(set(options.epochs)):
        fail(f"--epochs {options.epochs}: expected rising numbers, the early checkpoint first.")
    options.work.mkdir(parents=True, exist_ok=True)
    shared = ("width", "flips", "train", "test", "clean", "times", "seed", "set_option")
    go_on_with(options.work, {name: getattr(options, name) for name in shared})
    return options


def main() -> None:
    """Run everything."""
    run_all(parse())


if __name__ == "__main__":
    main()
