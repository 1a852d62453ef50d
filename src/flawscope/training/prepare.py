"""Before the first step: is the data fit for training, and which images train and which validate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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


def check_dataset(dataset: Dataset, names: Sequence[str], reporter: Reporter) -> None:
    """Refuse what would spoil a run; tell what only smells. Raises DataError."""
    report = check(dataset.subset(names))
    if report.errors:
        shown = [str(problem) for problem in list(report.errors)[:5]]
        more = f" (and {len(report.errors) - 5} more)" if len(report.errors) > 5 else ""
        raise DataError(
            f"{dataset.root} has {len(report.errors)} images or masks that cannot be used: "
            + "; ".join(shown)
            + f"{more}.\nMend them, or leave them out with --skip-bad."
        )
    for problem in list(report.warnings)[:10]:
        reporter.say(f"note: {problem}")
    if len(report.warnings) > 10:
        reporter.say(f"note: {len(report.warnings) - 10} more; `flawscope explore` lists them all")


def prepare(
    config: TrainConfig, dataset: Dataset | None, split: Split | None, reporter: Reporter, processes: int
) -> Prepared:
    """Return who trains and who validates.

    Without a part ``val``, ``validation.share`` of train, by group, becomes one.
    Raises DataError or UsageError.
    """
    synth = config.data.synth
    if dataset is None:
        return _prepare_synthetic(config, reporter, processes)
    parts = _parts(dataset, split, config)
    check_dataset(dataset, [*parts.part("train"), *parts.part("val")], reporter)
    train = dataset.subset(parts.part("train")).samples
    val = dataset.subset(parts.part("val")).samples
    prepared = Prepared(dataset.classes, train, val, parts, dataset.multi_label, dataset)
    drawn = [(info.id, info.name) for info in kind_named(synth.kind).classes] if synth.images else []
    if drawn and drawn != [(info.id, info.name) for info in prepared.classes]:
        raise UsageError(
            f"data.synth draws {_named(drawn)}; this data set has "
            f"{_named([(info.id, info.name) for info in prepared.classes])}.\n"
            "The classes must be the same; set data.synth.images = 0 to train without synthetic images."
        )
    return prepared


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


def _parts(dataset: Dataset, split: Split | None, config: TrainConfig) -> Split:
    chosen = split or dataset.default_split or Split(parts={"train": dataset.names})
    if "train" not in chosen.parts:
        raise DataError(
            "The split has no part 'train'; its parts are: " + (", ".join(chosen.parts) or "none") + ".\n"
            "Make one with: flawscope split DATASET --out split.json"
        )
    if not chosen.part("train"):
        raise DataError("The part 'train' of the split is empty; training needs images.")
    if chosen.parts.get("val"):
        return chosen
    train, val = carve_validation(dataset, chosen.part("train"), config.validation.share, config.train.seed)
    if not train or not val:
        raise DataError(
            f"{len(chosen.part('train'))} training images in too few groups: "
            f"{config.validation.share:.0%} of them cannot become a validation part.\n"
            "Add images, or give a split file with a part 'val'."
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
