"""``--folds K``: one run a fold, and their figures side by side in ``folds.csv``."""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flawscope.data.dataset import Dataset
from flawscope.data.split import split as make_split
from flawscope.data.split_file import Split, load_split, write_split
from flawscope.data.units import classes_and_shares, find_ties, ties_in_words
from flawscope.errors import UsageError
from flawscope.evaluation.fold_files import PROTOCOL, TABLE, protocol_in_words
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.reporting.plots import plot_fold_curves
from flawscope.training.checkpoint import load_progress
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import load_config, replace_in
from flawscope.training.fold_copies import with_copies
from flawscope.training.fold_figures import Measured, Row
from flawscope.training.freezing import without_idle_freeze
from flawscope.training.loop import LAST
from flawscope.training.prepare import check_val, fold_splits, protocol_split
from flawscope.training.progress import LogReporter, Reporter
from flawscope.training.run import CONFIG, METRICS, SPLIT, Run, fresh_folder, train
from flawscope.training.try_parts import try_parts
from flawscope.training.two_step_data import split_to_fold

CURVES = "curves.png"


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
    init: str | Path | None = None,
    **options: Any,
) -> list[Run]:
    """Train each fold into ``fold-0 .. fold-K-1`` and write ``folds.csv``; ``train.refit`` adds a run on top.

    ``[folds]`` of the configuration says whether folds start afresh and where copies are made. ``minutes`` is
    the budget of each fold; the first counts from ``started_s``. With ``resume`` a fold that is done is left
    as it is. Raises UsageError for fewer than two folds or without a data set, OutputError where ``out``
    holds a run already.
    """
    if folds < 2 or dataset is None:
        raise UsageError(f"--folds {folds} needs a data set (--data) and at least 2 folds.")
    reporter: Reporter = options.get("reporter") or LogReporter(config.train.log_every)
    options["reporter"] = reporter
    config = _of_seed_and_start(config, options.pop("seed", None), init)
    try_parts(config, dataset)
    config = without_idle_freeze(config, reporter)
    root = make_folder(out)
    if not resume and os.environ.get("RANK", "0") == "0":
        fresh_folder(root)
    whole = dataset
    if not (resume and (root / SPLIT).is_file()):
        split = split_to_fold(config, dataset, split, bool(options.get("skip_bad")), reporter)
    cut = kept = _folds_of(config, dataset, root, folds, split, resume, reporter)
    if config.folds.copies == "before":
        dataset, cut = with_copies(config, dataset, cut, folds)
    _check_folds(config, dataset, cut)
    _write_protocol(root, config, folds, reporter)
    measured = Measured(config, dataset, resume)
    rows: list[Row] = []
    runs: list[Run] = []
    for number, one in enumerate(fold_splits(dataset, cut)):
        run = _fold(
            _config_of(config, folds, runs), dataset, root / f"fold-{number}", one, resume,
            minutes=minutes, started_s=started_s if number == 0 else None, **options,
        )  # fmt: skip
        runs.append(run)
        rows.append(measured.row(run, one, number))
        write_table(root / TABLE, rows)
        plot_fold_curves(root / CURVES, [done.progress.history for done in runs])
    if config.train.refit:
        names = tuple(name for fold in cut.folds for name in fold if name in whole)
        # The run's split goes on to say which images each fold held out.
        once = kept.model_copy(update={"parts": {**kept.parts, "train": names}})
        resumable = resume and (root / CONFIG).is_file()
        runs.append(train(config, whole, root, split=once, minutes=minutes, resume=resumable, **options))
    return runs


def _of_seed_and_start(config: TrainConfig, seed: int | None, init: str | Path | None) -> TrainConfig:
    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    if init is not None:
        changes["init"] = str(init)
    return replace_in(config, "train", **changes) if changes else config


def _config_of(config: TrainConfig, folds: int, before: Sequence[Run]) -> TrainConfig:
    """The configuration of the fold that comes after ``before``."""
    balance = config.data.balance
    if config.folds.copies == "before":
        balance = balance.model_copy(update={"method": "none"})
    elif balance.target is not None:
        # The number is meant for all folds: each trains on all but one of them.
        balance = balance.model_copy(update={"target": max(1, round(balance.target * (folds - 1) / folds))})
    config = config.model_copy(update={"data": config.data.model_copy(update={"balance": balance})})
    if config.folds.weights == "carried" and before:
        return replace_in(config, "train", init=str(before[-1].bundle))
    return config


def _fold(
    config: TrainConfig, dataset: Dataset, folder: Path, split: Split, resume: bool, **options: Any
) -> Run:
    """Train a fold, go on with it, or take it as it is where it is done."""
    done = _done(folder) if resume else None
    return done or train(
        config, dataset, folder, split=split, resume=resume and (folder / CONFIG).is_file(), **options
    )


def _done(folder: Path) -> Run | None:
    bundle = folder / "bundle"
    if not all(path.is_file() for path in (folder / METRICS, folder / LAST, bundle / "manifest.json")):
        return None
    progress = load_progress(folder / LAST)
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return Run(folder, load_config(folder / CONFIG), progress, bundle, metrics)


def _check_folds(config: TrainConfig, dataset: Dataset, cut: Split) -> None:
    """Refuse a fold that could not choose its threshold before the folds before it are trained. DataError."""
    if config.task == "classification":
        return
    for number, fold in enumerate(cut.folds):
        marked = (bool(classes_and_shares([sample])[0][0]) for sample in dataset.subset(fold))
        check_val(config, f"{dataset.root}, fold {number}", marked)


def _write_protocol(root: Path, config: TrainConfig, folds: int, reporter: Reporter) -> None:
    facts = {"schema": 1, "folds": folds, **config.folds.model_dump(include={"copies", "weights"})}
    write_text_atomic(root / PROTOCOL, json.dumps(facts, indent=1) + "\n")
    for line in protocol_in_words(facts):
        reporter.say(f"note: {line}")


def _folds_of(
    config: TrainConfig,
    dataset: Dataset,
    root: Path,
    folds: int,
    split: Split | None,
    resume: bool,
    reporter: Reporter,
) -> Split:
    if resume and (root / SPLIT).is_file():
        return load_split(root / SPLIT)
    chosen = protocol_split(config, dataset, split, reporter)
    if config.folds.copies == "before":
        # Its folds hold copies, which the data set does not have: they stand in the folds' own splits.
        names = chosen.part("train") if chosen and "train" in chosen.parts else dataset.names
        kept = chosen or Split(parts={"train": names})
        chosen = kept.model_copy(update={"folds": ()})
    elif chosen is None or len(chosen.folds) != folds:
        names = chosen.part("train") if chosen and "train" in chosen.parts else dataset.names
        ties = find_ties(dataset.subset(names))
        if ties:
            reporter.say(f"note: {ties_in_words(ties)}")
        cut = make_split(dataset.subset(names), test=0, val=0, folds=folds, seed=config.train.seed, ties=ties)
        kept = chosen or Split(parts={"train": names})
        chosen = kept.model_copy(update={"folds": cut.folds})
    write_split(root / SPLIT, chosen)
    return chosen


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write a row a fold (training, test and validation figures), then their mean and standard deviation."""
    rows = [dict(row) for row in rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numbers = [key for key in columns if key != "fold"]
    summaries = []
    for name, summary in (("mean", statistics.fmean), ("sd", _deviation)):
        row: Row = {"fold": name}
        for key in numbers:
            values = [float(r[key]) for r in rows if r.get(key) is not None]
            row[key] = summary(values) if values else None
        summaries.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, *summaries])
    write_text_atomic(path, text.getvalue())


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
