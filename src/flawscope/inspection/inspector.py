"""The Inspector: from a photograph to its prediction and its findings, with one bundle or several."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from flawscope.bundle import Bundle
from flawscope.errors import ImageError, UsageError
from flawscope.images.convert import plan
from flawscope.images.memory import check_size
from flawscope.images.sources import ImageSource, open_windowed, read_size
from flawscope.inspection.areas import LeastPixels, areas_at
from flawscope.inspection.bands import ArraySource, Band, RowSource
from flawscope.inspection.ensemble import BundleLike, check_given, check_values, load_all
from flawscope.inspection.gate import chosen_in_two_steps, joint_scores, load_gates, nothing_found
from flawscope.inspection.labels import average, chosen_classes, label_findings, label_probabilities, seen_of
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.postprocess import finish_stack
from flawscope.inspection.preprocess import check_rgb, seen_after
from flawscope.inspection.runtimes import make_runtime
from flawscope.inspection.stopwatch import Stopwatch, TimedRuntime, TimedSource
from flawscope.inspection.tiles import Network, predict_bands, scaled_bytes_per_px, working_scales
from flawscope.inspection.widths import width_errors_of, working_factor
from flawscope.inspection.working_scale import ScaleSearch
from flawscope.manifest import InputSpec, Role
from flawscope.measurement.findings import find
from flawscope.measurement.scale import parse_scale
from flawscope.measurement.width_error import WidthError
from flawscope.types import ClassInfo, FloatArray, Inspection, Prediction, RgbImage, Scale, Scores, Task

ImageLike = RgbImage | str | os.PathLike[str] | Any
"""H x W x 3 uint8 RGB array, path, or PIL image."""

_ROLES: dict[Task, Role] = {"segmentation": "segment", "classification": "classify"}
"""Task of a bundle -> the stage that does it."""

BYTES_PER_PX = 18
"""Memory of an inspection beside the decoded picture, per pixel, for one class: probability, mask, labels.

