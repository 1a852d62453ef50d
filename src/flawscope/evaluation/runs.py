"""Run folders: one bundle, or one a fold, whose figures are told as mean and standard deviation."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flawscope.bundle import MANIFEST_NAME
from flawscope.data.balance import COPY
from flawscope.data.dataset import Dataset
from flawscope.data.open import SPLIT_FILE
from flawscope.data.split_file import Split, load_split
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.classification_metrics import LabelMetrics
from flawscope.evaluation.evaluate import At, EvaluateOptions, Metrics, ModelLike, Progress, evaluate
from flawscope.evaluation.fold_files import is_carried, protocol_in_words, protocol_of
from flawscope.evaluation.metrics import Failed, csv_text, images_sha256, json_text
from flawscope.evaluation.segmentation import Figure
from flawscope.evaluation.two_step import StepMetrics
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.inspection.default_model import default_bundle_path

FOLDS = "folds"
"""The part that stands for: each fold's bundle on the images that it was not trained on."""

BUNDLE = "bundle"
"""Folder of the model in a run folder."""

DEFAULT = "default"
"""Stands for the bundled model."""

_FOLD = re.compile(r"fold-(\d+)")


@dataclass(frozen=True, slots=True)
class RunModels:
    """What lies at a path that was given as model."""

    path: Path
    bundle: Path | None
    """The bundle itself or that of the run; None for a run of folds only."""
    folds: tuple[Path, ...] = ()
    """Bundles of the folds, in order."""
    split: Split | None = None
    """The split of the run, or of the run that the bundle lies in."""
    carried: bool = False
    """One set of weights went through the folds: the last one's bundle is the run's model."""


@dataclass(frozen=True, eq=False)
class FoldMetrics:
    """Figures of each fold's model, and their mean and standard deviation."""

    folds: tuple[Metrics | LabelMetrics, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Failed, ...]:
        """Images that failed, each once."""
        return tuple({item.name: item for one in self.folds for item in one.failed}.values())

    def to_dict(self) -> dict[str, Any]:
        """The content of ``metrics.json``: ``value`` is the mean over folds, ``sd`` has K - 1 below it."""
        first = self.folds[0]
        return {
            "schema": 1,
            "task": first.task,
            "images": sum(one.images for one in self.folds) if first.part == FOLDS else first.images,
            "images_sha256": images_sha256(name for one in self.folds for name in one.names),
            "part": first.part,
            "at": first.at,
            "folds": len(self.folds),
            "figures": _spread([one.figures for one in self.folds]),
            "classes": {n: _spread([one.classes.get(n, {}) for one in self.folds]) for n in first.classes},
            "sources": {n: _spread([one.sources.get(n, {}) for one in self.folds]) for n in first.sources},
            **self._steps(),
            "failed": [{"image": item.name, "error": item.error} for item in self.failed],
            "notes": list(self.notes),
        }

    def _steps(self) -> dict[str, Any]:
        """Of models that label in two steps the figures of each."""
        kept = [one.steps for one in self.folds if isinstance(one, StepMetrics)]
        if not kept:
            return {}
        names = [name for name in kept[0] if all(name in steps for steps in kept)]
        return {
            "steps": {n: {"figures": _spread_dicts([steps[n]["figures"] for steps in kept])} for n in names}
        }

    def write(self, out: str | Path) -> Path:
        """Write ``metrics.json``, ``folds.csv`` and a folder ``fold-K`` a fold into ``out``. OutputError."""
        folder = make_folder(out)
        for number, one in enumerate(self.folds):
            one.write(folder / f"fold-{number}")
        figures = _spread([one.figures for one in self.folds])
        rows: list[dict[str, Any]] = [
            {"fold": number, **{name: _cell(one.figures[name].value) for name in figures}}
            for number, one in enumerate(self.folds)
        ]
        rows.append({"fold": "mean", **{name: _cell(figure["value"]) for name, figure in figures.items()}})
        rows.append({"fold": "sd", **{name: _cell(figure["sd"]) for name, figure in figures.items()}})
        write_text_atomic(folder / "folds.csv", csv_text(["fold", *figures], rows))
        write_text_atomic(folder / "metrics.json", json_text(self.to_dict()))
        return folder


def find_models(path: str | Path) -> RunModels:
    """Return the bundles of a run folder, or the bundle that the path itself is, with the split of its run.

    ``default`` is the bundled model, unless something of that name lies here. Raises UsageError.
    """
    root = Path(path)
    if str(path) == DEFAULT and not root.exists():
        root = default_bundle_path()
    if not root.exists():
        raise UsageError(
            f"There is no model at {root}.\nExpected a bundle, a .flawscope file or a run folder."
        )
    if root.is_file() or (root / MANIFEST_NAME).is_file():
        inside = root.resolve()
        return RunModels(root, root, split=_split_of(inside.parent) if inside.name == BUNDLE else None)
    folds = sorted(
        (int(found[1]), entry / BUNDLE)
        for entry in root.iterdir()
        if (found := _FOLD.fullmatch(entry.name)) and (entry / BUNDLE / MANIFEST_NAME).is_file()
    )
    bundle = root / BUNDLE if (root / BUNDLE / MANIFEST_NAME).is_file() else None
    if bundle is None and not folds:
        raise UsageError(
            f"{root} holds no model.\nExpected a bundle with {MANIFEST_NAME}, or a run folder with bundle/ "
            "or fold-0/bundle/ in it."
        )
    carried = is_carried(root) and bool(folds)
    if carried and bundle is None:
        bundle = folds[-1][1]
    bundles = tuple(fold for _, fold in folds)
    return RunModels(
        root, bundle, bundles, _with_own_folds(_split_of(root.resolve()), root, bundles), carried
    )


