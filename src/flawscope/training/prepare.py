"""Before the first step: is the data fit for training, and which images train and which validate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flawscope.data.dataset import Dataset
from flawscope.data.integrity import check
from flawscope.data.split import carve_validation
from flawscope.data.split_file import Split
from flawscope.data.synthetic.kinds import kind_named
from flawscope.errors import DataError, UsageError
from flawscope.training.config import TrainConfig
from flawscope.training.progress import Reporter
from flawscope.training.store import PictureStore, sample_source
from flawscope.training.synth_pool import SynthPool
from flawscope.training.validate import class_planes
from flawscope.types import ClassInfo, Sample

_MOST_NOTES = 10


@dataclass(frozen=True)
class Prepared:
    """The data of one run."""

    classes: tuple[ClassInfo, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    split: Split
    """What goes to the run's split.json."""
    multi_label: bool = False
    dataset: Dataset | None = None


def check_dataset(
    dataset: Dataset, split: Split, skip_bad: bool, reporter: Reporter
) -> tuple[Dataset, Split, dict[str, str]]:
    """Read what would be trained on once; return it without faulty samples, and which show the same.

    What only smells is told.

    Raises DataError for faulty samples (unless ``skip_bad``), and where nothing is left to learn from.
    """
    parts = {part: split.parts[part] for part in ("train", "val") if part in split.parts}
    wanted = dataset.subset(dict.fromkeys(name for names in parts.values() for name in names))
    report = check(wanted, split.model_copy(update={"parts": parts, "folds": ()}))
    usable = report.usable(wanted, skip_bad)
    for problem in report.warnings[:_MOST_NOTES]:
        reporter.say(f"note: {problem}")
    if len(report.warnings) > _MOST_NOTES:
        reporter.say(f"note: {len(report.warnings) - _MOST_NOTES} more; `flawscope explore` lists them all")
    kept = {part: tuple(name for name in names if name in usable) for part, names in parts.items()}
    return usable, split.model_copy(update={"parts": {**split.parts, **kept}}), report.ties


def prepare(
    config: TrainConfig,
    dataset: Dataset | None,
    split: Split | None,
    reporter: Reporter,
    processes: int,
    skip_bad: bool = False,
) -> Prepared:
    """Return who trains and who validates.

    Without a part ``val``, ``validation.share`` of train, by group, becomes one; images that show the same
    photograph stay together. Raises DataError or UsageError.
    """
    if dataset is None:
        return _prepare_synthetic(config, reporter, processes)
    if dataset.task != "segmentation":
        raise UsageError(
            f"{dataset.root} holds labelled images, no masks; this recipe learns masks.\n"
            "Give a data set with masks."
        )
    checked, parts, ties = check_dataset(dataset, _train_part(dataset, split), skip_bad, reporter)
    parts = _with_val(checked, parts, ties, config)
    train, val = (checked.subset(parts.part(part)).samples for part in ("train", "val"))
    prepared = Prepared(dataset.classes, train, val, parts, dataset.multi_label, dataset)
    _check_synth_classes(config, prepared.classes)
    return prepared


def _check_synth_classes(config: TrainConfig, classes: Sequence[ClassInfo]) -> None:
    if not config.data.synth.images:
        return
    drawn = [(info.id, info.name) for info in kind_named(config.data.synth.kind).classes]
    there = [(info.id, info.name) for info in classes]
    if drawn != there:
        raise UsageError(
            f"data.synth draws {_named(drawn)}; this data set has {_named(there)}.\n"
            "The classes must be the same; set data.synth.images = 0 to train without synthetic images."
        )