Measured as the peak of whole runs over pictures of 64 and 144 megapixels, 21 with the decoded picture.
"""
_DECODED_BYTES_PER_PX = 4
_BYTES_PER_FURTHER_CLASS_PX = 6


class Inspector:
    """Runs bundles on photographs. Safe to use for many images one after another; not from several
    threads."""

    def __init__(
        self,
        bundle: BundleLike | Sequence[BundleLike],
        runtime: str = "auto",
        options: PredictOptions | None = None,
        *,
        thresholds: Mapping[str, float] | None = None,
        min_area_px: Mapping[str, int] | None = None,
        gate_threshold: float | None = None,
        threads: int | None = None,
    ) -> None:
        """Load the bundle (several: an ensemble whose probabilities are averaged) and its runtime.

        ``thresholds``, ``min_area_px`` and ``gate_threshold`` replace the bundle's own, the first two by
        class name. An ensemble has a gate where each of its bundles has one. Raises BundleError, UsageError
        (unknown class, value or runtime) and MissingExtraError.
        """
        self.bundles = load_all(bundle)
        self.options = options or PredictOptions()
        self.runtime_name = "onnx" if runtime == "auto" else runtime
        self.classes: tuple[ClassInfo, ...] = self.bundles[0].classes
        self.task: Task = self.bundles[0].manifest.task
        names = [item.name for item in self.classes]
        check_given(self.bundles, self.options.scales, thresholds, min_area_px)
        self.thresholds = {name: _mean(bundle.threshold(name) for bundle in self.bundles) for name in names}
        self.thresholds.update(thresholds or {})
        self._least = LeastPixels(self.bundles, min_area_px or {})
        self.min_area_px, self.presence_px = self._least.at()
        check_values(self.thresholds, self.min_area_px)
        self.stopwatch = Stopwatch()
        """Where the time goes; only `flawscope bench` asks it."""
        self._networks = [self._network(item, runtime, threads) for item in self.bundles]
        self._gates = load_gates(self.bundles, runtime, threads, gate_threshold)

    @property
    def gate_threshold(self) -> float | None:
        """Probability of a defect below which an image is spared; None without a gate."""
        return None if self._gates is None else self._gates.threshold

    @property
    def two_step(self) -> bool:
        """Whether images are labelled in two steps: a gate, then a class of each defective image."""
        return self.bundle.manifest.two_step

    @property
    def bundle(self) -> Bundle:
        """The bundle, or the first of an ensemble."""
        return self.bundles[0]

    @property
    def overlapping(self) -> bool:
        """Whether classes may share pixels, so that each has a mask of its own."""
        return any(bundle.manifest.multi_label for bundle in self.bundles)

    def areas_px(self, size_hw: tuple[int, int]) -> tuple[dict[str, int], dict[str, int]]:
        """Class name -> minimum area, and -> presence, in px of a photograph of that size.

        ``min_area_px`` and ``presence_px`` are the numbers that the bundle names. Where it names the size of
        photograph that they are meant for, others get them in proportion; areas that were given stay.
        """
        return self._least.at(size_hw)

    def min_area_meant_for_px(self, name: str) -> int | None:
        """Size of photograph, in px, that the minimum area of a class is meant for; None: for any."""
        return self._least.meant_for_px(name)

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Ids of the classes, in the order of the probability planes."""
        return tuple(item.id for item in self.classes)

    @property
    def threads(self) -> int:
        """Threads of the runtime."""
        return self._networks[0].runtime.threads

    def predict_probability(self, image: ImageLike) -> FloatArray:
        """Probabilities C x H x W float32 in 0..1, on the photograph's own grid."""
        source, _ = open_image(image)
        return self._collect(source)[0]

    def predict(self, image: ImageLike) -> Prediction:
        """Mask and probabilities of a photograph. Raises ImageError when it cannot be read."""
        if self.task == "classification":
            raise UsageError(
                f"{self.bundle.source} labels whole images and marks no pixels.\n"
                "Ask for label_scores, or inspect the image."
            )
        source, _ = open_image(image)
        return self._predict(source, self._gate(source)[1])[0]

    def label_scores(self, images: Iterable[RgbImage]) -> Scores:
        """Probabilities N x K of images H x W x 3 uint8 RGB, the mean of an ensemble.

        Raises UsageError for a bundle that marks pixels.
        """
        if self.task != "classification":
            raise UsageError(f"{self.bundle.source} marks pixels and labels no images.\nAsk it to predict.")
        return self.step_scores(images)[0]

    def step_scores(self, images: Iterable[RgbImage]) -> tuple[Scores, FloatArray | None, FloatArray]:
        """Probabilities of both steps together, N x K as :meth:`label_scores`, and of each step by itself.

        Of the first the probability of a defect, N, or None for one step; of the second those of its classes.
        """
        once = len(self._networks) == 1 and not self.two_step
        given = images if once else list(images)
        return self._step_scores(lambda _: given)

    def _step_scores(
        self, given: Callable[[InputSpec], Iterable[RgbImage]]
    ) -> tuple[Scores, FloatArray | None, FloatArray]:
        """As :meth:`step_scores`, of the pictures that are given to a network of that input."""
        tta = self.options.flip_tta
        second = [
            label_probabilities(given(one.spec), one.runtime, one.spec, one.classes, flip_tta=tta)
            for one in self._networks
        ]
        if self._gates is None or not self.two_step:
            return average(second), None, average(second)
        with self.stopwatch.stage("gate"):
            first = [gate.scores(given(gate.spec), flip_tta=tta) for gate in self._gates.gates]
        both = [joint_scores(g, c) for g, c in zip(first, second, strict=True)]
        return average(both), average(first), average(second)

    def named(self, scores: Scores) -> list[int]:
        """Places of the classes that K probabilities of an image stand for, the most probable first."""
        spec = self.bundle.manifest.input
        if self.two_step:
            cut = self.gate_threshold or 0.0
            return chosen_in_two_steps(scores, spec, self.classes, self.thresholds, cut)
        return chosen_classes(scores, spec, self.classes, self.thresholds)

    def inspect(
        self, image: ImageLike, scale: Scale | float | str | None = None, name: str = ""
    ) -> Inspection:
        """Prediction and findings of a photograph.

        ``image``: path, PIL image or H x W x 3 uint8 RGB array. ``scale``: millimetres a pixel (a number, a
        text as ``0.2mm``, or a :class:`Scale`). Raises ImageError when the photograph cannot be read.
        """
        started = time.perf_counter()
        source, notes = open_image(image)
        shown = name or (Path(image).name if isinstance(image, str | os.PathLike) else "")
        return self.inspect_source(source, shown, as_scale(scale), notes, started)

    def inspect_source(
        self,
        source: RowSource,
        name: str,
        scale: Scale | None = None,
        notes: tuple[str, ...] = (),
        started: float | None = None,
    ) -> Inspection:
        """As :meth:`inspect`, for a picture that is read in bands."""
        begin = time.perf_counter() if started is None else started
        source = TimedSource(source, self.stopwatch)
        if self.task == "classification":
            with self.stopwatch.stage("prepare"):
                return self._labelled(source, name, scale, notes, begin)
        gate_score, spared = self._gate(source)
        with self.stopwatch.stage("prepare"):
            prediction, scales = self._predict(source, spared)
        stack = prediction.stack
        with self.stopwatch.stage("measure"):
            findings = find(
                prediction.mask if stack is None else np.moveaxis(stack, 0, -1),
                classes=self.classes,
                probability=prediction.probability,
                scale=scale,
                image=name,
                width_errors=self.width_errors(source.size_hw, scales),
            )
        if scales != (1.0,):
            notes = (*notes, f"working scale {', '.join(f'{value:g}' for value in scales)}")
        return Inspection(
            image=name,
            status="ok",
            size_hw=source.size_hw,
            findings=tuple(findings),
            prediction=prediction,
            scale=scale,
            seconds=time.perf_counter() - begin,
            notes=notes,
            gate_score=gate_score,
            spared=spared,
        )

    def _labelled(
        self, source: RowSource, name: str, scale: Scale | None, notes: tuple[str, ...], begin: float
    ) -> Inspection:
        """The label of a whole photograph."""
        both, first, _ = self._step_scores(seen_of(source))
        scores = both[0]
        chosen = self.named(scores)
        return Inspection(
            image=name,
            status="ok",
            size_hw=source.size_hw,
            findings=label_findings(name, source.size_hw, scores, chosen, self.classes),
            scale=scale,
            seconds=time.perf_counter() - begin,
            notes=notes,
            label=";".join(self.classes[k].name for k in chosen),
            label_score=float(scores[chosen[0]]) if chosen else None,
            scores=tuple(float(score) for score in scores),
            gate_score=None if first is None else float(first[0]),
        )

    def width_errors(self, size_hw: tuple[int, int], scales: tuple[float, ...]) -> dict[str, WidthError]:
        """Class name -> the error of its widths in a photograph of that size, worked on at those scales."""
        factors = [working_factor(size_hw, bundle.manifest.input, scales) for bundle in self.bundles]
        return width_errors_of(self.bundles, self.thresholds, factors)

    def need_bytes_per_px(self) -> float:
        """Memory that inspecting takes per pixel of the photograph, beside the decoded photograph itself."""
        if self.task == "classification":
            return 0.0
        own = BYTES_PER_PX + _BYTES_PER_FURTHER_CLASS_PX * (len(self.classes) - 1)
        return max(own, *(scaled_bytes_per_px(network, self.options) for network in self._networks))

    def on_network_grid(self) -> Inspector:
        """The same, for pictures that have the size at which the (first) network sees them.

        It takes them as they are; further networks of an ensemble see what they would see of the photograph.
        So do gates, whose size is the same for all photographs.
        """
        twin, first = copy.copy(self), self.bundle.manifest.input
        twin._networks = [replace(one, spec=seen_after(one.spec, first)) for one in self._networks]
        return twin

    # --- inside -----------------------------------------------------------------------------------------

    def _network(self, bundle: Bundle, runtime: str, threads: int | None) -> Network:
        manifest = bundle.manifest
        search = ScaleSearch(manifest.working_scales)
        if manifest.width_range_px is not None:
            search = replace(search, width_range_px=manifest.width_range_px)
        return Network(
            TimedRuntime(
                make_runtime(bundle, bundle.stage(_ROLES[self.task]), runtime, threads), self.stopwatch
            ),
            manifest.input,
            len(self.classes) - manifest.two_step,
            search,
        )

    def _gate(self, source: RowSource) -> tuple[float | None, bool]:
        """Probability of a defect by the gate, and whether that spares the image the other network."""
        if self._gates is None:
            return None, False
        with self.stopwatch.stage("gate"):
            score = self._gates.score(source, flip_tta=self.options.flip_tta)
        return score, score < self._gates.threshold

    def _predict(self, source: RowSource, spared: bool) -> tuple[Prediction, tuple[float, ...]]:
        if spared:
            return nothing_found(source.size_hw, self.class_ids, self.overlapping), (1.0,)
        names = [item.name for item in self.classes]
        probability, scales = self._collect(source)
        stack = np.empty(probability.shape, dtype=np.bool_)
        for index, name in enumerate(names):
            np.greater_equal(probability[index], np.float32(self.thresholds[name]), out=stack[index])
        mask, stack = finish_stack(
            stack,
            probability,
            *areas_at(self, names, source.size_hw),
            self.class_ids,
        )
        return Prediction(mask, probability, self.class_ids, stack if self.overlapping else None), scales

    def _collect(self, source: RowSource) -> tuple[FloatArray, tuple[float, ...]]:
        """Probabilities C x H x W and the working scales, which the first network of tiles chooses."""
        leader = next((one for one in self._networks if one.spec.mode == "tile"), self._networks[0])
        scales = working_scales(source, leader, self.options)
        height, width = source.size_hw
        out: FloatArray | None = None
        share = np.float32(1.0 / len(self._networks))
        for number, network in enumerate(self._networks):
            bands: Iterator[Band] = predict_bands(source, network, self.options, scales)
            for y0, y1, band in bands:
                if out is None:
                    out = np.empty((len(self.classes), height, width), dtype=np.float32)
                if len(self._networks) == 1:
                    out[:, y0:y1] = band
                elif number == 0:
                    np.multiply(band, share, out=out[:, y0:y1])
                else:
                    out[:, y0:y1] += band * share
        assert out is not None  # every image has a row
        return out, scales


