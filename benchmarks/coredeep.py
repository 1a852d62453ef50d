"""What stochastic width does to recall, precision, false alarms, connectivity and widths.

Real sets and synthetic images are merged as one `kaggle-cracks` set with source prefixes and clean images.
For each seed Baseline, Baseline+ and SW are trained for so many quiet minutes each, as a user would run them,
and tried on the part `test`: each at 0.5, SW also at .90 to .98. Then components, clDice, and on synthetic
cracks of known width the widths of what is predicted; at last the paper's tables and a gallery of the first
seed. The result file is written anew after every run; the same call goes on where it was cut.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import Figures, data_folder, go_on_with, machine, make_parser, say, write_result
from crack_budget import Measure, Run, budget, measure_apart, run_command, wall_minutes
from kept import Rows, make_whole, quiet_minute_before, times_cut, train

if TYPE_CHECKING:
    from flawscope.evaluation.metrics import Metrics
    from flawscope.inspection.inspector import Inspector

REAL = {"cfd": "CFD", "crack_sc": "CrackSC", "masonry": "masonry"}
"""Folders of the real sets and the prefixes that they get."""
APPROACHES = {"Baseline": "baseline", "Baseline+": "baseline-plus", "SW": "sw"}
CUTS = tuple(round(0.90 + 0.01 * k, 2) for k in range(9))

NETWORKS = {
    "unet16": ["model.name=unet", "model.options={ widths = [16, 32, 64, 128] }"],
    "resnet18": ["model.options={ encoder = 'resnet18', encoder_weights = 'none' }"],
}
SETTINGS = (
    "input={ mode = 'tile', size_px = 512, halo_px = 64, blend_px = 32 }",
    "data.crop_px=256", "data.crops_per_image=2", "data.positive_share=0.5", "data.balance_sources=true",
    "optimiser.lr=0.002", "schedule={ name = 'onecycle', options = { rise = 0.2 } }",
    "train.monitor=f1_tol2", "train.keep=last", "train.ema_decay=0.99", "train.validate_every=5",
    "model.prior=data",
)  # fmt: skip
"""What minutes on a CPU from random weights need; the approaches differ by the papers' keys only."""

SHOWN = {
    "miou": ("figures", "miou_image_mean"), "mf1": ("figures", "mf1_image_mean"),
    "c_iou": ("figures", "iou_image_mean"),
    "c_p": ("figures", "precision_image_mean"), "c_r": ("figures", "recall_image_mean"),
    "c_f1": ("figures", "f1_image_mean"), "f1_tol2": ("figures", "f1_tol2_pooled"),
    "cldice": ("figures", "cldice"),
    "fp_rate": ("figures", "image_fp_rate"), "fn_rate": ("figures", "image_fn_rate"),
}  # fmt: skip
"""Our short name -> where it stands in metrics.json; all of these have 95 % limits."""
_PHOTOGRAPHS = r"regex:masonry_(.*)_[^_]*$"
"""Patches of a masonry photograph have its name and a last field; limits draw photographs, not patches."""
OF_SOURCES = ("c_iou", "c_r", "f1_tol2", "cldice")
"""What is kept of each source by itself too, as `c_iou_of` and so on."""
COUNTED = {"fp": ("figures", "image_fp"), "fn": ("figures", "image_fn")}
"""Images, as the paper counts them."""


def merge(data: Path, out: Path, synthetic: int, side_px: int = 256, every: int = 1) -> Path:
    """Write the merged set: `train|test/{images,masks}`, stems with prefixes; ``every`` n-th real image only.

    A fifth of the synthetic cracks and of the clean pictures is for testing. Returns ``out``.
    """
    from flawscope.data.open import open_dataset
    from flawscope.data.split_file import load_split
    from flawscope.data.synthetic.stream import SynthStream

    for name, prefix in REAL.items():
        dataset = open_dataset(data / name)
        split = load_split(data / name / "split.json")
        for part in ("train", "test"):
            for sample in dataset.part(part, split).samples[::every]:
                mask = sample.mask
                assert mask is not None
                stem = f"{prefix}_{sample.name.replace('/', '-')}"
                _put(out, part, stem, sample.image(), mask == 1)
    for prefix, clean_share, count in (("synthetic", 0.0, synthetic), ("noncrack", 1.0, synthetic)):
        stream = SynthStream("concrete", 77 + int(clean_share), (side_px, side_px), count, clean_share)
        for number, drawn in enumerate(stream):
            part = "test" if number % 5 == 4 else "train"
            _put(out, part, f"{prefix}_{number:04d}", drawn.image, drawn.mask == 1)
    return out


