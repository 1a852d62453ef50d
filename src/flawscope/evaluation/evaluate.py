"""``evaluate``: a model against the truth of a data set, one image at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from flawscope.bundle import Bundle
from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups_of
from flawscope.data.split_file import Split
from flawscope.errors import DataError, ImageError, UsageError
from flawscope.evaluation.class_gallery import ClassGallery, cut_planes
from flawscope.evaluation.classes import ClassMatch, match_classes
from flawscope.evaluation.classification_metrics import LabelMetrics
from flawscope.evaluation.counts import BoolMask, ClassCounts, count_image, count_strict
from flawscope.evaluation.evaluate_labels import LabelRun, labels_for
from flawscope.evaluation.gallery import Worst
from flawscope.evaluation.metrics import Failed, Metrics
from flawscope.evaluation.network_grid import to_network_grid
from flawscope.evaluation.segmentation import Figure, ImageRow, image_f1_tol2, summarise
from flawscope.evaluation.soft import count_soft
from flawscope.inspection.areas import areas_at
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.postprocess import to_mask
from flawscope.inspection.promises import void_notes
from flawscope.types import IGNORE_INDEX, ClassInfo, Mask, Prediction, RgbImage, Sample

__all__ = ["EvaluateOptions", "Metrics", "Predictor", "evaluate"]

At = Literal["original", "network"]
Progress = Callable[[int, int, str], None]
"""Called with images done, images in all, and the name of the one just done."""

ALL = "all"
"""The part that is the whole data set."""


class Predictor(Protocol):
    """Whatever can be evaluated: an Inspector, or anything with its two members."""

    classes: tuple[ClassInfo, ...]

    def predict(self, image: RgbImage) -> Prediction:
        """Return mask and probabilities of H x W x 3 uint8 RGB."""
        ...


ModelLike = Predictor | Bundle | str | os.PathLike[str] | Sequence[Bundle | str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How to evaluate, apart from model and data."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    """Truth class -> model class, ``background`` or ``ignore``."""
    predict: PredictOptions = field(default_factory=PredictOptions)
    runtime: str = "auto"
    gallery: int = 12
    """So many of the worst images are drawn."""
    draws: int = 1000
    """Bootstrap draws behind the limits; 0 leaves them out."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One image and all that is known of it, before it is counted."""

    sample: Sample
    image: RgbImage
    truth: tuple[npt.NDArray[np.uint8], ...]
    """A plane H x W a counted class: 0, 1, 255 ignore."""
    prediction: Prediction
    seconds: float


