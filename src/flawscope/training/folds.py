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
from flawscope.data.groups import with_groups_of
from flawscope.data.split import split as make_split
from flawscope.data.split_file import Split, load_split, write_split
from flawscope.data.units import classes_and_shares, find_ties, ties_in_words
from flawscope.errors import UsageError
from flawscope.evaluation.fold_files import PROTOCOL, TABLE, protocol_in_words, protocol_of
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.reporting.plots import plot_fold_curves
from flawscope.training.checkpoint import load_progress
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import dump_config, load_config, replace_in
from flawscope.training.fold_copies import with_copies
from flawscope.training.fold_figures import Measured, Row
from flawscope.training.freezing import without_idle_freeze
from flawscope.training.loop import LAST
from flawscope.training.prepare import check_val, fold_splits, protocol_split
from flawscope.training.progress import LogReporter, Reporter
from flawscope.training.resuming import check_asked, check_same_labels, write_labels
from flawscope.training.run import CONFIG, METRICS, SPLIT, Run, fresh_folder, train, with_calls
from flawscope.training.try_parts import try_parts
from flawscope.training.two_step_data import split_to_fold

CURVES, FOLDS_CONFIG = "curves.png", "folds.toml"


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
    seed: int | None = None,
    init: str | Path | None = None,
    named: Sequence[str] = (),
    **options: Any,
) -> list[Run]:
    """Train each fold into ``fold-0 .. fold-K-1`` and write ``folds.csv``; ``train.refit`` adds a run on top.

    ``[folds]`` of the configuration says whether folds start afresh and where copies are made. ``minutes`` is
    the budget of each fold; the first counts from ``started_s``. With ``resume`` a fold that is done is left
    as it is, and the others go on as the run began (see `train`, also for ``named``). Raises UsageError for
    fewer than two folds, another number than the run has, or without a data set, OutputError where ``out``
    holds a run already.
    """
    if folds < 2 or dataset is None:
        raise UsageError(f"--folds {folds} needs a data set (--data) and at least 2 folds.")
    reporter: Reporter = options.get("reporter") or LogReporter(config.train.log_every)
    options["reporter"] = reporter
    config, keys = with_calls(config, minutes, seed, init)
    root, whole, begun = Path(out), dataset, resume and folds_begun(out) is not None
    if resume:
        config = _as_begun(root, config, folds, [*named, *keys])
    try_parts(config, dataset)
    _write_config(root, config, resume, begun)
    config = without_idle_freeze(config, reporter)
    if not begun:
        split = split_to_fold(config, dataset, split, bool(options.get("skip_bad")), reporter)
    cut = kept = _folds_of(config, dataset, root, folds, split, begun, reporter)
    if config.folds.copies == "before":
        dataset, cut = with_copies(config, dataset, cut, folds)
    _check_folds(config, dataset, cut)
    _keep_labels(root, whole, cut, begun)
    _write_protocol(root, config, folds, reporter)
    measured = Measured(config, dataset, resume)
    rows: list[Row] = []
    runs: list[Run] = []
    for number, one in enumerate(fold_splits(dataset, cut)):
        run = _fold(
            _config_of(config, folds, runs), dataset, root / f"fold-{number}", one, resume,
            started_s=started_s if number == 0 else None, **options,
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
        runs.append(train(config, whole, root, split=once, resume=resumable, **options))
    return runs


def folds_begun(out: str | Path) -> int | None:
    """Return how many folds the run in ``out`` was begun with; None where it is no run of folds."""
    found = protocol_of(Path(out)).get("folds")
    return found if isinstance(found, int) else None


def _as_begun(root: Path, config: TrainConfig, folds: int, keys: Sequence[str]) -> TrainConfig:
    """The configuration that the run of folds in ``root`` was begun with; the one given where there is none.

    Raises UsageError for a run of one or of another number of folds, ConfigError for keys that differ.
    """
    count = folds_begun(root)
    if count is None and (root / CONFIG).is_file():
        raise UsageError(
            f"{root} holds one run and none of folds.\nGo on with it by --folds 0, or choose another --out."
        )
    if count not in (None, folds):
        raise UsageError(
            f"{root} holds a run of {count} folds; {folds} are asked for.\n"
            "Leave --folds out, or begin a new run in another --out."
        )
    if not (root / FOLDS_CONFIG).is_file():
        return config
    begun = load_config(root / FOLDS_CONFIG)
    check_asked(root, begun, config, keys)
    return begun


def _write_config(root: Path, config: TrainConfig, resume: bool, begun: bool) -> None:
    make_folder(root)
    if begun or os.environ.get("RANK", "0") != "0":
        return
    if not resume:
        fresh_folder(root)
    write_text_atomic(root / FOLDS_CONFIG, dump_config(config))


def _keep_labels(root: Path, dataset: Dataset, cut: Split, begun: bool) -> None:
    """Write down what the labels are read as, or hold them against it: for folds that are not begun yet."""
    samples = [dataset[name] for fold in cut.folds for name in fold if name in dataset]
    if begun:
        check_same_labels(root, dataset.classes, samples)
    elif os.environ.get("RANK", "0") == "0":
        write_labels(root, dataset.classes, samples)


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
    begun: bool,
    reporter: Reporter,
) -> Split:
    if begun:
        return load_split(root / SPLIT)
    chosen = protocol_split(config, dataset, split, reporter) or Split(parts={"train": dataset.names})
    dataset = with_groups_of(dataset, chosen)
    if config.folds.copies == "before":
        # Its folds hold copies, which the data set does not have: they stand in the folds' own splits.
        chosen = _with_val_in_train(chosen, reporter).model_copy(update={"folds": ()})
    elif len(chosen.folds) != folds:
        if chosen.folds:
            reporter.say(f"note: the split has {len(chosen.folds)} folds; {folds} are cut anew")
        chosen = _with_val_in_train(chosen, reporter)
        part = dataset.subset(chosen.parts.get("train", dataset.names))
        ties = find_ties(part)
        if ties:
            reporter.say(f"note: {ties_in_words(ties)}")
        cut = make_split(part, test=0, val=0, folds=folds, seed=config.train.seed, ties=ties)
        chosen = chosen.model_copy(update={"folds": cut.folds})
    write_split(root / SPLIT, chosen)
    return chosen


def _with_val_in_train(split: Split, reporter: Reporter) -> Split:
    """The split without a part ``val``, whose place folds take: they validate each other."""
    val = split.parts.get("val", ())
    if not val or "train" not in split.parts:
        return split
    reporter.say(f"note: the {len(val)} images of the part 'val' are dealt to the folds as well")
    parts = {name: names for name, names in split.parts.items() if name != "val"}
    return split.model_copy(update={"parts": {**parts, "train": (*parts["train"], *val)}})


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
