"""Images and their labels as a training loop takes them: batch by batch, varied at once.

What a batch shows follows from seed, epoch and its keys alone: a resumed run goes on with the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flawscope.manifest import InputSpec
from flawscope.training.batch_augment import BatchAugment
from flawscope.training.crops import Step, draw_by_weight
from flawscope.training.pictures import Pictures, normalise
from flawscope.types import ClassInfo, Sample

_ORDER, _VARY = 1, 2
"""Streams of random numbers, apart from each other."""
_MOST_WEIGHT = 100.0
"""A handful of images that weigh more would make single steps of the size of many."""


def label_rows(samples: Sequence[Sample], classes: Sequence[ClassInfo]) -> Tensor:
    """N int64 places of the classes where each image has exactly one label, else N x K float32 of 0 and 1."""
    place = {info.id: number for number, info in enumerate(classes)}
    if all(len(sample.labels) == 1 for sample in samples):
        return torch.tensor([place[sample.labels[0]] for sample in samples])
    rows = torch.zeros(len(samples), len(place))
    for row, sample in zip(rows, samples, strict=True):
        row[[place[label] for label in sample.labels]] = 1.0
    return rows


def label_target(labels: Tensor, classes: int, activation: str) -> tuple[Tensor, Tensor]:
    """Labels as the losses take them, one pixel an image: ``(target, valid)``.

    Softmax: N x 1 x 1 long; sigmoid: N x K x 1 x 1 float of 0 and 1. ``valid`` is N x 1 x 1, all true.
    """
    valid = torch.ones(len(labels), 1, 1, dtype=torch.bool, device=labels.device)
    if activation == "softmax":
        return labels.long().view(-1, 1, 1), valid
    rows = labels if labels.dim() == 2 else torch.nn.functional.one_hot(labels, classes)
    return rows.float()[..., None, None], valid


class LabelledImages:
    """Images, labels, and how often each is shown. Key = epoch x images + number of the image."""

    def __init__(
        self,
        pictures: Pictures,
        labels: Tensor,
        spec: InputSpec,
        augment: BatchAugment,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.pictures = pictures
        self.labels = labels
        self.spec = spec
        self._augment = augment
        self._seed = seed
        self._weights = weights

    def __len__(self) -> int:
        """Images in one epoch."""
        return len(self.pictures)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the keys of an epoch in the order of work: each once, or by weight."""
        rng = np.random.default_rng([self._seed, _ORDER, epoch])
        if self._weights is None:
            numbers = rng.permutation(len(self))
        else:
            numbers = rng.permutation(draw_by_weight(self._weights, rng))
        return numbers + epoch * len(self)

    def batches(self, steps: Sequence[Step]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch of ``steps``: images N x C x H x W float32, preprocessed, and their labels."""
        for step in steps:
            for keys in step.micro:
                yield self._batch(keys)

    def _batch(self, keys: Sequence[int]) -> tuple[Tensor, Tensor]:
        numbers = np.asarray(keys, dtype=np.int64) % len(self)
        rng = np.random.default_rng([self._seed, _VARY, keys[0], keys[-1]])
        varied = self._augment(self.pictures.batch(numbers), rng)
        return normalise(varied, self.spec), self.labels[torch.from_numpy(numbers)]


def balanced_weights(labels: Tensor, classes: int) -> npt.NDArray[np.float64]:
    """Weight of each image such that every class is drawn as often as any other; 1 for images without one.

    With several labels the mean of their weights. Where there is one class only, the images without it are
    the other.
    """
    if classes == 1 and labels.dim() == 2:
        return balanced_weights(labels[:, 0].long(), 2)
    rows = np.asarray(label_target(labels, classes, "sigmoid")[0][..., 0, 0].numpy(), dtype=np.float64)
    per_class = class_weights(labels, classes)
    held = rows.sum(axis=1)
    weights: npt.NDArray[np.float64] = np.where(held > 0, rows @ per_class / np.maximum(held, 1.0), 1.0)
    return weights


def positive_weights(labels: Tensor, classes: int) -> npt.NDArray[np.float64]:
    """Images without / images with each class, within 1/100 .. 100; 1 for a class that never occurs.

    So an answer's two sides weigh alike in sum: a sigmoid learns each class against its absence, where one
    weight on both sides would only scale the loss.
    """
    rows: Any = label_target(labels, classes, "sigmoid")[0][..., 0, 0].numpy()
    count = rows.sum(axis=0).astype(np.float64)
    weights = np.clip((len(rows) - count) / np.maximum(count, 1.0), 1 / _MOST_WEIGHT, _MOST_WEIGHT)
    kept: npt.NDArray[np.float64] = np.where(count > 0, weights, 1.0)
    return kept


def class_weights(labels: Tensor, classes: int) -> npt.NDArray[np.float64]:
    """Images / (classes x images of the class), for each class; 0 for one that never occurs."""
    rows: Any = label_target(labels, classes, "sigmoid")[0][..., 0, 0].numpy()
    count = rows.sum(axis=0).astype(np.float64)
    weights: npt.NDArray[np.float64] = np.where(
        count > 0, len(rows) / (classes * np.maximum(count, 1.0)), 0.0
    )
    return weights