def _named(pairs: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{name} ({number})" for number, name in pairs)


def _prepare_synthetic(config: TrainConfig, reporter: Reporter, processes: int) -> Prepared:
    synth = config.data.synth
    if not synth.images:
        raise UsageError(
            "There is nothing to train on: no --data, and data.synth.images is 0.\n"
            "Give --data DATASET, or a recipe with synthetic images such as crack-default."
        )
    if not synth.validation_images:
        raise UsageError(
            "data.synth.validation_images is 0; training on synthetic images alone needs some.\n"
            "Set it to 50 or so."
        )
    reporter.say(f"drawing {synth.validation_images} synthetic images for validation")
    val = SynthPool(synth, config.train.seed).validation_samples(processes)
    return Prepared(kind_named(synth.kind).classes, (), tuple(val), Split(parts={}))


def _train_part(dataset: Dataset, split: Split | None) -> Split:
    chosen = split or dataset.default_split or Split(parts={"train": dataset.names})
    if not chosen.parts.get("train"):
        have = ", ".join(f"{part} ({len(names)})" for part, names in chosen.parts.items()) or "none"
        raise DataError(
            f"The split has no images to train on; its parts are: {have}.\n"
            "Make one with: flawscope split DATASET --out split.json"
        )
    return chosen


def _with_val(dataset: Dataset, chosen: Split, ties: Mapping[str, str], config: TrainConfig) -> Split:
    if chosen.parts.get("val"):
        return chosen
    names, share = chosen.part("train"), config.validation.share
    train, val = carve_validation(dataset, names, share, config.train.seed, ties)
    if not train or not val:
        raise DataError(
            f"{len(names)} training images in too few groups: {share:.0%} of them cannot become a validation "
            "part.\nAdd images, or give a split file with a part 'val'."
        )
    return chosen.model_copy(update={"parts": {**chosen.parts, "train": tuple(train), "val": tuple(val)}})


def fold_splits(dataset: Dataset, split: Split) -> list[Split]:
    """Return one split a fold: the fold validates, the other folds train, the rest stays."""
    splits = []
    for fold in split.folds:
        others = [name for other in split.folds if other is not fold for name in other]
        parts = {**split.parts, "train": tuple(others), "val": tuple(fold)}
        splits.append(split.model_copy(update={"parts": parts, "folds": ()}))
    return splits


def positive_shares(store: PictureStore, classes: Sequence[ClassInfo], most: int = 500) -> list[float]:
    """Return each class's share of all pixels, 0..1, over (at most ``most``, evenly picked) pictures.

    Raises DataError when no pixel of any class is found.
    """
    stride = -(-len(store) // most) if len(store) else 1
    hits, pixels = np.zeros(len(classes)), 0
    for index in range(0, len(store), stride):
        mask = store[index].mask
        hits += class_planes(mask, classes).sum(axis=(1, 2))
        pixels += mask.shape[0] * mask.shape[1]
    if not hits.any():
        names = ", ".join(info.name for info in classes)
        raise DataError(
            f"No pixel of {names} in {len(range(0, len(store), stride))} training masks: nothing to learn.\n"
            "Check the masks and their values (--mask-value V=CLASS says what a value means)."
        )
    return [float(hit / max(pixels, 1)) for hit in hits]


def prior_of(shares: Sequence[float], activation: str) -> tuple[float, ...]:
    """Return the shares as the head wants them: within (0, 1), background first for softmax."""
    clipped = [min(max(share, 1e-4), 0.5) for share in shares]
    if activation == "sigmoid":
        return tuple(round(share, 6) for share in clipped)
    background = min(max(1 - sum(clipped), 1e-4), 1 - 1e-4)
    return tuple(round(share, 6) for share in (background, *clipped))


def fingerprint(prepared: Prepared, shares: Sequence[float], synth_images: int) -> dict[str, Any]:
    """Return what the training data looked like, for the bundle."""
    names = "\n".join(sample.name for sample in prepared.train)
    sources = sorted({sample.source for sample in prepared.train if sample.source})
    return {
        "train_images": len(prepared.train),
        "val_images": len(prepared.val),
        "synthetic_images": synth_images,
        "sources": sources,
        "names_sha256": hashlib.sha256(names.encode()).hexdigest(),
        "positive_share": {
            info.name: round(share, 6) for info, share in zip(prepared.classes, shares, strict=True)
        },
    }


def make_store(
    config: TrainConfig, prepared: Prepared, pool: SynthPool | None, processes: int, epoch: int = 0
) -> PictureStore:
    """Return the training pictures: real ones first, then the synthetic pool as it stands in ``epoch``."""
    sources = [sample_source(sample, config.input) for sample in prepared.train]
    if pool is not None:
        sources += pool.sources(epoch, processes)
    return PictureStore(sources, config.data.cache_mb * 2**20)


def with_prior(config: TrainConfig, shares: Sequence[float]) -> TrainConfig:
    """Return the configuration with the counted shares where it asks for them."""
    if config.model.prior != "data":
        return config
    model = config.model.model_copy(update={"prior": prior_of(shares, config.input.activation)})
    return config.model_copy(update={"model": model})
