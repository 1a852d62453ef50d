"""What the verbs that read labelled images have in common: progress, and reading their options."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from flawscope.data.dataset import Dataset
    from flawscope.data.split_file import Split
    from flawscope.evaluation.evaluate import EvaluateOptions

_LINE_EVERY_S = 10.0


class ProgressLines:
    """Progress on stderr: one line that rewrites itself on a terminal, else a plain line now and then."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Tell that ``done`` of ``total`` images are done."""
        now = time.monotonic()
        if not self._terminal and now - self._told < _LINE_EVERY_S:
            return
        self._told = now
        seconds = max(now - self._began, 1e-9)
        left_s = seconds / done * (total - done)
        text = f"{done}/{total} images, {done / seconds:.1f} a second, {left_s:.0f} s left: {name}"
        if self._terminal:
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r\x1b[2K{text[:110]}{end}")
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()


def evaluate_options(
    mapping: Sequence[str], runtime: str, flip_tta: bool, working_scale: str, fusion: str
) -> EvaluateOptions:
    """Options of the library from options of the command. Raises UsageError."""
    from flawscope.evaluation.classes import parse_mapping
    from flawscope.evaluation.evaluate import EvaluateOptions
    from flawscope.inspection.options import PredictOptions, parse_working_scale

    predict = PredictOptions(
        flip_tta=flip_tta,
        scales=parse_working_scale(working_scale),
        fusion=fusion,  # type: ignore[arg-type]
    )
    return EvaluateOptions(mapping=parse_mapping(mapping), predict=predict, runtime=runtime)


def open_split(path: Path | None, data: Dataset | None) -> Split | None:
    """Read a split file; samples that the data set had to leave out leave its parts too. Raises DataError."""
    from flawscope.data.split_file import load_split

    if path is None:
        return None
    split = load_split(path)
    return split if data is None else data.fitting(split)
