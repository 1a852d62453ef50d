"""After the last step: weights, threshold and minimum area, bundle, metrics, curves."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor, nn

from flawscope.bundle import Bundle
from flawscope.data.dataset import Dataset
from flawscope.evaluation.chooser import Chooser, ThresholdChoice
from flawscope.evaluation.classes import match_classes
from flawscope.evaluation.counts import thin
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.metrics import json_text
from flawscope.images.atomic import write_text_atomic
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.postprocess import to_mask
from flawscope.inspection.runtimes import TorchRuntime
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import Chosen, InputSpec
from flawscope.reporting.plots import plot_curves
from flawscope.training.bundle_writer import write_bundle
from flawscope.training.checkpoint import Progress, load_weights
from flawscope.training.config import TrainConfig
from flawscope.training.loop import BEST, LAST
from flawscope.training.prepare import Prepared
from flawscope.training.presence import fixed_presence, tuned_presence
from flawscope.training.progress import Reporter
from flawscope.training.session import build_network, recorded_options
from flawscope.training.validate import class_planes
from flawscope.types import ClassInfo, RgbImage, Sample

BUNDLE, METRICS, CURVES = "bundle", "metrics.json", "curves.png"
_LIMIT_S = 20.0
"""Of a run with a budget, what is chosen on validation images may take so long, and the figures as well."""
_PARITY_IMAGES = 8
_WIDTH_IMAGES = 60
_HURRIED_IMAGES = 40
"""Validation images that the figures of a run with a budget come from where no threshold is chosen."""
_HALF = 0.5


def finish(
    folder: Path,
    config: TrainConfig,
    prepared: Prepared,
    progress: Progress,
    facts: dict[str, Any],
    reporter: Reporter,
) -> dict[str, Any]:
    """Write ``bundle/``, ``metrics.json`` and ``curves.png``; return the metrics.

    Raises ParityError when the exported network disagrees with the trained one, and OutputError.
    """
    network = trained_network(folder, config, prepared.classes)
    limit_s = math.inf if config.train.minutes is None else _LIMIT_S
    # Presence is counted behind the thresholds, so it needs a pass of its own.
    tuned = config.validation.presence_px == "tuned" and config.validation.threshold_rule != "half"
    began_s = time.monotonic()
    choices, count = choose_on(network, config, prepared, limit_s / 2 if tuned else limit_s)
    if count < len(prepared.val):
        reporter.say(
            f"note: threshold and figures come from {count} of {len(prepared.val)} validation images"
        )
    presence = presence_of(network, config, prepared, choices, limit_s - (time.monotonic() - began_s))
    bundle = _write(folder, network, config, prepared, facts, choices, presence)
    metrics = figures_of(bundle, folder, config, prepared, _in_order(prepared)[:count])
    write_text_atomic(folder / METRICS, json_text(metrics))
    plot_curves(folder / CURVES, progress.history)
    return metrics


def trained_network(folder: Path, config: TrainConfig, classes: Sequence[ClassInfo]) -> nn.Module:
    """Return the network with the weights that ``train.keep`` names, on the CPU, ready to predict."""
    options = {k: v for k, v in config.model.options.items() if k != "encoder_weights"}
    model = config.model.model_copy(update={"options": options, "prior": "none"})
    network = build_network(config.model_copy(update={"model": model}), classes)
    network.load_state_dict(kept_weights(folder, config))
    return network.eval()


def kept_weights(folder: Path, config: TrainConfig) -> dict[str, Tensor]:
    """Return the weights of the best validation, or those of the last step (their running mean)."""
    if config.train.keep == "best" and (folder / BEST).is_file():
        return load_weights(folder / BEST)
    averaged = load_weights(folder / LAST, "ema") if config.train.ema_decay else {}
    averaged.pop("ema.updates", None)
    return averaged or load_weights(folder / LAST)


def working_input(config: TrainConfig) -> InputSpec:
    """Return the input that the bundle works with: that of training, but for a size of its own."""
    size_hw = config.bundle.size_hw
    return config.input if size_hw is None else config.input.model_copy(update={"size_hw": size_hw})


def choose_on(
    network: nn.Module, config: TrainConfig, prepared: Prepared, limit_s: float
) -> tuple[dict[str, ThresholdChoice], int]:
    """Return the choice for each class that occurs, and how many validation images fitted into the time.

    With the rule ``half`` nothing is chosen. Raises DataError when no validation image shows any class,
    which is told before training (`prepare.check_val`).
    """
    options, classes = config.validation, prepared.classes
    if options.threshold_rule == "half":
        return {}, len(prepared.val) if math.isinf(limit_s) else min(len(prepared.val), _HURRIED_IMAGES)
    runtime, predict = TorchRuntime(network), PredictOptions(flip_tta=options.tta, batch=options.batch)
    match = match_classes(classes, classes)
    began_s = time.monotonic()
    names, rule = [info.name for info in classes], options.threshold_rule
    with Chooser(names, rule, options.min_area_px, options.slack) as chooser:
        for sample in _in_order(prepared):
            mask = sample.mask
            assert mask is not None  # the integrity check saw it
            planes = predict_probability(sample.image(), runtime, working_input(config), classes, predict)
            chooser.add(list(planes), match.truth(mask))
            if time.monotonic() - began_s > limit_s:
                break
        return {choice.class_name: choice for choice in chooser.choose()}, chooser.images


def presence_of(
    network: nn.Module,
    config: TrainConfig,
    prepared: Prepared,
    choices: Mapping[str, ThresholdChoice],
    limit_s: float = math.inf,
) -> dict[str, Chosen]:
    """Return the pixels that make an image positive, a class, on the photographs' grid.

    Tuned, they come from as many validation images as ``limit_s`` seconds take, at least one.
    """
    options, classes = config.validation, prepared.classes
    if options.presence_px != "tuned":
        return fixed_presence(options, classes)
    runtime, predict = TorchRuntime(network), PredictOptions(flip_tta=options.tta, batch=options.batch)
    marked: dict[str, list[int]] = {info.name: [] for info in classes}
    true: dict[str, list[bool]] = {info.name: [] for info in classes}
    pixels: list[int] = []
    cuts = [choices[i.name].threshold if i.name in choices else _HALF for i in classes]
    areas = [choices[i.name].min_area_px if i.name in choices else 0 for i in classes]
    began_s = time.monotonic()
    for sample in _in_order(prepared):
        mask = sample.mask
        assert mask is not None  # the integrity check saw it
        planes = predict_probability(sample.image(), runtime, working_input(config), classes, predict)
        _, stack = to_mask(planes, cuts, areas)
        pixels.append(stack[0].size)
        for info, found, truth in zip(classes, stack, class_planes(mask, classes), strict=True):
            marked[info.name].append(int(found.sum()))
            true[info.name].append(bool(truth.any()))
        if time.monotonic() - began_s > limit_s:
            break
    of_px = sorted(pixels)[len(pixels) // 2] if config.input.one_size else None
    return tuned_presence(marked, true, f"{len(pixels)} validation images of this run", of_px)


def _in_order(prepared: Prepared) -> list[Sample]:
    """Return the validation images as `_spread`, an image of each class first.

    However few of them fit into the time, there is something to choose a threshold on.
    """
    spread = _spread(prepared.val, len(prepared.val))
    first: dict[int, str] = {}
    for sample in spread:
        for number in prepared.classes_of.get(sample.name, ()):
            first.setdefault(number, sample.name)
    showing = set(first.values())
    return sorted(spread, key=lambda sample: sample.name not in showing)


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return samples in an order of which every beginning is spread over the whole; the first ``count``."""
    order = np.random.default_rng(0).permutation(len(samples))
    return [samples[int(i)] for i in order[:count]]


