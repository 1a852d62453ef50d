"""How long `make demo` takes on a fresh clone, install and all, and how much it installs.

Clones this working copy's last commit into a temporary folder. Package caches are switched off, as on a fresh
machine, unless --cache is given; so the network's speed is part of the result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, Figures, make_parser, say, write_result

MB = 1e6


def folder_mb(folder: Path) -> float:
    """Size of all files below a folder in megabytes (10^6 bytes).

    Links are not followed, and hard links count once.
    """
    seen: set[tuple[int, int]] = set()
    size = 0
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            size += status.st_size
    return size / MB


def environment(cache: bool) -> dict[str, str]:
    """The environment of the install: no caches, and no virtual environment or sources of ours."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "FLAWSCOPE_DATA")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    if not cache:
        kept |= {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
    return kept


def measure(source: Path, python: str, cache: bool) -> Figures:
    """Clone, `make demo`, weigh. Raises CalledProcessError when one of them fails."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "flawscope"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", source.as_uri(), str(clone)], check=True)
        began = time.perf_counter()
        words = ["make", "demo", f"PYTHON={python}"]
        subprocess.run(words, cwd=clone, check=True, env=environment(cache))
        seconds = time.perf_counter() - began
        report = clone / "demo-report" / "report.html"
        return {
            "make_demo_s": seconds,
            "installed_mb": folder_mb(clone / ".venv"),
            "clone_mb": folder_mb(clone / ".git"),
            "report_written": report.is_file() and report.stat().st_size > 0,
            "installer": "uv" if shutil.which("uv") else "pip",
            "cache": cache,
        }


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--source", type=Path, default=ROOT, help="working copy to clone (default: this one)")
    parser.add_argument("--python", default=sys.executable, help="Python to make the environment with")
    parser.add_argument("--cache", action="store_true", help="let the installer use its caches")
    options = parser.parse_args()
    figures = measure(options.source.resolve(), options.python, options.cache)
    say(f"make demo: {figures['make_demo_s']:.0f} s, {figures['installed_mb']:.0f} MB installed")
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
