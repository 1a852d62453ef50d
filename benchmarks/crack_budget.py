"""What the time-budget recipe reaches on a real crack set in so many quiet minutes, over several seeds.

For each seed: a quiet minute is measured, the budget becomes wall minutes, `flawscope train` runs as a user
would run it, a quiet minute is measured again, and `flawscope evaluate` scores the test part. The quiet
minutes really used follow from both measurements. The result file is written anew after every seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import ROOT, Figures, data_folder, machine, make_parser, say, write_result

SETS = ("cfd", "crack_sc", "masonry")
SHOWN = (
    "f1_tol2_pooled", "iou_pooled", "precision_tol2_pooled", "recall_tol2_pooled",
    "precision_pooled", "recall_pooled",
)  # fmt: skip
"""Figures that are taken from metrics.json."""

SYNTHETIC = (
    "data.synth.images=500", "data.synth.validation_images=20", "data.synth.size_hw=[384,384]",
    "data.synth.options={cracks={label_margin_px=0.5}}",
)  # fmt: skip
"""What the recipe sees while it learns from synthetic images alone."""

Command = Sequence[str | Path]
Run = Callable[[Command], None]
Measure = Callable[[], float]


def run_command(command: Command) -> None:
    """Run a command and show its output. Ends the program when it fails."""
    done = subprocess.run([str(word) for word in command], check=False)
    if done.returncode:
        sys.stderr.write(f"`{' '.join(str(word) for word in command[1:5])} ...` failed.\n")
        raise SystemExit(done.returncode)


def measure_apart() -> float:
    """A quiet minute in seconds, measured in a process of its own: no threads or memory stay behind."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "quiet.json"
        run_command([sys.executable, ROOT / "benchmarks" / "quiet_minutes.py", "--json", result])
        return float(json.loads(result.read_text(encoding="utf-8"))["figures"]["quiet_minute_s"])


def wall_minutes(quiet_minutes: float, quiet_minute_s: float) -> float:
    """Minutes on the clock that a budget takes when a quiet minute takes ``quiet_minute_s`` seconds."""
    return quiet_minutes * quiet_minute_s / 60


def train_command(
    options: argparse.Namespace, data: Path, seed: int, minutes: float, out: Path, more: Sequence[str] = ()
) -> list[str]:
    """The call of `flawscope train` for one seed; a data set without a split file has parts of its own."""
    data_words = ["--data", str(data), *split_words(data / "split.json")]
    return _train_words(options, seed, minutes, out, data_words, [*options.set_option, *more])


def synthetic_command(options: argparse.Namespace, seed: int, minutes: float, out: Path) -> list[str]:
    """The call that trains the recipe's network on synthetic images, before it sees a real one."""
    return _train_words(options, seed, minutes, out, [], [*options.set_option, *SYNTHETIC])


def _train_words(
    options: argparse.Namespace,
    seed: int,
    minutes: float,
    out: Path,
    data: Sequence[str],
    sets: Sequence[str],
) -> list[str]:
    command = [sys.executable, "-m", "flawscope", "train", options.recipe, *data]
    command += ["--minutes", f"{minutes:.3f}", "--seed", str(seed), "--out", str(out)]
    for text in sets:
        command += ["--set", text]
    return command


def train_all(
    options: argparse.Namespace, data: Path, seed: int, budget_minutes: float, out: Path, run: Run
) -> list[Path]:
    """Train within so many wall minutes, in two parts where asked to; return the run folders."""
    if options.synthetic_share:
        first = out.with_name(f"{out.name}-synthetic")
        run(synthetic_command(options, seed, options.synthetic_share * budget_minutes, first))
    elif options.first_share:
        first, minutes = out.with_name(f"{out.name}-first"), options.first_share * budget_minutes
        run(train_command(options, data, seed, minutes, first, options.first_option))
    else:
        run(train_command(options, data, seed, budget_minutes, out))
        return [out]
    # What the first part really took comes off the second.
    left = budget_minutes - _elapsed_s(first) / 60
    run([*train_command(options, data, seed, left, out, options.then_option), "--init", first / "bundle"])
    return [first, out]


