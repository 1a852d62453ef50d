"""What stands behind the rows of a table: results of ``evaluate``, or models that are evaluated now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawscope.bundle import Bundle
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.connectivity import threshold_name
from flawscope.evaluation.evaluate import At, EvaluateOptions, Progress, evaluate, evaluate_cuts
from flawscope.evaluation.fold_files import (
    is_evaluation,
    is_run,
    protocol_in_words,
    protocol_of,
    training_of,
)
from flawscope.evaluation.metrics import Metrics
from flawscope.evaluation.runs import RunModels, evaluate_run, find_models, split_for
from flawscope.evaluation.table_text import Labelled


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row that was asked for."""

    label: str
    path: Path
    cut: float | None = None
    """Threshold in place of the model's own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What models are tried on."""

    dataset: Dataset
    split: Split | None = None
    part: str = "test"
    at: At = "original"
    options: EvaluateOptions | None = None


def parse_runs(text: str) -> list[Wanted]:
    """Read ``[LABEL=]PATH[@T]``, or ``[LABEL=]PATH@FROM:TO[:STEP]`` for a row a threshold.

    ``SW=runs/sw@0.90:0.98`` becomes SW90, SW91 ... SW98; the step is .01 unless it is given. UsageError.
    """
    rest, at, sweep = text.rpartition("@")
    bounds = sweep.split(":")
    if not at or len(bounds) not in (2, 3) or Path(text.partition("=")[2] or text).exists():
        return [parse_run(text)]
    try:
        low, high, step = (*map(float, bounds), 0.01)[:3]
    except ValueError:
        low = high = step = 0.0
    label, equals, _ = rest.partition("=")
    if not (0 < low <= high < 1 and step >= 0.001) or (equals and not label):
        raise UsageError(
            f"{text!r} is not understood.\nExpected [LABEL=]PATH@FROM:TO[:STEP], e.g. SW=runs/sw@0.90:0.98, "
            "with 0 < FROM <= TO < 1 and a step of 0.001 or more."
        )
    cuts = [round(low + k * step, 4) for k in range(int((high - low) / step + 1e-6) + 1)]
    return [
        parse_run(
            f"{label}{threshold_name(cut)}={rest[len(label) + 1 :]}@{cut}" if equals else f"{rest}@{cut}"
        )
        for cut in cuts
    ]


def parse_run(text: str) -> Wanted:
    """Read ``[LABEL=]PATH[@T]``; without a label the folder's name, with its threshold as CoreDeep names it.

    ``SW=runs/sw@0.95`` and ``runs/sw@0.95`` become SW and sw95. Raises UsageError.
    """
    label, equals, rest = text.partition("=")
    path, at, cut_text = (rest if equals else text).rpartition("@")
    if not at or Path(rest if equals else text).exists():
        path, cut_text = (rest if equals else text), ""
    try:
        cut = float(cut_text) if cut_text else None
    except ValueError:
        cut = -1.0
    if not path or (equals and not label) or (cut is not None and not 0 < cut < 1):
        raise UsageError(
            f"{text!r} is not understood.\nExpected [LABEL=]PATH[@T], e.g. SW95=runs/sw@0.95, with T in 0..1."
        )
    own = Path(path).name + (threshold_name(cut) if cut is not None else "")
    return Wanted(label if equals else own, Path(path), cut)


def results(
    wanted: Sequence[Wanted], trial: Trial | None = None, progress: Progress | None = None
) -> tuple[list[Labelled], list[str]]:
    """Return the figures of every row, in order, and notes; images that could not be counted are among both.

    With ``trial`` models are evaluated, each once for all of its thresholds; without it, or for a folder that
    ``flawscope evaluate`` wrote, ``metrics.json`` is read. Raises UsageError and DataError.
    """
    notes: list[str] = []
    found: dict[Wanted, dict[str, Any]] = {}
    for path in dict.fromkeys(one.path for one in wanted):
        asked = [one for one in wanted if one.path == path]
        if trial is None or is_evaluation(path):
            found |= _read(path, asked, notes)
        else:
            found |= _evaluated(path, asked, trial, progress, notes)
    for content in found.values():
        notes += [f"failed: {item['image']}: {item['error']}" for item in content.get("failed", ())]
    rows = [Labelled(one.label, found[one]) for one in wanted]
    return rows, list(dict.fromkeys([*notes, *_different_images(rows)]))


