"""A classifier against the labels of a data set, a few images at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from flawscope.data.dataset import Dataset
from flawscope.data.mask_labels import DEFECT, as_defects, as_labels
from flawscope.errors import DataError, ImageError
from flawscope.evaluation.classes import ClassMatch
from flawscope.evaluation.classification import Answer, Head, gather
from flawscope.evaluation.classification_metrics import LabelMetrics, measure_answers
from flawscope.evaluation.metrics import Failed
from flawscope.evaluation.two_step import StepRecorder, with_steps
from flawscope.inspection.inspector import Inspector
from flawscope.types import ClassInfo, RgbImage, Sample, Scores

_AT_ONCE = 64

Progress = Callable[[int, int, str], None]


class LabelPredictor(Protocol):
    """Whatever labels images: an Inspector, or anything with these members."""

    classes: tuple[ClassInfo, ...]

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Probability from which a class counts, by name."""
        ...

    def label_scores(self, images: Iterable[RgbImage]) -> Scores:
        """Return probabilities N x K of images H x W x 3 uint8 RGB."""
        ...


@dataclass(eq=False)
class LabelRun:
    """One pass over the labelled images of a part."""

    predictor: LabelPredictor
    head: Head
    match: ClassMatch
    dataset: Dataset
    part: str
    progress: Progress | None = None
    failed: list[Failed] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps: StepRecorder | None = None
        if isinstance(self.predictor, Inspector) and self.predictor.two_step:
            self._steps = StepRecorder(self.predictor)

    def answers(self) -> Iterator[Answer]:
        """Yield the model's answer to image after image; those that cannot be used are noted."""
        place = {
            truth: plane
            for truths, plane in zip(self.match.truth_ids, self.match.planes, strict=True)
            for truth in truths
        }
        left, done = iter(self.dataset.samples), 0
        model: LabelPredictor = self._steps or self.predictor
        while some := list(islice(left, _AT_ONCE)):
            known = [(one, tuple(sorted({place[i] for i in one.labels if i in place}))) for one in some]
            read = [(*one, image) for one in known if (image := self._read(*one)) is not None]
            scores = model.label_scores([image for _, _, image in read])
            for (sample, labels, _), row in zip(read, scores, strict=True):
                said = None if self._steps is None else tuple(self._steps.named(row))
                yield Answer(sample.name, row, labels, sample.source, sample.group, said)
            done += len(some)
            if self.progress is not None:
                self.progress(done, len(self.dataset), some[-1].name)

    def _read(self, sample: Sample, labels: tuple[int, ...]) -> RgbImage | None:
        # With softmax every image has a class; for sigmoid no label is an answer like any other.
        ignored = not set(sample.labels).isdisjoint(self.match.ignored_ids)
        if ignored or (self.head == "softmax" and not labels):
            self.unlabelled.append(sample.name)
            return None
        try:
            return sample.image()
        except ImageError as error:
            self.failed.append(Failed(sample.name, str(error)))
            return None

    def measure(self, model: str, notes: Sequence[str], draws: int, seed: int) -> LabelMetrics:
        """Every figure. Raises DataError where no image can be used, or labels do not go with the head."""
        thresholds = [self.predictor.thresholds[info.name] for info in self.predictor.classes]
        names = [info.name for info in self.predictor.classes]
        answers = gather(self.answers(), names, self.head, thresholds)
        if not answers.names:
            why = (
                f"e.g. {self.failed[0].error.splitlines()[0]}"
                if self.failed
                else "it holds no labelled image"
            )
            raise DataError(
                f"{self.dataset.root}: part '{self.part}' cannot be evaluated: {why}.\n"
                "Expected images with labels."
            )
        if self.unlabelled:
            count, first = len(self.unlabelled), self.unlabelled[0]
            notes = [f"{count} images without a label that counts were passed over, e.g. {first}", *notes]
        metrics = measure_answers(
            answers,
            part=self.part,
            model=model,
            failed=self.failed,
            notes=(*notes, *self.match.label_notes),
            draws=draws,
            seed=seed,
        )
        return metrics if self._steps is None else with_steps(metrics, self._steps, draws, seed)


def labels_for(model: object, dataset: Dataset) -> Dataset:
    """The data set as the model answers to it: its masks read as labels where the model labels images.

    Of a gate alone every class is a defect, where one means clean; else the model must know clean images.
    """
    if not isinstance(model, Inspector) or model.task != "classification":
        return dataset
    if [info.name for info in model.classes] == [DEFECT.name]:
        labels = as_labels(dataset)
        return as_defects(labels) if any(info.means_clean for info in labels.classes) else labels
    return as_labels(dataset) if any(info.means_clean for info in model.classes) else dataset