def _elapsed_s(folder: Path) -> float:
    return float(_progress(folder)["elapsed_s"])


def _progress(folder: Path) -> Any:
    return json.loads((folder / "checkpoints" / "last.json").read_text(encoding="utf-8"))["progress"]


def split_words(split: Path) -> list[str]:
    """The option that names a split file, where there is one."""
    return ["--split", str(split)] if split.is_file() else []


def split_to_score(data: Path, out: Path, part: str) -> Path:
    """The data set's own split file where it knows the part, else the run's, which holds what was carved."""
    own = data / "split.json"
    known = own.is_file() and part in json.loads(own.read_text(encoding="utf-8"))["parts"]
    return own if known else out / "split.json"


def one_seed(options: argparse.Namespace, seed: int, run: Run, measure: Measure) -> Figures:
    """Train and evaluate with one seed; its figures, and what the budget was in seconds and quiet minutes."""
    data = options.data / options.set
    out = options.work / f"{options.set}-{options.recipe_name}-{options.quiet_minutes:g}-seed{seed}"
    before_s = measure()
    minutes = wall_minutes(options.quiet_minutes, before_s)
    say(f"seed {seed}: a quiet minute takes {before_s:.1f} s, so the budget is {minutes:.2f} minutes")
    began = time.perf_counter()
    folders = train_all(options, data, seed, minutes, out, run)
    command_s = time.perf_counter() - began
    after_s = measure()
    progress = _progress(out)
    scored = out / f"evaluation-{options.part}"
    split = split_to_score(data, out, options.part)
    metrics = evaluated(out, data, split, options.part, scored, run)
    others = {text: elsewhere(out, options.data, text, options.shown, run) for text in options.also}
    return {
        "seed": seed,
        **{name: _value(metrics, name) for name in options.shown},
        "images": metrics["images"],
        **budget(sum(map(_elapsed_s, folders)), before_s, after_s),
        "minutes_given": minutes,
        "command_s": command_s,
        "steps": progress["step"],
        "stopped": progress.get("stopped", ""),
        **({"also": others} if others else {}),
    }


def evaluated(out: Path, data: Path, split: Path, part: str, scored: Path, run: Run) -> Any:
    """Score a run on a part of a set; what metrics.json holds."""
    run([sys.executable, "-m", "flawscope", "evaluate", out, data, "--split", split,
         "--part", part, "--out", scored])  # fmt: skip
    return json.loads((scored / "metrics.json").read_text(encoding="utf-8"))


def elsewhere(out: Path, sets: Path, text: str, shown: Sequence[str], run: Run) -> Figures:
    """Figures on a part of another set, `SET:PART`, none of which was trained on."""
    name, _, part = text.partition(":")
    data = sets / name
    metrics = evaluated(out, data, data / "split.json", part, out / f"evaluation-{name}-{part}", run)
    return {key: _value(metrics, key) for key in (*shown, "ods_tol2")}


def budget(used_s: float, before_s: float, after_s: float) -> Figures:
    """Seconds from process start to the last step, as quiet minutes of the mean of both measurements."""
    return {
        "quiet_minute_before_s": before_s,
        "quiet_minute_after_s": after_s,
        "seconds_used": used_s,
        "quiet_minutes_used": used_s / ((before_s + after_s) / 2),
    }


def summarise(seeds: Sequence[Figures], shown: Sequence[str] = SHOWN) -> Figures:
    """Median, smallest and largest of each figure over the seeds."""
    out: Figures = {}
    for name in (*shown, "quiet_minutes_used", "seconds_used"):
        values = [float(row[name]) for row in seeds if row[name] is not None]
        if values:
            out[name] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return out