def _write(
    folder: Path,
    network: nn.Module,
    config: TrainConfig,
    prepared: Prepared,
    facts: dict[str, Any],
    choices: Mapping[str, ThresholdChoice],
    presence: Mapping[str, Chosen],
) -> Bundle:
    measure = config.validation.threshold_rule
    rule, where = f"largest {measure}", f"{len(prepared.val)} validation images of this run"
    area_rule = rule
    if slack := config.validation.slack:
        rule += f", middle of those within {slack:g}"
        area_rule += f", of those within {slack:g} the one that tells most images right"
    thresholds = {n: Chosen(value=c.threshold, rule=rule, data=where) for n, c in choices.items()}
    if measure == "half":
        words = "of two classes" if len(prepared.classes) == 1 else "of each class and its absence"
        fixed = Chosen(value=_HALF, rule=f"half: the argmax {words}", data="none")
        thresholds = {info.name: fixed for info in prepared.classes}
    pictures = _parity_images(config, prepared)
    return write_bundle(
        network,
        network_name=config.model.name,
        network_options=recorded_options(config, prepared.classes),
        classes=prepared.classes,
        input_spec=working_input(config),
        out=folder / BUNDLE,
        parity_images=pictures,
        parity_data=f"{len(pictures)} {'validation' if prepared.dataset else 'drawn'} images of this run",
        thresholds=thresholds,
        min_area_px={
            n: Chosen(
                value=c.min_area_px,
                rule=area_rule,
                data=where,
                of_px=c.of_px if config.input.one_size else None,
            )
            for n, c in choices.items()
        },
        presence_px=presence,
        metrics={"validation": {measure: {n: round(c.score, 4) for n, c in choices.items()}}},
        fingerprint=facts,
        licence=config.bundle.licence,
        origin=config.bundle.origin or f"Trained by `flawscope train {config.recipe}`.",
        name=config.bundle.name or config.recipe,
        multi_label=prepared.multi_label or config.bundle.overlaps,
        working_scales=config.bundle.working_scales,
        width_range_px=width_range_px(prepared),
    )


