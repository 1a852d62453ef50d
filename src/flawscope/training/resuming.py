"""``--resume``: a run goes on as it began; what would have it otherwise is refused, not passed over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flawscope.errors import ConfigError, ImageError, UsageError
from flawscope.images.atomic import write_text_atomic
from flawscope.training.config import TrainConfig
from flawscope.training.freezing import without_idle_freeze
from flawscope.training.progress import Silent
from flawscope.training.validate import class_planes
from flawscope.types import ClassInfo, Sample

LABELS = "labels.json"
_MASKS = 64
"""Masks that are looked at, evenly picked: enough to tell another reading, quick for any set."""


def check_asked(folder: Path, begun: TrainConfig, asked: TrainConfig, keys: Sequence[str]) -> None:
    """Refuse what a run that goes on was asked for by name and does not have. Raises ConfigError.

    :param begun: the configuration of the run in ``folder``.
    :param asked: the one that the call gives.
    :param keys: of it, the keys that were named, such as ``train.seed``.
    """
    has, wanted = begun.model_dump(mode="json"), _as_fixed(asked, begun)
    for key in keys:
        here, there = _value(wanted, key), _value(has, key)
        if here != there:
            raise ConfigError(
                f"{key} is {_in_words(here)} here and {_in_words(there)} in the run {folder}, which goes on "
                "as it began.\nLeave it out, or begin a new run in another --out."
            )


def _as_fixed(asked: TrainConfig, begun: TrainConfig) -> dict[str, Any]:
    """What was asked for, with what a run counts or measures itself as this one found it."""
    table = without_idle_freeze(asked, Silent()).model_dump(mode="json")
    has = begun.model_dump(mode="json")
    train, its = table["train"], has["train"]
    if train["steps"] is None:
        train["steps"] = its["steps"]
    if train["minutes"] is not None:
        train["validate_every"] = its["validate_every"]
    if Path(train["init"]).resolve() == Path(its["init"]).resolve():
        train["init"] = its["init"]
    if table["model"]["prior"] == "data":
        table["model"]["prior"] = has["model"]["prior"]
    if table["classify"]["class_weights"] != "none":
        for term, its_term in zip(table["loss"], has["loss"], strict=False):
            term["options"] = {**its_term["options"], **term["options"]}
    if not begun.recipe:  # begun from a configuration without a name
        table["recipe"] = ""
    return table


def _value(table: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(table, list):
            table = table[int(part)] if part.isdigit() and int(part) < len(table) else None
        else:
            table = table.get(part) if isinstance(table, dict) else None
    return table


def _in_words(value: Any) -> str:
    return "not set" if value is None or value == "" else json.dumps(value, ensure_ascii=False)


def write_labels(folder: Path, classes: Sequence[ClassInfo], samples: Sequence[Sample]) -> None:
    """Write down what the labels of a run's images are read as. Raises OutputError."""
    record = {"schema": 1, "classes": _counted(classes, samples)}
    write_text_atomic(folder / LABELS, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def check_same_labels(folder: Path, classes: Sequence[ClassInfo], samples: Sequence[Sample]) -> None:
    """Refuse labels that are read otherwise than when the run began. Raises UsageError.

    A run that did not write them down goes on as it is.
    """
    try:
        then = json.loads((folder / LABELS).read_text(encoding="utf-8"))["classes"]
    except (OSError, ValueError, KeyError):
        return
    now = _counted(classes, samples)
    if now != then:
        raise UsageError(
            f"{folder}: the labels are not those that the run began with: {_told(then)} then, {_told(now)} "
            "now.\nGive the data set, its --mask-value and its --layout as then, or begin a new run."
        )


def _counted(classes: Sequence[ClassInfo], samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The classes, each with its pixels in some of the masks, or with the images that have its label."""
    masked = [sample for sample in sorted(samples, key=lambda one: one.name) if sample.read_mask is not None]
    if not masked:
        return [
            {"id": info.id, "name": info.name, "images": sum(info.id in one.labels for one in samples)}
            for info in classes
        ]
    pixels = np.zeros(len(classes), np.int64)
    for sample in masked[:: -(-len(masked) // _MASKS)]:
        try:
            mask = sample.mask
        except ImageError:  # left out of the run with --skip-bad
            continue
        if mask is not None:
            pixels += class_planes(mask, classes).sum(axis=(1, 2))
    return [
        {"id": info.id, "name": info.name, "pixels": int(count)}
        for info, count in zip(classes, pixels, strict=True)
    ]


def _told(classes: Sequence[dict[str, Any]]) -> str:
    unit = "pixels" if any("pixels" in one for one in classes) else "images"
    return ", ".join(f"{one['name']} {one.get(unit)} {unit}" for one in classes)