def _different_images(rows: Sequence[Labelled]) -> list[str]:
    """What to say of rows that were not counted on the same images, by their names.

    Results of older versions tell no names: of those the part and its number of images must agree.
    """
    on: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        key = tuple(row.metrics.get(name) for name in ("images_sha256", "part", "images"))
        if key[2]:  # else it tells of its training only
            on.setdefault(key, []).append(row.label)
    names = {sha256 for sha256, _, _ in on}
    parts = {(part, images) for _, part, images in on}
    if len(names - {None}) < 2 and (len(parts) < 2 or None not in names):
        return []
    told = [
        f"{', '.join(labels)} on part {part} ({images} images)" for (_, part, images), labels in on.items()
    ]
    return [f"the rows were not counted on the same images: {'; '.join(told)}"]


def _read(path: Path, asked: Sequence[Wanted], notes: list[str]) -> dict[Wanted, dict[str, Any]]:
    file = path / "metrics.json" if path.is_dir() else path
    told = {"training": training_of(path)} if path.is_dir() and is_run(path) else {}
    notes += [f"{path.name}: {line}" for line in protocol_in_words(protocol_of(path))]
    cut = next((one.cut for one in asked if one.cut is not None), None)
    if told and not file.is_file() and cut is None:
        # A run of folds tells of its training; what an evaluation counts stays blank.
        return {one: {"figures": {}, "part": "test", **told} for one in asked}
    if cut is not None:
        raise UsageError(f"{path}@{cut:g}: another threshold needs --data DATASET.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        figures = content["figures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no metrics.json of an evaluation ({type(error).__name__}).\n"
            "Give a folder that `flawscope evaluate` wrote, or a model together with --data DATASET."
        ) from error
    if not isinstance(figures, dict):
        raise DataError(f"{file} holds no figures.")
    if content.get("part") != "test":
        notes.append(f"{path.name} was counted on part '{content.get('part')}'")
    return dict.fromkeys(asked, content | told)


def _evaluated(
    path: Path, asked: Sequence[Wanted], trial: Trial, progress: Progress | None, notes: list[str]
) -> dict[Wanted, dict[str, Any]]:
    models = find_models(path)
    told = {"training": training_of(path)}
    if models.folds and any(one.cut is not None for one in asked):
        raise UsageError(f"{path} is a run of folds, which have thresholds of their own.\nLeave out @T.")
    if models.folds:
        notes += [f"{path.name}: {line}" for line in protocol_in_words(protocol_of(path))]
        folds = evaluate_run(
            models, trial.dataset, trial.split, trial.part, trial.at, options=trial.options, progress=progress
        )
        return dict.fromkeys(asked, folds.to_dict() | told)
    bundle = Bundle.load(models.bundle or models.path)
    if bundle.manifest.task == "classification":
        if any(one.cut is not None for one in asked):
            raise UsageError(f"{path} labels images; another threshold @T is for models that mark pixels.")
        split, more = split_for(models, trial.dataset, trial.split, trial.part)
        notes += more
        measured = evaluate(
            bundle, trial.dataset, split, trial.part, options=trial.options, progress=progress
        )
        return dict.fromkeys(asked, measured.to_dict() | told)
    cuts = list(dict.fromkeys(one.cut for one in asked))
    every = _cut_metrics(models, trial, cuts, progress, notes)
    return {one: every[cuts.index(one.cut)].to_dict() | told for one in asked}


def _cut_metrics(
    models: RunModels,
    trial: Trial,
    cuts: Sequence[float | None],
    progress: Progress | None,
    notes: list[str],
) -> list[Metrics]:
    split, more = split_for(models, trial.dataset, trial.split, trial.part)
    notes += more
    return evaluate_cuts(
        models.bundle or models.path,
        trial.dataset,
        split,
        trial.part,
        trial.at,
        cuts,
        options=trial.options,
        progress=progress,
    )