def _parity_images(config: TrainConfig, prepared: Prepared) -> list[RgbImage]:
    """Return validation images for the gate; with a budget half as many, and no larger than a tile."""
    count, edge_px = _PARITY_IMAGES, None
    if config.train.minutes is not None:
        count, edge_px = _PARITY_IMAGES // 2, config.input.size_px if config.input.mode == "tile" else None
    return [sample.image()[:edge_px, :edge_px] for sample in prepared.val[:count]]


def width_range_px(prepared: Prepared) -> tuple[float, float] | None:
    """Return the 5th and 95th percentile of the widths of line-like classes, in px; None without any.

    The width at a pixel of the centreline is twice its distance to the nearest pixel outside, less one.
    """
    samples = [*prepared.train, *prepared.val]
    lines = [k for k, info in enumerate(prepared.classes) if info.kind == "line"]
    widths: list[npt.NDArray[np.float64]] = []
    for sample in _spread(samples, _WIDTH_IMAGES):
        mask = sample.mask
        if mask is None:
            continue
        for plane in class_planes(mask, prepared.classes)[lines]:
            centre = thin(np.ascontiguousarray(plane))
            widths.append(2 * ndimage.distance_transform_edt(plane)[centre] - 1)
    every = np.concatenate(widths) if widths else np.zeros(0)
    if not len(every):
        return None
    low, high = np.percentile(every, (5, 95))
    return round(float(low), 2), round(float(high), 2)


def figures_of(
    bundle: Bundle, folder: Path, config: TrainConfig, prepared: Prepared, samples: Sequence[Sample]
) -> dict[str, Any]:
    """Return ``metrics.json`` of the finished bundle on validation images."""
    root = prepared.dataset.root if prepared.dataset else folder
    dataset = Dataset(root, "run", prepared.classes, config.task, tuple(samples), classes_named=True)
    options = EvaluateOptions(predict=PredictOptions(batch=config.validation.batch), gallery=0)
    metrics = evaluate(bundle, dataset, part="all", options=options)
    return replace(metrics, part="val", model=BUNDLE).to_dict()
