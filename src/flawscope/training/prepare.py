"""Before the first step: is the data fit for training, and which images train and which validate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups_of
from flawscope.data.integrity import IntegrityReport, check
from flawscope.data.leaks import leaks
from flawscope.data.protocols import split_by_protocol
from flawscope.data.split import carve_validation
from flawscope.data.split_file import Split
from flawscope.data.synthetic.kinds import kind_named
from flawscope.data.synthetic.painted import LEAST_PX
from flawscope.data.units import classes_and_shares, find_ties, ties_in_words
from flawscope.errors import DataError, UsageError
from flawscope.inspection.preprocess import network_size_hw
from flawscope.training.balancing import Shown, balance_in_words, balance_part
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
    shown: tuple[Shown, ...] = ()
    """What the network is shown of ``train`` where classes are balanced; else empty."""
    classes_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Name -> ids of the classes that its mask marks."""
    sizes_hw: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> height and width of its photograph in px."""


@dataclass(frozen=True)
class Checked:
    """A data set after a look at every file that is trained or validated on."""

    dataset: Dataset
    """Without faulty samples."""
    split: Split
    """Likewise."""
    ties: Mapping[str, str]
    """Name -> name of the first image that shows the same photograph."""
    classes_of: Mapping[str, tuple[int, ...]]
    """Name -> ids of the classes that its mask marks."""
    sizes_hw: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> height and width of its photograph in px."""


def check_dataset(dataset: Dataset, split: Split, skip_bad: bool, reporter: Reporter) -> Checked:
    """Read what would be trained on once.

    What only smells is told, also copies that cross the parts of the split: images that it sets aside are
    looked at for that.

    Raises DataError for faulty samples (unless ``skip_bad``), and where nothing is left to learn from.
    """
    parts = {part: split.parts[part] for part in ("train", "val") if part in split.parts}
    wanted = dataset.subset(dict.fromkeys(name for names in parts.values() for name in names))
    report = check(wanted, split.model_copy(update={"parts": parts, "folds": ()}))
    usable = report.usable(wanted, skip_bad)
    ties = _all_ties(dataset, split, report)
    warnings = [problem for problem in report.warnings if problem.kind != "leak"]
    warnings += leaks(dataset, split.model_copy(update={"folds": ()}), ties)
    for problem in warnings[:_MOST_NOTES]:
        reporter.say(f"note: {problem}")
    if len(warnings) > _MOST_NOTES:
        reporter.say(f"note: {len(warnings) - _MOST_NOTES} more; `flawscope explore` lists them all")
    kept = {part: tuple(name for name in names if name in usable) for part, names in parts.items()}
    left = split.model_copy(update={"parts": {**split.parts, **kept}})
    classes_of = {check.name: tuple(check.positive_px) for check in report.checks}
    return Checked(usable, left, ties, classes_of, {check.name: check.size_hw for check in report.checks})