def evaluate(
    model: ModelLike,
    dataset: Dataset,
    split: Split | None = None,
    part: str = "test",
    at: At = "original",
    *,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> Metrics | LabelMetrics:
    """Compare a model with the truth of a part of a data set, on every figure of its task.

    ``model``: a bundle or its path, several of them (their probabilities are averaged), or an Inspector.
    ``split`` defaults to the data set's own; a set without any split is evaluated whole, and the result says
    so. ``at``: the grid that pixels are counted on, the photograph's own or the network's (only different for
    networks that see resized photographs). Images that cannot be read are named in ``Metrics.failed``.

    Raises DataError when there is nothing to evaluate, ClassMappingError, UsageError, BundleError.
    """
    model, _ = as_predictor(model, options or EvaluateOptions())
    dataset = labels_for(model, dataset)
    if dataset.task == "classification":
        return evaluate_labels(model, dataset, split, part, options=options, progress=progress)
    return evaluate_cuts(model, dataset, split, part, at, options=options, progress=progress)[0]


def evaluate_labels(
    model: ModelLike,
    dataset: Dataset,
    split: Split | None = None,
    part: str = "test",
    *,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> LabelMetrics:
    """As :func:`evaluate`, for a classifier and a data set of labelled images."""
    options = options or EvaluateOptions()
    chosen, part, notes = choose_part(dataset, split, part)
    predictor, title = as_predictor(model, options)
    _check_task(predictor, dataset, title)
    if not isinstance(predictor, Inspector):
        raise UsageError("Evaluating labels needs a bundle or an Inspector.")
    match = match_classes(
        dataset.classes, predictor.classes, options.mapping, truth_named=dataset.classes_named
    )
    head = predictor.bundle.manifest.input.activation
    run = LabelRun(predictor, head, match, chosen, part, progress)
    metrics = run.measure(title, notes, options.draws, options.seed)
    return replace(metrics, unlabelled=len(run.unlabelled))


def _check_task(predictor: Predictor, dataset: Dataset, title: str) -> None:
    task = getattr(predictor, "task", "segmentation")
    if task != dataset.task:
        does = {"segmentation": "marks pixels", "classification": "labels images"}
        holds = {"segmentation": "masks", "classification": "labels of images"}
        raise UsageError(
            f"The model {title} {does[task]}; {dataset.root} holds {holds[dataset.task]}.\n"
            "Give a model and a data set of one task."
        )


def evaluate_cuts(
    model: ModelLike,
    dataset: Dataset,
    split: Split | None = None,
    part: str = "test",
    at: At = "original",
    cuts: Sequence[float | None] = (None,),
    *,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> list[Metrics]:
    """As :func:`evaluate`, once for each of ``cuts``, while every image is predicted once only.

    A cut is a threshold that takes the place of every class's own; None leaves the model's. Minimum areas
    stay.
    """
    options = options or EvaluateOptions()
    if at not in ("original", "network"):
        raise UsageError(f"Unknown grid {at!r}; expected original or network.")
    chosen, part, notes = choose_part(dataset, split, part)
    predictor, title = as_predictor(model, options)
    _check_task(predictor, dataset, title)
    match = match_classes(
        dataset.classes, predictor.classes, options.mapping, truth_named=dataset.classes_named
    )
    failed: list[Failed] = []
    unlabelled: list[str] = []
    rows: list[list[ImageRow]] = [[] for _ in cuts]
    drawn = [_Drawn(Worst(options.gallery), ClassGallery(options.gallery, match.classes)) for _ in cuts]
    for one in compare(predictor, match, chosen, at, failed=failed, unlabelled=unlabelled, progress=progress):
        try:
            for k, cut in enumerate(cuts):
                seen = one if cut is None else replace(one, prediction=cut_at(one.prediction, predictor, cut))
                row = count_sample(seen, match)
                rows[k].append(row)
                drawn[k].offer(seen, match, row, predictor, cut)
        except ImageError as error:
            failed.append(Failed(one.sample.name, str(error)))
    if not rows[0]:
        raise _nothing(dataset, part, failed, unlabelled)
    if unlabelled:
        notes.append(f"{len(unlabelled)} images without a mask were passed over, e.g. {unlabelled[0]}")
    shared = Metrics(
        task="segmentation",
        images=len(rows[0]),
        part=part,
        at=at,
        figures={},
        classes={},
        sources={},
        class_names=match.names,
        failed=tuple(failed),
        unlabelled=len(unlabelled),
        notes=(*notes, *match.notes),
        model=title,
    )
    return [
        _summed(shared, some, cut, predictor, match, options, pictures)
        for some, cut, pictures in zip(rows, cuts, drawn, strict=True)
    ]


def _summed(
    shared: Metrics,
    rows: Sequence[ImageRow],
    cut: float | None,
    predictor: Predictor,
    match: ClassMatch,
    options: EvaluateOptions,
    drawn: _Drawn,
) -> Metrics:
    """The figures of one cut."""
    void = void_notes(predictor) if cut is None and isinstance(predictor, Inspector) else []
    notes = [f"every class is cut at {cut:g}"] if cut is not None else []
    summary = summarise(rows, match.names, draws=options.draws, seed=options.seed)
    return replace(
        shared,
        figures=summary.figures,
        classes=summary.classes,
        sources=_by_source(rows, match, options),
        rows=tuple(rows),
        notes=(*notes, *void, *shared.notes),
        gallery=drawn.worst.items(),
        pairs=drawn.pairs,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """The pictures of one cut."""

    worst: Worst
    pairs: ClassGallery

    def offer(
        self, one: Compared, match: ClassMatch, row: ImageRow, predictor: Predictor, cut: float | None
    ) -> None:
        """Take an image that was counted."""
        _offer(self.worst, one, match, row)
        if not self.pairs.wants():
            return
        given: Mapping[str, float] = getattr(predictor, "thresholds", {})
        thresholds = given if cut is None else dict.fromkeys(match.names, cut)
        marked = cut_planes(one.prediction.probability, match.planes, match.names, thresholds)
        told = [name for name, c in zip(match.names, row.classes, strict=True) if c.predicted_pixels]
        true = [plane == 1 for plane in one.truth]
        self.pairs.offer(one.sample.name, one.image, true, marked, told)


def cut_at(prediction: Prediction, predictor: Predictor, threshold: float) -> Prediction:
    """The prediction with every class cut at another threshold; the model's minimum areas stay."""
    names = [info.name for info in predictor.classes]
    height, width = prediction.probability.shape[1:]
    mask, stack = to_mask(
        prediction.probability,
        [threshold] * len(names),
        *areas_at(predictor, names, (height, width)),
        prediction.class_ids,
    )
    return replace(prediction, mask=mask, stack=None if prediction.stack is None else stack)


def choose_part(dataset: Dataset, split: Split | None, part: str) -> tuple[Dataset, str, list[str]]:
    """Return the samples of a part, in the split's groups, the part's name, and notes. Raises DataError."""
    dataset = with_groups_of(dataset, split)
    if part == ALL:
        return dataset, ALL, []
    if split is None and dataset.default_split is None:
        if part != "test":
            raise DataError(
                f"{dataset.root}: has no split, so there is no part '{part}'.\n"
                "Give one with --split, or take everything with --part all."
            )
        return dataset, ALL, ["the data set has no split: all of its images are counted"]
    return dataset.part(part, split), part, []


def as_predictor(model: ModelLike, options: EvaluateOptions) -> tuple[Predictor, str]:
    """Return something that predicts, and its name."""
    if isinstance(model, Bundle | str | os.PathLike | Sequence):
        inspector = Inspector(model, options.runtime, options.predict)
        return inspector, ", ".join(str(bundle.source) for bundle in inspector.bundles)
    bundles: Sequence[Bundle] = getattr(model, "bundles", ())
    return model, ", ".join(str(b.source) for b in bundles) or type(model).__name__


def compare(
    predictor: Predictor,
    match: ClassMatch,
    dataset: Dataset,
    at: At = "original",
    *,
    failed: list[Failed],
    unlabelled: list[str],
    progress: Progress | None = None,
) -> Iterator[Compared]:
    """Read and predict image after image; what cannot be read is appended to ``failed`` and passed over."""
    if at == "network" and isinstance(predictor, Inspector):
        predictor = predictor.on_network_grid()
    for done, sample in enumerate(dataset.samples, start=1):
        try:
            started = time.perf_counter()
            mask = sample.mask
            if mask is None:
                unlabelled.append(sample.name)
            else:
                image = sample.image()
                _check_sizes(image, mask)
                if at == "network":
                    image, mask = to_network_grid(predictor, image, mask)
                prediction = predictor.predict(image)
                yield Compared(sample, image, match.truth(mask), prediction, time.perf_counter() - started)
        except ImageError as error:
            failed.append(Failed(sample.name, str(error)))
        if progress is not None:
            progress(done, len(dataset), sample.name)


def count_sample(one: Compared, match: ClassMatch) -> ImageRow:
    """Return the row of counts of one image. Raises ImageError when sizes differ."""
    predicted = [predicted_plane(one.prediction, plane) for plane in match.planes]
    counts = tuple(
        count_image(one.prediction.probability[plane], truth, predicted=mask)
        for plane, truth, mask in zip(match.planes, one.truth, predicted, strict=True)
    )
    return ImageRow(
        name=one.sample.name,
        classes=counts,
        background=_background(predicted, one.truth),
        source=one.sample.source,
        group=one.sample.group,
        seconds=one.seconds,
        soft=count_soft(one.prediction.probability, one.truth, match.planes),
    )


def predicted_plane(prediction: Prediction, plane: int) -> BoolMask:
    """Return where a class is predicted, H x W bool: from the stack when classes overlap, else the mask."""
    if prediction.stack is not None:
        return np.asarray(prediction.stack[plane], dtype=np.bool_)
    return np.asarray(prediction.mask == prediction.class_ids[plane], dtype=np.bool_)


def _background(predicted: Sequence[BoolMask], truth: Sequence[npt.NDArray[np.uint8]]) -> ClassCounts:
    valid = truth[0] != IGNORE_INDEX
    any_true = np.logical_or.reduce([plane == 1 for plane in truth])
    return count_strict(~np.logical_or.reduce(predicted), ~any_true, valid)


def _check_sizes(image: RgbImage, mask: Mask) -> None:
    if image.shape[:2] != mask.shape[:2]:
        (h, w), (mh, mw) = image.shape[:2], mask.shape[:2]
        raise ImageError(f"The mask is {mw} x {mh} and the image {w} x {h} pixels.\nThey must have one size.")


def _offer(worst: Worst, one: Compared, match: ClassMatch, row: ImageRow) -> None:
    scores = [image_f1_tol2(c) for c in row.classes]
    score = min(scores)
    predicted = np.logical_or.reduce([predicted_plane(one.prediction, plane) for plane in match.planes])
    true = np.logical_or.reduce([plane == 1 for plane in one.truth])
    valid = one.truth[0] != IGNORE_INDEX
    named = zip(match.names, scores, row.classes, strict=True)
    caption = "; ".join(
        f"{name}: F1 within 2 px {value:.3f}, {c.true_pixels} px true, {c.predicted_pixels} px predicted"
        for name, value, c in named
    )
    worst.offer(one.sample.name, caption, score, one.image, (predicted & valid, true & valid))


def _by_source(
    rows: Sequence[ImageRow], match: ClassMatch, options: EvaluateOptions
) -> dict[str, dict[str, Figure]]:
    found: dict[str, list[ImageRow]] = {}
    for row in rows:
        found.setdefault(row.source, []).append(row)
    return {
        source: summarise(some, match.names, draws=options.draws, seed=options.seed).figures
        for source, some in sorted(found.items())
        if source
    }


def _nothing(dataset: Dataset, part: str, failed: Sequence[Failed], unlabelled: Sequence[str]) -> DataError:
    if failed:
        why = f"none of them can be read, e.g. {failed[0].name}: {failed[0].error.splitlines()[0]}"
    elif unlabelled:
        why = f"none of its {len(unlabelled)} images has a mask"
    else:
        why = "it holds no image"
    return DataError(
        f"{dataset.root}: part '{part}' cannot be evaluated: {why}.\nExpected images with masks."
    )
