"""Before the first step of a classifier: are its images and labels fit, and who trains and who validates."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from torch import Tensor

from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups_of
from flawscope.data.layouts.idx import IdxImage, load_images
from flawscope.data.split_file import Split
from flawscope.errors import ConfigError, DataError, UsageError
from flawscope.training.balancing import Shown, balance_in_words, balance_part
from flawscope.training.batch_augment import BatchAugment
from flawscope.training.classify_data import (
    LabelledImages,
    balanced_weights,
    class_weights,
    label_rows,
    positive_weights,
)
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import parse_config
from flawscope.training.label_validate import LabelValidator
from flawscope.training.losses import build_loss
from flawscope.training.pictures import Pictures
from flawscope.training.prepare import (
    Checked,
    Prepared,
    check_dataset,
    looked_at,
    names_sha256,
    protocol_split,
    train_part,
    with_val,
)
from flawscope.training.progress import Reporter
from flawscope.types import Sample


@dataclass(frozen=True, eq=False)
class LabelParts:
    """What a classifier learns from and is validated on."""

    config: TrainConfig
    """With the class weights counted, where they were asked for."""
    items: LabelledImages
    validator: LabelValidator
    facts: dict[str, Any]
    """What the training data looked like, for the bundle."""


def prepare_labels(
    config: TrainConfig, dataset: Dataset | None, split: Split | None, reporter: Reporter, skip_bad: bool
) -> Prepared:
    """Return who trains and who validates, as `prepare` does for masks. Raises DataError or UsageError."""
    if dataset is None:
        raise UsageError("There is nothing to train on.\nGive --data DATASET with labelled images.")
    if dataset.task != "classification":
        raise UsageError(
            f"{dataset.root} holds masks, no labels of whole images; this recipe learns labels.\n"
            "Give a data set of labelled images, or take a recipe that learns masks, e.g. segment-quick."
        )
    chosen = train_part(dataset, protocol_split(config, dataset, split, reporter))
    dataset = with_groups_of(dataset, chosen)
    checked = _check_digits(dataset, chosen) or check_dataset(dataset, chosen, skip_bad, reporter)
    parts = with_val(checked, config, reporter)
    train, val = (checked.dataset.subset(parts.part(part)).samples for part in ("train", "val"))
    check_labels(config, dataset, train, val)
    classes_of = {sample.name: sample.labels for sample in train}
    shown = balance_part(config.data.balance, train, classes_of, dataset.classes, config.train.seed)
    if shown:
        reporter.say(balance_in_words(shown, train))
    return Prepared(dataset.classes, train, val, parts, dataset.multi_label, dataset, shown)


def _check_digits(dataset: Dataset, split: Split) -> Checked | None:
    """Tie exact copies among the images of IDX files without decoding one by one; None for other layouts.

    The files' headers and lengths were checked when they were opened, so no image of them can be faulty.
    """
    if not len(dataset) or not all(isinstance(sample.image, IdxImage) for sample in dataset):
        return None
    first: dict[bytes, str] = {}
    ties: dict[str, str] = {}
    for sample in dataset:
        reader = cast(IdxImage, sample.image)
        pixels = load_images(reader.path)[reader.index].tobytes()
        root = first.setdefault(hashlib.blake2b(pixels, digest_size=16).digest(), sample.name)
        if root != sample.name:
            ties[sample.name] = ties[root] = root
    return Checked(dataset, split, ties, {sample.name: sample.labels for sample in dataset})


def check_labels(
    config: TrainConfig, dataset: Dataset, train: Sequence[Sample], val: Sequence[Sample]
) -> None:
    """Softmax wants exactly one label an image; and there must be something to tell apart.

    Raises ConfigError for an image with none or several under softmax, DataError where ``train`` shows too
    few classes.
    """
    if config.input.activation == "softmax":
        odd = next((sample for sample in (*train, *val) if len(sample.labels) != 1), None)
        if odd is not None:
            raise ConfigError(
                f"{odd.name} has {len(odd.labels)} labels; a softmax head gives every image exactly one.\n"
                "Set input.activation = 'sigmoid' and a loss such as bce."
            )
    seen = {label for sample in train for label in sample.labels}
    least = 2 if config.input.activation == "softmax" else 1
    if len(seen) < least:
        names = ", ".join(info.name for info in dataset.classes if info.id in seen) or "none"
        raise DataError(
            f"{dataset.root}: {len(train)} images to train on show one class only: {names}.\n"
            "Expected at least 2, or there is nothing to tell apart."
            if least == 2
            else f"{dataset.root}: none of {len(train)} images to train on has a label.\n"
            "Expected at least one, or there is nothing to learn."
        )


def make_parts(config: TrainConfig, prepared: Prepared) -> LabelParts:
    """Read the images, count what is to be counted. Raises ConfigError where keys do not go together."""
    shown = prepared.shown or tuple(Shown(sample) for sample in prepared.train)
    samples, count = [one.sample for one in shown], len(prepared.classes)
    labels = label_rows(samples, prepared.classes)
    weights = None
    if config.classify.sampling == "balanced":
        if prepared.shown:
            raise ConfigError("classify.sampling = 'balanced' and data.balance exclude each other.")
        weights = balanced_weights(labels, count)
    elif any(one.weight != 1.0 for one in shown):
        weights = np.array([one.weight for one in shown])
    config = _with_class_weights(config, labels, count)
    limit_bytes = config.data.cache_mb * 2**20
    items = LabelledImages(
        Pictures(samples, config.input, limit_bytes),
        labels,
        config.input,
        BatchAugment(config.augment, config.classify),
        config.train.seed,
        weights,
    )
    loss = build_loss(config.loss, config.input.activation, config.train.side_weight)
    seen = looked_at(prepared.val, config.validation.max_images)
    validator = LabelValidator(seen, config.input, prepared.classes, loss, limit_bytes // 4)
    if config.classify.train_figures:
        # Drawn, not every so many: classes may take turns in the list.
        drawn = np.random.default_rng(config.train.seed).permutation(len(prepared.train))
        some = [prepared.train[int(k)] for k in np.sort(drawn[: config.classify.train_figures])]
        validator = replace(validator, train=replace(validator, samples=some))
    return LabelParts(config, items, validator, _facts(prepared, len(samples)))


def _with_class_weights(config: TrainConfig, labels: Tensor, classes: int) -> TrainConfig:
    """The configuration with the weights counted, where none are given: of classes, or of their presence."""
    if config.classify.class_weights == "none":
        return config
    softmax = config.input.activation == "softmax"
    option, count = ("class_weights", class_weights) if softmax else ("pos_weight", positive_weights)
    weights = count(labels, classes).round(6).tolist()
    table = config.model_dump(mode="json")
    for term in table["loss"]:
        if term["name"] == "focal":
            raise ConfigError(
                "classify.class_weights = 'balanced' goes with cross_entropy and bce; focal weighs itself.\n"
                "Take another loss, or classify.sampling = 'balanced'."
            )
        if not {"class_weights", "pos_weight"} & term["options"].keys():
            term["options"][option] = weights
    return parse_config(table)


def _facts(prepared: Prepared, shown: int) -> dict[str, Any]:
    name_of = {info.id: info.name for info in prepared.classes}
    count = Counter(name_of[label] for sample in prepared.train for label in sample.labels)
    return {
        "train_images": len(prepared.train),
        "shown_images": shown,
        "val_images": len(prepared.val),
        "sources": sorted({sample.source for sample in prepared.train if sample.source}),
        "names_sha256": names_sha256(prepared.train),
        "images_per_class": {info.name: count.get(info.name, 0) for info in prepared.classes},
    }
