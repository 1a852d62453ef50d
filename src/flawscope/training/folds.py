"""``--folds K``: one run a fold, and their figures side by side in ``folds.csv``."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flawscope.data.dataset import Dataset
from flawscope.data.split import split as make_split
from flawscope.data.split_file import Split, load_split, write_split
from flawscope.data.units import find_ties, ties_in_words
from flawscope.errors import UsageError
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.training.config import TrainConfig
from flawscope.training.prepare import fold_splits
from flawscope.training.progress import Reporter
from flawscope.training.run import CONFIG, SPLIT, Run, train

TABLE = "folds.csv"


def train_folds(
    config: TrainConfig,
    dataset: Dataset | None,
    out: str | Path,
    folds: int,
    *,
    split: Split | None = None,
    resume: bool = False,
    minutes: float | None = None,
    started_s: float | None = None,
    **options: Any,
) -> list[Run]:
    """Train each fold into ``fold-0 .. fold-K-1`` and write ``folds.csv``; ``train.refit`` adds a run on top.

    Every fold starts afresh. ``minutes`` is the budget of each fold; the first counts from ``started_s``.
    Raises UsageError for fewer than two folds or without a data set.
    """
    if folds < 2 or dataset is None:
        raise UsageError(f"--folds {folds} needs a data set (--data) and at least 2 folds.")
    root = make_folder(out)
    cut = _folds_of(config, dataset, root, folds, split, resume, options.get("reporter"))
    runs = []
    for number, one in enumerate(fold_splits(dataset, cut)):
        folder = root / f"fold-{number}"
        runs.append(
            train(
                config,
                dataset,
                folder,
                split=one,
                minutes=minutes,
                resume=resume and (folder / CONFIG).is_file(),
                started_s=started_s if number == 0 else None,
                **options,
            )
        )
        write_table(root / TABLE, runs)
    if config.train.refit:
        every = tuple(name for fold in cut.folds for name in fold)
        whole = cut.model_copy(update={"folds": (), "parts": {"train": every, **cut.parts}})
        resumable = resume and (root / CONFIG).is_file()
        runs.append(train(config, dataset, root, split=whole, minutes=minutes, resume=resumable, **options))
    return runs


def _folds_of(
    config: TrainConfig,
    dataset: Dataset,
    root: Path,
    folds: int,
    split: Split | None,
    resume: bool,
    reporter: Reporter | None,
) -> Split:
    if resume and (root / SPLIT).is_file():
        return load_split(root / SPLIT)
    chosen = split or dataset.default_split
    if chosen is None or len(chosen.folds) != folds:
        names = chosen.part("train") if chosen and "train" in chosen.parts else dataset.names
        ties = find_ties(dataset.subset(names))
        if ties and reporter is not None:
            reporter.say(f"note: {ties_in_words(ties)}")
        cut = make_split(dataset.subset(names), test=0, val=0, folds=folds, seed=config.train.seed, ties=ties)
        kept = chosen or Split(parts={"train": names})
        chosen = kept.model_copy(update={"folds": cut.folds})
    write_split(root / SPLIT, chosen)
    return chosen


def write_table(path: Path, runs: Sequence[Run]) -> None:
    """Write a row a fold (validation figures), then their mean and standard deviation."""
    rows = [_row(number, run) for number, run in enumerate(runs)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numbers = [key for key in columns if key != "fold"]
    for name, summary in (("mean", statistics.fmean), ("sd", _deviation)):
        row: dict[str, Any] = {"fold": name}
        for key in numbers:
            values = [float(r[key]) for r in rows if r.get(key) is not None]
            row[key] = summary(values) if values else None
        rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _row(number: int, run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {"fold": number, "steps": run.progress.step, "seconds": run.progress.elapsed_s}
    for name, figure in run.metrics.get("figures", {}).items():
        row[name] = figure.get("value")
    return row
