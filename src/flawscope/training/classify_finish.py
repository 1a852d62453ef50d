"""After the last step of a classifier: weights, thresholds of a sigmoid head, bundle, metrics, curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from flawscope.bundle import Bundle
from flawscope.data.dataset import Dataset
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.label_thresholds import best_f1
from flawscope.evaluation.metrics import json_text
from flawscope.images.atomic import write_text_atomic
from flawscope.inspection.labels import label_probabilities
from flawscope.inspection.runtimes import TorchRuntime
from flawscope.manifest import Chosen
from flawscope.reporting.plots import plot_curves
from flawscope.training.bundle_writer import write_bundle
from flawscope.training.checkpoint import Progress
from flawscope.training.classify_data import label_rows, label_target
from flawscope.training.config import TrainConfig
from flawscope.training.finish import BUNDLE, CURVES, METRICS, trained_network
from flawscope.training.prepare import Prepared
from flawscope.training.session import recorded_options
from flawscope.types import Sample

_PARITY_IMAGES = 8
_MOST_IMAGES = 3000
"""Validation images that are looked at after a run with a budget."""


def finish_labels(
    folder: Path, config: TrainConfig, prepared: Prepared, progress: Progress, facts: dict[str, Any]
) -> dict[str, Any]:
    """Write ``bundle/``, ``metrics.json`` and ``curves.png``; return the metrics.

    Raises ParityError when the exported network disagrees with the trained one, and OutputError.
    """
    network = trained_network(folder, config, prepared.classes)
    val = prepared.val
    if config.train.minutes is not None:
        order = np.random.default_rng(0).permutation(len(val))
        val = tuple(val[int(k)] for k in np.sort(order[:_MOST_IMAGES]))
    bundle = _write(folder, network, config, prepared, facts, val)
    root = prepared.dataset.root if prepared.dataset else folder
    dataset = Dataset(root, "run", prepared.classes, config.task, val, classes_named=True)
    measured = evaluate(bundle, dataset, part="all", options=EvaluateOptions(gallery=0))
    metrics = replace(measured, part="val", model=BUNDLE).to_dict()
    write_text_atomic(folder / METRICS, json_text(metrics))
    plot_curves(folder / CURVES, progress.history)
    return metrics


def choose_thresholds(
    network: nn.Module, config: TrainConfig, prepared: Prepared, val: Sequence[Sample]
) -> dict[str, Chosen]:
    """Return the threshold of each class of a sigmoid head: of largest F1, or one half; none for softmax.

    All rules of ``validation.threshold_rule`` but ``half`` mean F1: labels have no tolerance.
    """
    if config.input.activation == "softmax":
        return {}
    if config.validation.threshold_rule == "half":
        return {info.name: Chosen(value=0.5, rule="half", data="none") for info in prepared.classes}
    runtime = TorchRuntime(network)
    scores = label_probabilities(
        (sample.image() for sample in val), runtime, config.input, len(prepared.classes)
    )
    labels = label_rows(val, prepared.classes)
    truth = label_target(labels, len(prepared.classes), "sigmoid")[0][..., 0, 0].numpy() > 0.5
    where = f"{len(val)} validation images of this run"
    return {
        info.name: Chosen(value=best_f1(scores[:, k], truth[:, k]), rule="largest f1", data=where)
        for k, info in enumerate(prepared.classes)
    }


def _write(
    folder: Path,
    network: nn.Module,
    config: TrainConfig,
    prepared: Prepared,
    facts: dict[str, Any],
    val: Sequence[Sample],
) -> Bundle:
    return write_bundle(
        network,
        network_name=config.model.name,
        network_options=recorded_options(config, prepared.classes),
        classes=prepared.classes,
        input_spec=config.input,
        out=folder / BUNDLE,
        parity_images=[sample.image() for sample in prepared.val[:_PARITY_IMAGES]],
        parity_data=f"{len(prepared.val[:_PARITY_IMAGES])} validation images of this run",
        thresholds=choose_thresholds(network, config, prepared, val),
        fingerprint=facts,
        licence=config.bundle.licence,
        origin=config.bundle.origin or f"Trained by `flawscope train {config.recipe}`.",
        name=config.bundle.name or config.recipe,
        multi_label=prepared.multi_label,
        task="classification",
    )
