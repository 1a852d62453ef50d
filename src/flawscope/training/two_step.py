"""Two steps from one configuration: a gate, then a class of each defective image, saved as one bundle.

Each step is a run of its own in the run's folders ``gate`` and ``classes``; the split is one for both.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flawscope.bundle import Bundle, Chosen, ClassSpec, write_bundle_folder
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split, write_split
from flawscope.errors import ConfigError, FlawscopeError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.gate_threshold import check_enough, gate_cut
from flawscope.evaluation.metrics import json_text
from flawscope.images.atomic import write_text_atomic
from flawscope.inspection.gate import with_gate
from flawscope.inspection.inspector import Inspector
from flawscope.training.checkpoint import load_progress
from flawscope.training.classify_prepare import check_labels
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import dump_config, load_config
from flawscope.training.finish import BUNDLE, METRICS
from flawscope.training.init_from import check_initial
from flawscope.training.loop import LAST
from flawscope.training.progress import Reporter
from flawscope.training.resuming import check_same_labels, write_labels
from flawscope.training.run import CONFIG, SPLIT, Run, drop_head, fresh_folder, train
from flawscope.training.try_parts import try_parts
from flawscope.training.two_step_config import CLASSES, GATE, classes_config, gate_config
from flawscope.training.two_step_data import StepData, split_for_step, split_of_steps, step_data
from flawscope.types import Sample

HISTORY = "history.json"


def train_steps(
    config: TrainConfig,
    dataset: Dataset | None,
    folder: Path,
    *,
    split: Split | None,
    resume: bool,
    skip_bad: bool,
    started_s: float,
    reporter: Reporter,
) -> Run:
    """Train the steps of ``config.two_step`` and write the run folder. Arguments as of :func:`train`.

    Beside the folders of the steps: ``config.toml``, ``split.json``, ``history.json`` (the history of each
    step), ``bundle/`` with both stages and ``metrics.json``, measured on the validation images.
    """
    if dataset is None:
        raise UsageError("There is nothing to train on.\nGive --data DATASET with labelled images or masks.")
    if config.task != "classification":
        raise ConfigError("two_step.steps labels images: set task = 'classification'.")
    steps = {GATE: gate_config(config)}
    if config.two_step.steps == "both":
        steps[CLASSES] = classes_config(config)
    main = os.environ.get("RANK", "0") == "0"
    data = step_data(dataset, skip_bad)
    if split is None or not resume:
        split = split_of_steps(config, data, split, reporter)
    if config.two_step.miss_rate is not None:  # told before the work, not after it
        check_enough(len(_val(split, data.classes)), config.two_step.miss_rate)
    sets = {GATE: data.gate, CLASSES: data.classes}
    if not resume:  # told before the first step is written, not after it
        for name, one in steps.items():
            _try_step(one, sets[name], split)
    if resume:
        check_same_labels(folder, data.every.classes, data.every.samples)
    elif main:
        fresh_folder(folder, beside_folds=config.train.refit)
        write_labels(folder, data.every.classes, data.every.samples)
        write_split(folder / SPLIT, split)
        write_text_atomic(folder / CONFIG, dump_config(config))
    runs = {}
    for name, one in steps.items():
        reporter.say(f"step {name}: {_in_words(sets[name], split_for_step(split, sets[name]))}")
        part = split_for_step(split, sets[name])
        with _dropped_unless_begun(folder, name, main and not resume):
            runs[name] = _run(one, sets[name], folder / name, part, resume, skip_bad, started_s, reporter)
    last = runs[CLASSES if CLASSES in runs else GATE]
    if not main:
        return Run(folder, config, last.progress, folder / BUNDLE)
    history = {name: [_known(row) for row in run.progress.history] for name, run in runs.items()}
    write_text_atomic(folder / HISTORY, json_text(history))
    bundle = _bundle(config, data, split, folder, both=CLASSES in runs)
    metrics = _metrics(bundle, data, split, folder)
    return Run(folder, config, last.progress, bundle.root, metrics)


def _try_step(config: TrainConfig, dataset: Dataset, split: Split) -> None:
    """Refuse what a step cannot be trained with: the gate before it would else be trained for nothing."""
    try_parts(config, dataset)
    check_initial(config, dataset.classes)
    parts = split_for_step(split, dataset).parts
    train, val = (dataset.subset(parts.get(part, ())).samples for part in ("train", "val"))
    check_labels(config, dataset, train, val)


def _run(
    config: TrainConfig,
    dataset: Dataset,
    folder: Path,
    split: Split,
    resume: bool,
    skip_bad: bool,
    started_s: float,
    reporter: Reporter,
) -> Run:
    """One step; with ``resume`` one that is done is left as it is, one that was begun goes on."""
    begun = resume and (folder / CONFIG).is_file() and (folder / SPLIT).is_file()
    if begun and (folder / METRICS).is_file():
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        progress = load_progress(folder / LAST)
        return Run(folder, load_config(folder / CONFIG), progress, folder / BUNDLE, metrics)
    return train(
        config,
        dataset,
        folder,
        split=split,
        resume=begun,
        skip_bad=skip_bad,
        started_s=started_s,
        reporter=reporter,
    )


@contextlib.contextmanager
def _dropped_unless_begun(folder: Path, step: str, ours: bool) -> Iterator[None]:
    """A run whose first step stopped before it was one is none either, and must not be in the way of one."""
    try:
        yield
    except FlawscopeError:
        if ours and step == GATE and not (folder / step / CONFIG).is_file():
            drop_head(folder)
        raise


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the history as JSON takes it: null for what is no number, as F1 of a class in no image."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def _in_words(dataset: Dataset, split: Split) -> str:
    return ", ".join(f"{len(names)} {part}" for part, names in split.parts.items()) + " images"


def _bundle(config: TrainConfig, data: StepData, split: Split, folder: Path, both: bool) -> Bundle:
    gate = Bundle.load(folder / GATE / BUNDLE)
    threshold = _gate_threshold(config, gate, data.gate.subset(_val(split, data.gate)).samples)
    if not both:
        manifest = gate.manifest
        name = manifest.classes[0].name
        files: dict[str, bytes | Path] = {file: gate.root / file for file in manifest.sha256}
        made = manifest.model_copy(update={"thresholds": {name: threshold}})
        return write_bundle_folder(folder / BUNDLE, made, files)
    clean = ClassSpec(**{key: getattr(data.clean, key) for key in ("id", "name", "colour", "kind")})
    name = config.bundle.name or config.recipe
    second = Bundle.load(folder / CLASSES / BUNDLE)
    return with_gate(second, gate, threshold, folder / BUNDLE, clean=clean, name=name)


def _gate_threshold(config: TrainConfig, gate: Bundle, val: Sequence[Sample]) -> Chosen:
    """By the stated miss rate, else as the gate's own run chose it."""
    rate = config.two_step.miss_rate
    if rate is None:
        (own,) = gate.manifest.thresholds.values()
        return own
    scores = Inspector(gate).label_scores(sample.image() for sample in val)[:, 0]
    cut = gate_cut(scores, [bool(sample.labels) for sample in val], rate)
    return Chosen(value=cut.threshold, rule=cut.rule, data=f"{len(val)} validation images of this run")


def _val(split: Split, dataset: Dataset) -> tuple[str, ...]:
    return split_for_step(split, dataset).part("val")


def _metrics(bundle: Bundle, data: StepData, split: Split, folder: Path) -> dict[str, Any]:
    dataset = data.every if bundle.manifest.two_step else data.gate
    val = dataset.subset(_val(split, dataset))
    measured = evaluate(bundle, val, part="all", options=EvaluateOptions(gallery=0))
    metrics = replace(measured, part="val", model=BUNDLE).to_dict()
    write_text_atomic(folder / METRICS, json_text(metrics))
    return metrics
