"""Whole images and their classes: a classifier's probabilities, and what they say of a photograph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flawscope.errors import BundleError
from flawscope.inspection.bands import RowSource
from flawscope.inspection.preprocess import network_size_hw, preprocess, resize_for
from flawscope.inspection.resample import shrink_source
from flawscope.inspection.runtimes import Runtime
from flawscope.manifest import InputSpec
from flawscope.types import ClassInfo, Finding, FloatArray, RgbImage, Scores

Number = TypeVar("Number", bound=np.floating)

_PIXELS_A_BATCH = 2**19


def activate_labels(logits: FloatArray, spec: InputSpec, classes: int) -> FloatArray:
    """Logits N x K to probabilities N x K; softmax rows sum to 1. Raises BundleError for another shape."""
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise BundleError(
            f"The network answers with shape {logits.shape}; expected N x {classes}, one a class.\n"
            "The bundle's manifest and network do not belong together."
        )
    if spec.activation == "sigmoid":
        # exp of a clipped value: no overflow, and 1e-35 is as good as 0.
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0))), dtype=np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def label_probabilities(
    images: Iterable[RgbImage], runtime: Runtime, spec: InputSpec, classes: int, *, flip_tta: bool = False
) -> FloatArray:
    """Probabilities N x K float32 of images H x W x 3 uint8 RGB of any sizes, resized as the spec says.

    With ``flip_tta`` the mean over the four flips. Raises ImageError for an array of another kind,
    BundleError when the network does not answer as the manifest says.
    """
    found: list[FloatArray] = []
    left = iter(images)
    height, width = spec.size_hw or (1, 1)
    batch = max(1, _PIXELS_A_BATCH // (height * width))
    while some := [preprocess(resize_for(image, spec), spec) for image in islice(left, batch)]:
        found.append(_batch_probabilities(np.stack(some), runtime, spec, classes, flip_tta))
    return np.concatenate(found) if found else np.zeros((0, classes), dtype=np.float32)


def seen_of(source: RowSource) -> Callable[[InputSpec], list[RgbImage]]:
    """What each network sees of a picture that is read in bands: at its own size, read once a size."""
    kept: dict[tuple[int, int], RgbImage] = {}

    def picture(spec: InputSpec) -> list[RgbImage]:
        size_hw = network_size_hw(source.size_hw, spec)
        if size_hw not in kept:
            kept[size_hw] = shrink_source(source, size_hw)
        return [kept[size_hw]]

    return picture


def average(answers: Sequence[npt.NDArray[Number]]) -> npt.NDArray[Number]:
    """The mean of the answers of several models, in their own precision."""
    return answers[0] if len(answers) == 1 else np.mean(answers, axis=0, dtype=answers[0].dtype)


def _batch_probabilities(
    batch: FloatArray, runtime: Runtime, spec: InputSpec, classes: int, flip_tta: bool
) -> FloatArray:
    flips: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1)) if flip_tta else ((),)
    views = [np.ascontiguousarray(np.flip(batch, axes)) if axes else batch for axes in flips]
    answers = [activate_labels(runtime.run(view), spec, classes) for view in views]
    if any(len(answer) != len(batch) for answer in answers):
        raise BundleError(
            f"The network gives {len(answers[0])} answers to {len(batch)} images; expected one each.\n"
            "Its graph was exported for one size of batch only; export it again."
        )
    return average(answers)


def chosen_classes(
    scores: Scores, spec: InputSpec, classes: Sequence[ClassInfo], thresholds: Mapping[str, float]
) -> list[int]:
    """Places of the classes that K probabilities stand for, the most probable first.

    Softmax: the most probable one (of equals the first). Sigmoid: all at or above their threshold.
    """
    if spec.activation == "softmax":
        return [int(np.argmax(scores))]
    said = [k for k, info in enumerate(classes) if scores[k] >= np.float32(thresholds[info.name])]
    return sorted(said, key=lambda k: -float(scores[k]))


def label_findings(
    image: str,
    size_hw: tuple[int, int],
    scores: Scores,
    chosen: Sequence[int],
    classes: Sequence[ClassInfo],
) -> tuple[Finding, ...]:
    """One finding of kind ``image`` for each chosen class that is a defect; its box is the whole image."""
    defects = [k for k in chosen if not classes[k].means_clean]
    return tuple(
        Finding(
            image=image,
            finding_id=number,
            class_name=classes[k].name,
            score_mean=float(scores[k]),
            score_max=float(scores[k]),
            x_px=0,
            y_px=0,
            w_px=size_hw[1],
            h_px=size_hw[0],
            area_px=0,
            length_px=None,
            width_mean_px=None,
            width_p95_px=None,
            width_max_px=None,
            orientation_deg=None,
            kind="image",
        )
        for number, k in enumerate(defects, start=1)
    )
