"""How fast the command answers: median time of `flawscope --help` and `flawscope inspect --help`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import Figures, make_parser, say, write_result

CALLS = {"help_s": ["--help"], "inspect_help_s": ["inspect", "--help"]}


def command() -> list[str]:
    """The installed command beside this Python, or the module where it is not installed."""
    for name in ("flawscope", "flawscope.exe"):
        script = Path(sys.executable).parent / name
        if script.is_file():
            return [str(script)]
    return [sys.executable, "-m", "flawscope"]


def measure(runs: int = 20) -> Figures:
    """Median and largest seconds of each call, after one that warms the disk's cache."""
    figures: Figures = {"runs": runs, "as_module": len(command()) > 1}
    for name, words in CALLS.items():
        seconds = [_time_once([*command(), *words]) for _ in range(runs + 1)][1:]
        figures[name] = statistics.median(seconds)
        figures[f"{name}_max"] = max(seconds)
    return figures


def _time_once(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    figures = measure(options.runs)
    for name, words in CALLS.items():
        say(f"flawscope {' '.join(words)}: {figures[name]:.3f} s (median of {options.runs})")
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
