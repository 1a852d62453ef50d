"""What each of two steps learns from: all images as clean or not, and the defective ones with their
classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups_of
from flawscope.data.mask_labels import as_defects, as_labels, clean_class
from flawscope.data.protocols import capstone_binary, labelled
from flawscope.data.split import carve_validation
from flawscope.data.split_file import Split
from flawscope.data.units import find_ties, ties_in_words
from flawscope.errors import DataError
from flawscope.training.config import TrainConfig
from flawscope.training.prepare import train_part
from flawscope.training.progress import Reporter
from flawscope.types import ClassInfo


@dataclass(frozen=True)
class StepData:
    """One data set as both steps see it."""

    every: Dataset
    """All images with the labels of the data set, clean among them."""
    clean: ClassInfo
    gate: Dataset
    """All images; label ``defect`` or none."""
    classes: Dataset
    """The defective images with their classes; clean is none of them."""


def step_data(dataset: Dataset, skip_bad: bool = False) -> StepData:
    """The data set, of masks or labels, as both steps see it.

    Raises DataError where no class means clean, or no image is clean or none is not; and for masks that
    cannot be read, unless ``skip_bad`` leaves their images out.
    """
    every = as_labels(dataset, skip_bad)
    clean = clean_class(every)
    defects = {s.name: tuple(label for label in s.labels if label != clean.id) for s in every.samples}
    known = [sample for sample in every.samples if sample.labels]
    gate = as_defects(every)
    bad = tuple(replace(s, labels=defects[s.name]) for s in known if defects[s.name])
    if not bad or len(bad) == len(gate):
        raise DataError(
            f"{dataset.root}: {len(gate) - len(bad)} images are clean and {len(bad)} are not.\n"
            "Two steps need both kinds."
        )
    kinds = tuple(info for info in every.classes if info.id != clean.id)
    return StepData(
        every.with_samples(known),
        clean,
        replace(gate, default_split=None),
        replace(every, classes=kinds, samples=bad, default_split=None),
    )


def split_of_steps(config: TrainConfig, data: StepData, split: Split | None, reporter: Reporter) -> Split:
    """The one split of both steps, with a part ``val``: as given, by the protocol, or as the data set has it.

    Raises DataError.
    """
    seed = config.train.seed
    if split is None and config.two_step.protocol != "none":
        shown = {sample.name: sample.labels for sample in data.classes.samples}
        bare = data.every.with_samples(replace(s, labels=shown.get(s.name, ())) for s in data.every.samples)
        images = labelled(bare, find_ties(bare))
        return capstone_binary(images, per_class=config.two_step.per_class, seed=seed)
    chosen = _usable(train_part(data.every, split), data.every)
    if chosen.parts.get("val"):
        return chosen
    names = chosen.part("train")
    every = with_groups_of(data.every, chosen)
    ties = find_ties(every.subset(names))
    if ties:
        reporter.say(f"note: {ties_in_words(ties)}")
    train, val = carve_validation(every, names, config.validation.share, seed, ties)
    return chosen.model_copy(update={"parts": {**chosen.parts, "train": train, "val": val}})


def split_to_fold(
    config: TrainConfig, dataset: Dataset, split: Split | None, skip_bad: bool, reporter: Reporter
) -> Split | None:
    """The split whose part ``train`` is to be cut into folds: by ``two_step.protocol``, where one is named.

    The protocol's ``train`` and ``val`` are one part there, for folds validate each other; its test part
    stays that of every fold. A split that is given comes first, as for one run. Raises DataError.
    """
    if split is not None or config.two_step.steps == "off" or config.two_step.protocol == "none":
        return split
    made = split_of_steps(config, step_data(dataset, skip_bad), None, reporter)
    folded = {*made.part("train"), *made.part("val")}
    names = tuple(name for name in dataset.names if name in folded)
    test = made.part("test")
    reporter.say(f"split by the protocol {config.two_step.protocol}: {len(names)} in folds, {len(test)} test")
    return made.model_copy(update={"parts": {"train": names, "test": test}})


def split_for_step(split: Split, step: Dataset) -> Split:
    """The parts of the split as far as the step has their images."""
    parts = {part: tuple(name for name in names if name in step) for part, names in split.parts.items()}
    return split.model_copy(update={"parts": parts, "folds": ()})


def _usable(split: Split, dataset: Dataset) -> Split:
    """Without images that have no label or mask; names that the data set never had are told later on."""
    return split.without({name for name in split.names() if name not in dataset})