def open_image(
    image: ImageLike, max_pixels: int | None = None, bytes_per_px: float = BYTES_PER_PX
) -> tuple[RowSource, tuple[str, ...]]:
    """A picture ready for reading in rows, and notes on how it was converted. Raises ImageError."""
    if isinstance(image, str | os.PathLike):
        # Asked before decoding; a header that cannot be read alone is judged again, whole, by open_windowed.
        size_hw = _size_or_none(image)
        if size_hw is not None:
            check_size(image, size_hw, bytes_per_px + _DECODED_BYTES_PER_PX, max_pixels)
        source = open_windowed(image, max_pixels)
        if size_hw is None:
            check_size(image, source.size_hw, bytes_per_px, max_pixels)
        return source, source.notes
    if isinstance(image, np.ndarray):
        check_rgb(image)
        return ArraySource(image), ()
    if isinstance(image, Image.Image):
        upright = ImageOps.exif_transpose(image)
        conversion = plan(upright)
        notes = (conversion.note,) if conversion.note else ()
        return ImageSource(upright, 1, notes, conversion), notes
    raise ImageError(
        f"The picture is a {type(image).__name__}.\n"
        "Expected a path, a PIL image or an array of height x width x 3 uint8 RGB."
    )


def _size_or_none(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        return read_size(path)
    except ImageError:
        return None


def as_scale(scale: Scale | float | str | None) -> Scale | None:
    """A scale from millimetres a pixel, text as ``0.2mm``, or itself. Raises UsageError."""
    if scale is None or isinstance(scale, Scale):
        return scale
    return parse_scale(scale if isinstance(scale, str) else f"{float(scale)}mm")


def _mean(values: Iterator[float] | Iterator[int]) -> float:
    found = list(values)
    return float(sum(found) / len(found))
