"""How much wider than the truth a model marks cracks, on pictures drawn for it: widths and thresholds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from common import Figures, machine, make_parser, say, write_result
from crack_budget import Run, run_command


def run_all(options: argparse.Namespace, run: Run = run_command) -> Figures:
    """Draw the pictures, once, and let `flawscope threshold --method widths` measure; the model stays."""
    gauge, out = options.work / "gauge", options.work / "widths"
    if not gauge.is_dir():
        run([sys.executable, "-m", "flawscope", "synth", "concrete", "--count", str(options.pictures),
             "--size", options.size, "--seed", str(options.seed), "--out", gauge])  # fmt: skip
    run([sys.executable, "-m", "flawscope", "threshold", options.model, gauge, "--part", "all",
         "--method", "widths", "--out", out])  # fmt: skip
    found: Figures = json.loads((out / "thresholds.json").read_text(encoding="utf-8"))["classes"]
    write_result(options.json, found, machine())
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    from flawscope.inspection.default_model import default_bundle_path

    parser = make_parser(__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures and curve")
    parser.add_argument("--model", type=Path, default=default_bundle_path(), help="default: the bundled one")
    parser.add_argument("--pictures", type=int, default=60, help="default 60")
    parser.add_argument("--size", default="384x384", help="default 384x384")
    parser.add_argument("--seed", type=int, default=70000, help="default 70000, which no training saw")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def main() -> None:
    """Run it and print the figures."""
    say(json.dumps(run_all(parse()), indent=1))


if __name__ == "__main__":
    main()
