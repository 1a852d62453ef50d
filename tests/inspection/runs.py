"""A folder of photographs, a run over it, and what it left."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.run import RunResult, RunSettings, inspect_folder

from .test_inspector import photograph


def photographs(folder: Path) -> Path:
    """Two cracked photographs, one of them in a subfolder, and a clean one."""
    (folder / "side a").mkdir(parents=True)
    Image.fromarray(photograph()).save(folder / "bar.png")
    Image.fromarray(photograph(210, 310)).save(folder / "side a" / "größe 2.png")
    Image.fromarray(np.full((50, 60, 3), 220, np.uint8)).save(folder / "clean.png")
    return folder


def do(bundle: Bundle, photos: Path, out: Path, **changes: object) -> RunResult:
    return inspect_folder(Inspector(bundle), replace(RunSettings((photos,), out), **changes))  # type: ignore[arg-type]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def tree(out: Path) -> set[str]:
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(".flawscope/")}