def _put(out: Path, part: str, stem: str, image: Any, mask: Any) -> None:
    import numpy as np
    from PIL import Image

    name = stem if mask.any() or stem.startswith("noncrack") else f"noncrack_{stem}"
    for folder, picture in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
        path = out / part / folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def train_command(
    options: argparse.Namespace, data: Path, approach: str, seed: int, minutes: float, out: Path
) -> list[str]:
    """The call of `flawscope train` for one run."""
    recipe = f"coredeep-resnet50-{APPROACHES[approach]}"
    command = [sys.executable, "-m", "flawscope", "train", recipe, "--data", str(data), "--seed", str(seed)]
    command += ["--minutes", f"{minutes:.3f}", "--out", str(out), "--skip-bad"]
    for text in (*NETWORKS[options.network], *SETTINGS, *options.set_option):
        command += ["--set", text]
    return command


def one_run(
    options: argparse.Namespace, data: Path, approach: str, seed: int, run: Run, measure: Measure
) -> Figures:
    """Train with one seed and try on the part `test`: figures of every cut."""
    out = run_folder(options, approach, seed)
    before_s = quiet_minute_before(out, measure)
    minutes = wall_minutes(options.quiet_minutes, before_s)
    train(train_command(options, data, approach, seed, minutes, out), out, run)
    after_s = measure()
    progress = json.loads((out / "checkpoints" / "last.json").read_text(encoding="utf-8"))["progress"]
    thresholds = (0.5, *CUTS) if approach == "SW" else (0.5,)
    return {
        "approach": approach,
        "seed": seed,
        "steps": progress["step"],
        "stopped": progress.get("stopped", ""),
        "went_on": times_cut(out),
        **budget(float(progress["elapsed_s"]), before_s, after_s),
        "cuts": try_cuts(out, data, thresholds, options.width_images),
    }


def run_folder(options: argparse.Namespace, approach: str, seed: int) -> Path:
    """Where a run lies."""
    return Path(options.work) / f"{APPROACHES[approach]}-seed{seed}"


def try_cuts(model: Path, data: Path, cuts: Sequence[float], width_images: int) -> dict[str, Figures]:
    """Figures on the part `test`, components and widths at every cut, by the name of the cut."""
    from flawscope.bundle import Bundle
    from flawscope.data.groups import with_groups
    from flawscope.data.open import open_dataset
    from flawscope.evaluation.connectivity import threshold_name
    from flawscope.evaluation.evaluate import EvaluateOptions, evaluate_cuts
    from flawscope.inspection.inspector import Inspector

    inspector = Inspector(Bundle.load(model))
    dataset = with_groups(open_dataset(data), _PHOTOGRAPHS)
    options = EvaluateOptions(gallery=0)
    metrics = evaluate_cuts(inspector, dataset, None, "test", cuts=cuts, options=options)
    parts = components(inspector, dataset.part("test").samples, cuts)
    widths = width_errors(inspector, range(50_000, 50_000 + width_images), cuts)
    return {
        threshold_name(cut): {**_shown(one), **parts[k], **widths[k]}
        for k, (cut, one) in enumerate(zip(cuts, metrics, strict=True))
    }


def _shown(metrics: Metrics) -> Figures:
    content = metrics.to_dict()
    out: Figures = {name: content[group][key]["value"] for name, (group, key) in SHOWN.items()}
    out |= {name: int(content[group][key]["value"]) for name, (group, key) in COUNTED.items()}
    out |= {
        f"{name}_limits": [content[group][key]["low"], content[group][key]["high"]]
        for name, (group, key) in SHOWN.items()
    }
    for name in OF_SOURCES:
        key = SHOWN[name][1]
        out[f"{name}_of"] = {source: its[key]["value"] for source, its in content["sources"].items()}
    return out


def components(inspector: Inspector, samples: Iterable[Any], cuts: Sequence[float]) -> list[Figures]:
    """Components predicted and true, summed over images with a crack, at every cut."""
    import numpy as np
    from scipy import ndimage

    from flawscope.evaluation.component_curve import component_curve

    found, true = np.zeros(len(cuts), dtype=np.int64), 0
    for sample in samples:
        mask = sample.mask
        if mask is None or not (mask == 1).any():
            continue
        found += component_curve(inspector.predict_probability(sample.image())[0]).count(np.asarray(cuts))
        true += int(ndimage.label(mask == 1, np.ones((3, 3)))[1])
    return [
        {"components": int(n), "components_true": true, "components_ratio": n / max(true, 1)} for n in found
    ]


def width_errors(inspector: Inspector, seeds: Iterable[int], cuts: Sequence[float]) -> list[Figures]:
    """Predicted less true width along synthetic cracks that no training saw, in px, at every cut."""
    import numpy as np

    from flawscope.data.synthetic.concrete import ConcreteOptions, render_concrete
    from flawscope.evaluation.width_pairs import centreline_widths, paired_widths
    from flawscope.measurement import measure
    from measure_accuracy import true_widths

    pairs: list[list[Any]] = [[] for _ in cuts]
    for seed in seeds:
        drawn = render_concrete(seed, (256, 256), ConcreteOptions(clean_share=0.0))
        if not drawn.cracks:
            continue
        probability = inspector.predict_probability(drawn.image)[0]
        for k, cut in enumerate(cuts):
            found = centreline_widths(measure((probability >= cut).astype(np.uint8)))
            pairs[k].append(paired_widths(*found, *true_widths(drawn.cracks)))
    return [_width_figures(np.vstack([np.zeros((0, 2)), *some])) for some in pairs]


