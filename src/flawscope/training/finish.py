"""After the last step: weights, threshold and minimum area, bundle, metrics, curves."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor, nn

from flawscope.bundle import Bundle
from flawscope.evaluation.counts import count_image, thin
from flawscope.evaluation.segmentation import Figure, ImageRow, summarise
from flawscope.images.atomic import write_text_atomic
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.postprocess import to_mask
from flawscope.inspection.runtimes import TorchRuntime, make_runtime
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import Chosen
from flawscope.training.bundle_writer import write_bundle
from flawscope.training.checkpoint import Progress, load_weights
from flawscope.training.choose import Choice, Chooser
from flawscope.training.config import TrainConfig
from flawscope.training.loop import BEST, LAST
from flawscope.training.prepare import Prepared
from flawscope.training.progress import Reporter
from flawscope.training.session import build_network, network_options
from flawscope.training.validate import class_planes
from flawscope.types import IGNORE_INDEX, ClassInfo, Mask, Sample

BUNDLE, METRICS, CURVES = "bundle", "metrics.json", "curves.png"
_LIMIT_S = 20.0
"""Of a run with a budget, each of the two passes over the validation images may take so long."""
_PARITY_IMAGES = 8
_WIDTH_IMAGES = 60


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
    hurried = config.train.minutes is not None
    choices, count = choose_on(network, config, prepared, _LIMIT_S if hurried else math.inf)
    if count < len(prepared.val):
        reporter.say(
            f"note: threshold and figures come from {count} of {len(prepared.val)} validation images"
        )
    bundle = _write(folder, network, config, prepared, facts, choices)
    metrics = figures_of(bundle, config, prepared, _spread(prepared.val, count))
    write_text_atomic(folder / METRICS, json.dumps(metrics, indent=1) + "\n")
    draw_curves(folder / CURVES, progress.history)
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


def choose_on(
    network: nn.Module, config: TrainConfig, prepared: Prepared, limit_s: float
) -> tuple[list[Choice], int]:
    """Return the choice for each class, and the number of validation images that fitted into the time."""
    options = config.validation
    chooser = Chooser(prepared.classes, options.threshold_rule, options.min_area_px)
    runtime, predict = TorchRuntime(network), PredictOptions(flip_tta=options.tta, batch=options.batch)
    count, began_s = len(prepared.val), time.monotonic()
    for number, sample in enumerate(_spread(prepared.val, count), start=1):
        mask = sample.mask
        assert mask is not None  # the integrity check saw it
        chooser.add(
            predict_probability(sample.image(), runtime, config.input, prepared.classes, predict), mask
        )
        if time.monotonic() - began_s > limit_s:
            count = number
            break
    return chooser.choose(), count


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
    choices: Sequence[Choice],
) -> Bundle:
    names = [info.name for info in prepared.classes]
    rule = config.validation.threshold_rule
    where = f"{len(prepared.val)} validation images of this run"
    options = network_options(config, prepared.classes)
    for only_at_start in ("prior", "encoder_weights"):
        options.pop(only_at_start, None)
    told = {name: round(c.value, 4) for name, c in zip(names, choices, strict=True)}
    return write_bundle(
        network,
        network_name=config.model.name,
        network_options=options,
        classes=prepared.classes,
        input_spec=config.input,
        out=folder / BUNDLE,
        parity_images=[sample.image() for sample in prepared.val[:_PARITY_IMAGES]],
        thresholds={
            name: Chosen(value=round(c.threshold, 2), rule=f"largest {rule}", data=where)
            for name, c in zip(names, choices, strict=True)
        },
        min_area_px={
            name: Chosen(value=c.min_area_px, rule=f"largest {rule} at the threshold", data=where)
            for name, c in zip(names, choices, strict=True)
        },
        presence_px=dict.fromkeys(names, config.validation.presence_px),
        metrics={"validation": {rule: told}},
        fingerprint=facts,
        licence=config.bundle.licence,
        origin=config.bundle.origin or f"Trained by `flawscope train {config.recipe}`.",
        name=config.bundle.name or config.recipe,
        multi_label=prepared.multi_label,
        working_scales=config.bundle.working_scales,
        width_range_px=width_range_px(prepared),
    )


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
    bundle: Bundle, config: TrainConfig, prepared: Prepared, samples: Sequence[Sample]
) -> dict[str, Any]:
    """Return ``metrics.json`` of the finished bundle on validation images."""
    names = [info.name for info in prepared.classes]
    runtime, options = make_runtime(bundle), PredictOptions(batch=config.validation.batch)
    spec, limits = bundle.manifest.input, [bundle.threshold(name) for name in names]
    areas, least = [bundle.min_area_px(name) for name in names], [bundle.presence_px(name) for name in names]
    rows = []
    for sample in samples:
        mask = sample.mask
        assert mask is not None
        probability = predict_probability(sample.image(), runtime, spec, prepared.classes, options)
        _, stack = to_mask(probability, limits, areas, least)
        truths = [_truth(mask, k, info) for k, info in enumerate(prepared.classes)]
        counts = tuple(
            count_image(probability[k], truth, predicted=stack[k]) for k, truth in enumerate(truths)
        )
        rows.append(ImageRow(sample.name, counts, source=sample.source, group=sample.group))
    summary = summarise(rows, names)
    return {
        "schema": 1,
        "task": config.task,
        "images": len(rows),
        "part": "val",
        "at": "original",
        "figures": _plain(summary.figures),
        "classes": {name: _plain(figures) for name, figures in summary.classes.items()},
        "sources": {},
    }


def _truth(mask: Mask, k: int, info: ClassInfo) -> npt.NDArray[Any]:
    """Return one class's truth: bool of a stack; of an index mask 0, 1 and 255 = ignore."""
    if mask.ndim == 3:
        return np.ascontiguousarray(mask[..., k])
    return np.where(mask == IGNORE_INDEX, mask, mask == info.id).astype(np.uint8)


def _plain(figures: dict[str, Figure]) -> dict[str, dict[str, float | None]]:
    return {
        name: {k: (v if v is not None and math.isfinite(v) else None) for k, v in asdict(figure).items()}
        for name, figure in figures.items()
    }


def draw_curves(path: Path, history: Sequence[dict[str, Any]]) -> None:
    """Draw loss and figures over the steps."""
    with contextlib.suppress(ModuleNotFoundError):
        from flawscope.reporting.plots import plot_curves

        plot_curves(path, history)