def looked_at(val: Sequence[Sample], most: int) -> tuple[Sample, ...]:
    """The validation images that are looked at while training: ``most`` (0 = all), evenly over the part.

    The part often lists class after class or set after set, and its end is none to leave out.
    """
    if not 0 < most < len(val):
        return tuple(val)
    return tuple(val[k * len(val) // most] for k in range(most))


def _all_ties(dataset: Dataset, split: Split, report: IntegrityReport) -> dict[str, str]:
    """Near-copies among all images of the split, also between those that train and those set aside."""
    known = {check.name: check.print for check in report.checks if check.print is not None}
    aside = [name for name in split.names() if name in dataset and name not in known]
    if not aside:
        return report.ties
    readable = [name for name in known if name in dataset]
    return find_ties(dataset.subset([*readable, *aside]), known)


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
            "Give a data set with masks, or take a recipe with task = 'classification', e.g. classify-quick."
        )
    chosen = train_part(dataset, protocol_split(config, dataset, split, reporter))
    dataset = with_groups_of(dataset, chosen)
    checked = check_dataset(dataset, chosen, skip_bad, reporter)
    parts = with_val(checked, config, reporter)
    train, val = (checked.dataset.subset(parts.part(part)).samples for part in ("train", "val"))
    check_val(config, str(dataset.root), (bool(checked.classes_of.get(sample.name)) for sample in val))
    _check_synth_classes(config, dataset.classes, dataset.multi_label)
    shown = balance_part(config.data.balance, train, checked.classes_of, dataset.classes, config.train.seed)
    if shown:
        reporter.say(balance_in_words(shown, train))
    _tell_one_source(config, train, reporter)
    return Prepared(
        dataset.classes, train, val, parts, dataset.multi_label, dataset, shown, checked.classes_of,
        checked.sizes_hw,
    )  # fmt: skip


def _tell_one_source(config: TrainConfig, train: Sequence[Sample], reporter: Reporter) -> None:
    """Say so where there are no two sources to balance; synthetic images are a source of their own."""
    sources = {sample.source for sample in train}
    if config.data.balance_sources and not config.data.synth.images and len(sources) == 1:
        reporter.say(
            f"note: data.balance_sources changes nothing: all images are of the source '{min(sources)}'; "
            "put each set into a folder of its own (SET/images, SET/masks)"
        )


def check_val(config: TrainConfig, where: str, marked: Iterable[bool]) -> None:
    """Refuse, before any training, images to validate on of which none shows a class. Raises DataError.

    :param marked: of each image whether its mask marks anything; read no further than to the first that does.
    """
    if config.validation.threshold_rule != "half" and not any(marked):
        raise DataError(
            f"{where}: no mask of the images that validate marks a pixel, so that no threshold can be chosen "
            "on them.\nExpected at least one that does: split anew, or set "
            "validation.threshold_rule = 'half', which chooses none."
        )


def _check_synth_classes(config: TrainConfig, classes: Sequence[ClassInfo], multi_label: bool) -> None:
    if not config.data.synth.images:
        return
    drawn = [(info.id, info.name) for info in kind_named(config.data.synth.kind).classes]
    there = [(info.id, info.name) for info in classes]
    one_each = len(drawn) == len(there) == 1 and drawn[0][0] == there[0][0]  # each other's, by any name
    if drawn != there and not one_each:
        raise UsageError(
            f"data.synth draws {_named(drawn)}; this data set has {_named(there)}.\n"
            "The classes must be the same; set data.synth.images = 0 to train without synthetic images."
        )
    if config.data.synth.ground == "photographs" and multi_label:
        raise UsageError(
            "data.synth.ground = 'photographs' draws on masks of one plane; this data set's classes overlap, "
            "with a plane each.\nSet data.synth.ground = 'drawn'."
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
    if synth.ground == "photographs":
        raise UsageError(
            "data.synth.ground is 'photographs', and there is no --data to take them from.\n"
            "Give --data DATASET, or set data.synth.ground = 'drawn'."
        )
    if not synth.validation_images:
        raise UsageError(
            "data.synth.validation_images is 0; training on synthetic images alone needs some.\n"
            "Set it to 50 or so."
        )
    reporter.say(f"drawing {synth.validation_images} synthetic images for validation")
    val = tuple(SynthPool(synth, config.train.seed).validation_samples(processes))
    classes_of = {s.name: ids for s, (ids, _) in zip(val, classes_and_shares(val), strict=True)}
    check_val(config, "data.synth.validation_images", map(bool, classes_of.values()))
    return Prepared(kind_named(synth.kind).classes, (), val, Split(parts={}), classes_of=classes_of)


def protocol_split(
    config: TrainConfig, dataset: Dataset, split: Split | None, reporter: Reporter
) -> Split | None:
    """Return the split that was given, else the set's own, else that of ``data.protocol``; without folds."""
    data = config.data
    if split is not None or dataset.default_split is not None or not data.protocol:
        return split or dataset.default_split
    made = split_by_protocol(dataset, data.protocol, **{"seed": config.train.seed, **data.protocol_options})
    parts = ", ".join(f"{len(names)} {part}" for part, names in made.parts.items())
    reporter.say(f"split by the protocol {data.protocol}: {parts}")
    return made.model_copy(update={"folds": ()})


def train_part(dataset: Dataset, split: Split | None) -> Split:
    chosen = split or dataset.default_split or Split(parts={"train": dataset.names})
    if not chosen.parts.get("train"):
        have = ", ".join(f"{part} ({len(names)})" for part, names in chosen.parts.items()) or "none"
        raise DataError(
            f"The split has no images to train on; its parts are: {have}.\n"
            "Make one with: flawscope split DATASET --out split.json"
        )
    return chosen


def with_val(checked: Checked, config: TrainConfig, reporter: Reporter) -> Split:
    chosen = checked.split
    if chosen.parts.get("val"):
        return chosen
    names, share = chosen.part("train"), config.validation.share
    train, val = carve_validation(checked.dataset, names, share, config.train.seed, checked.ties)
    here = set(names)
    words = ties_in_words({name: first for name, first in checked.ties.items() if name in here})
    if words:
        reporter.say(f"note: {words}")
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

    Where these show nothing all of them are looked at. Raises DataError when no pixel of any class is found.
    """
    stride = -(-len(store) // most) if len(store) else 1
    for step in sorted({stride, 1}, reverse=True):
        hits, pixels = _count_pixels(store, classes, step)
        if hits.any():
            return [float(hit / max(pixels, 1)) for hit in hits]
    names = ", ".join(info.name for info in classes)
    raise DataError(
        f"No pixel of {names} in {len(store)} training masks: nothing to learn.\n"
        "Check the masks and their values (--mask-value V=CLASS says what a value means)."
    )


def _count_pixels(
    store: PictureStore, classes: Sequence[ClassInfo], step: int
) -> tuple[npt.NDArray[np.float64], int]:
    """Pixels of each class, and pixels in all, over every ``step``-th picture."""
    hits, pixels = np.zeros(len(classes)), 0
    for index in range(0, len(store), step):
        mask = store[index].mask
        hits += class_planes(mask, classes).sum(axis=(1, 2))
        pixels += mask.shape[0] * mask.shape[1]
    return hits, pixels


def prior_of(shares: Sequence[float], activation: str) -> tuple[float, ...]:
    """Return the shares as the head wants them: within (0, 1), background first for softmax."""
    clipped = [min(max(share, 1e-4), 0.5) for share in shares]
    if activation == "sigmoid":
        return tuple(round(share, 6) for share in clipped)
    background = min(max(1 - sum(clipped), 1e-4), 1 - 1e-4)
    return tuple(round(share, 6) for share in (background, *clipped))


def names_sha256(samples: Sequence[Sample]) -> str:
    """Return the SHA-256 of the samples' names, a line each; bytes that are no UTF-8 count as they are."""
    names = "\n".join(sample.name for sample in samples)
    return hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(prepared: Prepared, shares: Sequence[float], config: TrainConfig) -> dict[str, Any]:
    """Return what the training data looked like, for the bundle."""
    balance = config.data.balance
    sources = sorted({sample.source for sample in prepared.train if sample.source})
    return {
        "train_images": len(prepared.train),
        "val_images": len(prepared.val),
        "synthetic_images": config.data.synth.images,
        **({"synthetic_ground": config.data.synth.ground} if config.data.synth.images else {}),
        "sources": sources,
        "names_sha256": names_sha256(prepared.train),
        "positive_share": {
            info.name: round(share, 6) for info, share in zip(prepared.classes, shares, strict=True)
        },
        **({"balance": balance.model_dump(mode="json")} if prepared.shown else {}),
    }


def synth_pool(config: TrainConfig, prepared: Prepared, reporter: Reporter) -> SynthPool | None:
    """Return the pool of synthetic images that the configuration asks for; None where it asks for none.

    Raises DataError where cracks are to be drawn on photographs that are all too small.
    """
    if not config.data.synth.images:
        return None
    train = prepared.train
    if config.data.synth.ground == "photographs":
        train = _large_enough(config, prepared, reporter)
    grounds = [sample_source(sample, config.input) for sample in train]
    return SynthPool(config.data.synth, config.train.seed, grounds)


def _large_enough(config: TrainConfig, prepared: Prepared, reporter: Reporter) -> tuple[Sample, ...]:
    """The training photographs that cracks can be drawn on, as large as the network sees them."""

    def is_small(sample: Sample) -> bool:
        size_hw = prepared.sizes_hw.get(sample.name)
        return size_hw is not None and min(network_size_hw(size_hw, config.input)) < LEAST_PX

    small = [sample.name for sample in prepared.train if is_small(sample)]
    if len(small) == len(prepared.train):
        raise DataError(
            f"None of {len(small)} training photographs has {LEAST_PX} px a side, e.g. {small[0]}; no crack "
            "can be drawn on them.\nSet data.synth.ground = 'drawn', or data.synth.images = 0."
        )
    if small:
        reporter.say(
            f"note: {len(small)} training photographs of less than {LEAST_PX} px a side get no cracks drawn "
            f"on them, e.g. {small[0]}"
        )
    left_out = set(small)
    return tuple(sample for sample in prepared.train if sample.name not in left_out)


def make_store(
    config: TrainConfig, prepared: Prepared, pool: SynthPool | None, processes: int, epoch: int = 0
) -> PictureStore:
    """Return the training pictures: real ones first, then the synthetic pool as it stands in ``epoch``."""
    shown = prepared.shown or tuple(Shown(sample) for sample in prepared.train)
    sources = [replace(sample_source(one.sample, config.input), weight=one.weight) for one in shown]
    if pool is not None:
        sources += pool.sources(epoch, processes)
    return PictureStore(sources, config.data.cache_mb * 2**20)


def with_prior(config: TrainConfig, shares: Sequence[float]) -> TrainConfig:
    """Return the configuration with the counted shares where it asks for them."""
    if config.model.prior != "data":
        return config
    model = config.model.model_copy(update={"prior": prior_of(shares, config.input.activation)})
    return config.model_copy(update={"model": model})