def _width_figures(pairs: Any) -> Figures:
    """Of pairs (predicted, true): bias, spread and correlation."""
    import numpy as np

    if len(pairs) < 3:
        return {"width_points": len(pairs)}
    error = pairs[:, 0] - pairs[:, 1]
    return {
        "width_points": len(pairs),
        "width_error_median_px": float(np.median(error)),
        "width_error_mae_px": float(np.abs(error).mean()),
        "width_correlation": float(np.corrcoef(pairs.T)[0, 1]) if np.ptp(pairs, axis=0).all() else None,
    }


def over_seeds(runs: Sequence[Figures]) -> dict[str, Figures]:
    """Median, smallest and largest of every number over the seeds, by the row's name (SW95, ...)."""
    rows: dict[str, list[Figures]] = {}
    for one in runs:
        for cut, figures in one["cuts"].items():
            name = one["approach"] if cut == "50" else f"{one['approach']}{cut}"
            rows.setdefault(name, []).append(figures)
    return {name: _spread(several) for name, several in rows.items()}


def _spread(several: Sequence[Figures]) -> Figures:
    out: Figures = {}
    for key in several[0]:
        values = [one.get(key) for one in several]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if numbers and len(numbers) == len(values):
            out[key] = {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}
    for key in (f"{name}_of" for name in OF_SOURCES):
        sources = [one[key] for one in several if one.get(key)]
        if sources:
            out[key] = _spread(sources)
    return out


def run_all(options: argparse.Namespace, run: Run = run_command, measure: Measure = measure_apart) -> Figures:
    """All seeds and approaches; the result file is complete as far as it goes at any moment."""
    facts = machine()
    rows = Rows(options.work, options.json)
    data = make_whole(
        options.work / "kaggle", lambda out: merge(options.data, out, options.synthetic, every=options.every)
    )
    figures: Figures = {
        "network": options.network,
        "quiet_minutes": options.quiet_minutes,
        "set_options": list(options.set_option),
        "runs": [],
    }
    for seed in options.seeds:
        for approach in APPROACHES:
            name = run_folder(options, approach, seed).name
            row = rows.take(name, partial(one_run, options, data, approach, seed, run, measure))
            figures["runs"] = rows.all()
            figures["over_seeds"] = over_seeds(figures["runs"])
            write_result(options.json, figures, facts)
            tell(row["cuts"], approach, say)
    for seed in options.seeds[:1]:
        say(f"tables 1 and 2, and images side by side: {write_tables(options, data, seed, run)}")
    return figures


def write_tables(options: argparse.Namespace, data: Path, seed: int, run: Run) -> Path:
    """The paper's tables with the runs of a seed, and a gallery; what is there is kept."""
    out: Path = options.work / f"tables-seed{seed}"
    if not (out / "side-by-side.html").is_file():
        folders = {name: run_folder(options, name, seed) for name in APPROACHES}
        rows = [f"{name}={folder}@0.5" for name, folder in folders.items()]
        rows.append(f"SW={folders['SW']}@{CUTS[0]}:{CUTS[-1]}")
        run([sys.executable, "-m", "flawscope", "table", *rows, "--like", "coredeep-1,coredeep-2",
             "--data", data, "--out", out])  # fmt: skip
    return out


def tell(cuts: dict[str, Figures], approach: str, write: Callable[[str], None]) -> None:
    """A line a cut."""
    for cut, one in cuts.items():
        shown = " ".join(f"{key} {_text(one.get(key))}" for key in (*SHOWN, *COUNTED, "components_ratio"))
        write(f"{approach:<10} {cut:>4}: {shown} width {_text(one.get('width_error_median_px'))} px")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = make_parser(__doc__)
    parser.add_argument("--quiet-minutes", type=float, default=10.0, help="budget of a run (default 10)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument("--network", choices=NETWORKS, default="unet16", help="default unet16")
    parser.add_argument("--synthetic", type=int, default=200, help="synthetic cracked, and clean, pictures")
    parser.add_argument("--every", type=int, default=1, help="take every n-th real image only (default 1)")
    parser.add_argument("--width-images", type=int, default=60, help="pictures of the width check")
    parser.add_argument("--set-option", action="append", default=[], metavar="a.b=c", help="for train --set")
    parser.add_argument("--work", type=Path, required=True, help="folder of set and runs; goes on there")
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, *REAL).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    shared = ("quiet_minutes", "network", "synthetic", "every", "width_images", "set_option")
    go_on_with(options.work, {name: getattr(options, name) for name in shared})
    return options


def main() -> None:
    """Run everything."""
    run_all(parse())


if __name__ == "__main__":
    main()