def run_all(options: argparse.Namespace, run: Run = run_command, measure: Measure = measure_apart) -> Figures:
    """All seeds, one after another; the result file is complete as far as it goes at any moment."""
    facts = machine()
    figures: Figures = {
        "set": options.set,
        "part": options.part,
        "recipe": options.recipe_name,
        "set_options": list(options.set_option),
        "first": {
            "share": options.first_share,
            "set_options": list(options.first_option),
            "then": list(options.then_option),
        },
        "quiet_minutes": options.quiet_minutes,
        "seeds": [],
    }
    for seed in options.seeds:
        row = one_seed(options, seed, run, measure)
        figures["seeds"].append(row)
        figures["over_seeds"] = summarise(figures["seeds"], options.shown)
        write_result(options.json, figures, facts)
        say(
            f"seed {seed}: {_named(row, options.shown)}; {row['seconds_used']:.0f} s = "
            f"{row['quiet_minutes_used']:.2f} quiet minutes, {row['steps']} steps"
        )
    medians = {name: figures["over_seeds"].get(name, {}).get("median") for name in options.shown}
    say(
        f"{options.set}, {options.part}, {options.quiet_minutes:g} quiet minutes, median of "
        f"{len(options.seeds)} seeds: {_named(medians, options.shown)}"
    )
    return figures


def _value(metrics: Any, name: str) -> float | None:
    value = metrics["figures"].get(name, {}).get("value")
    return None if value is None else float(value)


def _named(row: Figures, shown: Sequence[str]) -> str:
    return ", ".join(f"{name} {_show(row[name])}" for name in shown)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def budget_parser(doc: str | None) -> argparse.ArgumentParser:
    """Options of every training to a budget; the set, the recipe and the budget have no default yet."""
    parser = make_parser(doc)
    parser.add_argument("--set", help="image set (default %(default)s)")
    parser.add_argument("--quiet-minutes", type=float, help="budget (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    parser.add_argument("--recipe", help="recipe or TOML file (default: %(default)s)")
    parser.add_argument(
        "--set-option", action="append", default=[], metavar="a.b=c", help="handed to train as --set"
    )
    parser.add_argument("--part", default="test", help="part that is scored (default test; val to choose)")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the runs; must be new for a seed"
    )
    parser.set_defaults(synthetic_share=0.0, first_share=0.0, first_option=(), then_option=(), also=())
    return parser


def completed(options: argparse.Namespace, shown: Sequence[str]) -> argparse.Namespace:
    """What follows from the options: figures to show, the recipe's name, the folder of the set."""
    options.shown = shown
    options.data = data_folder(options.data, options.set).resolve()
    options.recipe_name = Path(options.recipe).stem if options.recipe.endswith(".toml") else options.recipe
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = budget_parser(__doc__)
    parser.add_argument(
        "--synthetic-share",
        type=float,
        help="share of the budget that goes to synthetic images alone, before the set's (default 0)",
    )
    parser.add_argument(
        "--first-share",
        type=float,
        help="share of the budget that goes first, with --first-option (default 0)",
    )
    for name, when in (("first", "in the first share alone"), ("then", "after it alone")):
        parser.add_argument(
            f"--{name}-option", action="append", default=[], metavar="a.b=c", help=f"as --set-option, {when}"
        )
    parser.add_argument(
        "--also", nargs="+", default=[], metavar="SET:PART", help="score the runs on parts of other sets too"
    )
    parser.set_defaults(set="cfd", quiet_minutes=8.0, recipe="crack-quick")
    options = parser.parse_args(arguments)
    for text in options.also:
        if text.partition(":")[0] not in SETS or not text.partition(":")[2]:
            parser.error(f"--also is {text!r}; expected SET:PART with a set of {', '.join(SETS)}")
    if options.synthetic_share and options.first_share:
        parser.error("--synthetic-share and --first-share are two ways to begin; give one of them")
    if not options.first_share and options.first_option:
        parser.error("--first-option needs a --first-share of the budget")
    if not (options.first_share or options.synthetic_share) and options.then_option:
        parser.error("--then-option needs something before it: --first-share or --synthetic-share")
    if options.set not in SETS:
        parser.error(f"--set is {options.set!r}; expected one of {', '.join(SETS)}")
    return completed(options, SHOWN)


def main() -> None:
    """Run all seeds."""
    run_all(parse())


if __name__ == "__main__":
    main()