def _split_of(run: Path) -> Split | None:
    """The split that the model of a run folder was trained by, as far as the folder says.

    Where copies were made before the folds, a fold's own names those copies, and any photograph may have
    trained it: that of the whole run is taken.
    """
    copied = _FOLD.fullmatch(run.name) and protocol_of(run.parent).get("copies") == "before"
    file = (run.parent if copied else run) / SPLIT_FILE
    return load_split(file) if file.is_file() else None


def _with_own_folds(split: Split | None, root: Path, bundles: Sequence[Path]) -> Split | None:
    """The split of a run with the folds that its own files name, where it has none.

    So it is where copies were made before the folds: the images were dealt to them with their copies.
    """
    files = [bundle.parent / SPLIT_FILE for bundle in bundles]
    named = files and all(file.is_file() for file in files)
    if split is None or split.folds or not named or protocol_of(root).get("copies") != "before":
        return split
    return split.model_copy(update={"folds": tuple(load_split(file).parts["val"] for file in files)})


def evaluate_run(
    models: RunModels,
    dataset: Dataset,
    split: Split | None = None,
    part: str = "test",
    at: At = "original",
    *,
    ensemble: bool = False,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> Metrics | LabelMetrics | FoldMetrics:
    """Evaluate what :func:`find_models` found.

    Folds give :class:`FoldMetrics`, or with ``ensemble`` one model that averages their probabilities. Part
    ``folds``: each fold's model on the images held out from it. Without ``split`` the run's own is used where
    it fits the data set. Raises as :func:`flawscope.evaluation.evaluate.evaluate`.
    """
    chosen, notes = split_for(models, dataset, split, part)
    notes += protocol_in_words(protocol_of(models.path)) if models.folds else []
    if part == FOLDS or (models.folds and not ensemble and not models.carried):
        parts = _held_out(models, dataset, chosen) if part == FOLDS else [dataset] * len(models.folds)
        results = []
        for bundle, some in zip(models.folds, parts, strict=True):
            name = "all" if part == FOLDS else part
            one = evaluate(bundle, some, chosen, name, at, options=options, progress=progress)
            results.append(replace(one, part=part if part == FOLDS else one.part, notes=(*notes, *one.notes)))
        shared = dict.fromkeys(note for one in results for note in one.notes)
        return FoldMetrics(tuple(results), tuple(shared))
    model: ModelLike = models.folds if ensemble and models.folds else models.bundle or models.path
    if ensemble and not models.folds:
        raise UsageError(
            f"{models.path} holds no folds, so there is nothing to average.\nLeave out --ensemble."
        )
    metrics = evaluate(model, dataset, chosen, part, at, options=options, progress=progress)
    return replace(metrics, notes=(*notes, *metrics.notes))


def split_for(
    models: RunModels, dataset: Dataset, split: Split | None, part: str
) -> tuple[Split | None, list[str]]:
    """Return the split to use, and what the user should be told, as where the part was trained on.

    Turned and flipped copies (``NAME#VIEW``) of a fold whose copies were made before it are no images of the
    data set: they are passed over. Raises DataError where the model has no images to be tried on.
    """
    if models.split is None:
        return split, []
    run = dataset.fitting(models.split)
    copies = {name for name in run.names() if COPY in name and name not in dataset}
    wanted = _wanted(run, part)
    run = run.without(copies)
    lost = [name for name in _wanted(run, part) if name not in dataset]
    if split is None and _wanted(run, part) and not lost:
        count = len(set(wanted) & copies)
        note = f"{count} turned or flipped copies in part '{part}' of the run were passed over"
        return run, [note] if count else []
    chosen = split or dataset.default_split
    if chosen is None and part == "test" and any(name in dataset for name in run.names()):
        why = f"names images that are not there, e.g. '{lost[0]}'" if lost else "is missing from its split"
        raise DataError(
            f"{models.path} was trained on images of {dataset.root}, and its part 'test' {why}.\n"
            "Name another part with --part, or give the images to try it on with --split."
        )
    if chosen is None or part not in chosen.parts:
        return split, []
    trained = {name for key in ("train", "val") for name in run.parts.get(key, ())}
    trained |= {name for fold in run.folds for name in fold}
    seen = [name for name in chosen.parts[part] if name in trained]
    if not seen:
        return split, []
    return split, [f"{len(seen)} images of part '{part}' were in the run's training, e.g. {seen[0]}"]


def _wanted(split: Split, part: str) -> tuple[str, ...]:
    """Names of a part, or of every fold."""
    return (
        tuple(name for fold in split.folds for name in fold) if part == FOLDS else split.parts.get(part, ())
    )


def _held_out(models: RunModels, dataset: Dataset, split: Split | None) -> list[Dataset]:
    if split is None or len(split.folds) != len(models.folds) or not models.folds:
        have = 0 if split is None else len(split.folds)
        raise UsageError(
            f"Part 'folds' needs a run of folds and a split with as many; the run {models.path} has "
            f"{len(models.folds)} and the split {have}.\nGive the run's split.json with --split."
        )
    return [dataset.subset(fold) for fold in split.folds]


def _spread_dicts(folds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """As `_spread`, of figures as ``metrics.json`` has them."""
    known = [{n: Figure(f["value"]) for n, f in one.items() if f["value"] is not None} for one in folds]
    return _spread(known)


def _spread(folds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    out: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(key for figures in folds for key in figures):
        values = [f[name].value for f in folds if name in f and math.isfinite(f[name].value)]
        mean = statistics.fmean(values) if values else None
        sd = statistics.stdev(values) if len(values) > 1 else None
        out[name] = {"value": mean, "sd": sd, "low": None, "high": None}
    return out


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"
