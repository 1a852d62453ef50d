"""Validation while training: the very inspection path, every threshold at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from flawscope.evaluation.counts import THRESHOLDS, threshold_levels
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.runtimes import TorchRuntime
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import InputSpec
from flawscope.training.classify_data import label_target
from flawscope.training.curves import Sums, add_image, empty_sums, pooled
from flawscope.training.store import PictureStore, sample_source
from flawscope.types import IGNORE_INDEX, ClassInfo, FloatArray, Mask, Sample

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def class_planes(mask: Mask, classes: Sequence[ClassInfo]) -> npt.NDArray[np.bool_]:
    """Return K x H x W bool, a plane a class, of an index mask or a stack."""
    if mask.ndim == 3:
        return np.moveaxis(mask, -1, 0).astype(bool)
    return np.stack([mask == info.id for info in classes])


def to_target(mask: Tensor, classes: Sequence[ClassInfo], activation: str) -> tuple[Tensor, Tensor]:
    """Turn a batch of masks into ``(target, valid)`` as the losses take them.

    :param mask: N x H x W uint8 class ids, or N x K x H x W uint8 planes of 0 and 1; 255 = ignore in both. Or
        the labels of whole images, N places of classes or N x K float of 0 and 1.
    """
    if mask.dim() <= 2:
        return label_target(mask, len(classes), activation)
    if mask.dim() == 4:
        return (mask == 1).float(), (mask != IGNORE_INDEX).all(dim=1)
    valid = mask != IGNORE_INDEX
    if activation == "sigmoid":
        return torch.stack([mask == info.id for info in classes], dim=1).float(), valid
    target = torch.zeros_like(mask, dtype=torch.long)
    for number, info in enumerate(classes, start=1):
        target[mask == info.id] = number
    return target, valid


def to_logits(probability: FloatArray, activation: str) -> Tensor:
    """Turn K x H x W foreground probabilities back into logits 1 x K (or K + 1) x H x W."""
    p = torch.from_numpy(np.clip(probability, 1e-6, 1 - 1e-6)).unsqueeze(0)
    if activation == "sigmoid":
        return torch.logit(p)
    background = (1 - p.sum(dim=1, keepdim=True)).clamp_min(1e-6)
    return torch.log(torch.cat([background, p], dim=1))


@dataclass(eq=False)
class Validator:
    """Figures of a network on the validation images."""

    samples: Sequence[Sample]
    spec: InputSpec
    classes: Sequence[ClassInfo]
    loss: Loss
    options: PredictOptions
    cache_bytes: int = 2**28

    def __post_init__(self) -> None:
        self._store = PictureStore([sample_source(s) for s in self.samples], self.cache_bytes)

    def first(self) -> Validator:
        """The same over two images, to be timed."""
        return Validator(self.samples[:2], self.spec, self.classes, self.loss, self.options)

    def __call__(
        self, network: nn.Module, gather: Callable[[Sums], Sums] | None = None, rank: int = 0, world: int = 1
    ) -> dict[str, float]:
        """Return ``val_loss``, ``val_f1``, ``val_f1_tol2``, ``val_iou`` and ``val_threshold``.

        F1 and IoU are pooled over all pixels, at the threshold that is best for each, and averaged over
        the classes that occur. Several processes look at an image each and ``gather`` sums what they
        counted. The network is left in training mode.
        """
        sums = np.stack([empty_sums() for _ in self.classes])
        losses = np.zeros(2)
        runtime = TorchRuntime(network)
        try:
            for index in range(rank, len(self._store), world):
                loss = self._add(sums, index, runtime)
                losses += (loss, 1.0)
        finally:
            network.train()
        if gather is not None:
            together = gather(np.concatenate([sums.ravel(), losses]))
            sums, losses = together[:-2].reshape(sums.shape), together[-2:]
        return {"val_loss": float(losses[0] / max(losses[1], 1.0)), **figures(sums)}

    def _add(self, sums: Sums, index: int, runtime: TorchRuntime) -> float:
        picture = self._store[index]
        probability = predict_probability(picture.image, runtime, self.spec, self.classes, self.options)
        valid = (
            np.ones(picture.image.shape[:2], bool) if picture.mask.ndim == 3 else picture.mask != IGNORE_INDEX
        )
        for k, plane in enumerate(class_planes(picture.mask, self.classes)):
            level = np.where(valid, threshold_levels(probability[k]), 0).astype(np.uint8)
            add_image(sums[k], level, np.ascontiguousarray(plane & valid))
        return self._loss(probability, picture.mask)

    def _loss(self, probability: FloatArray, mask: Mask) -> float:
        planes = mask if mask.ndim == 2 else np.moveaxis(mask, -1, 0).astype(np.uint8)
        batch = torch.from_numpy(np.ascontiguousarray(planes)).unsqueeze(0)
        target, valid = to_target(batch, self.classes, self.spec.activation)
        with torch.no_grad():
            return float(self.loss(to_logits(probability, self.spec.activation), target, valid))


def figures(sums: Sums) -> dict[str, float]:
    """Turn counts (classes x 5 x thresholds) into figures; NaN where no class occurs."""
    occurs = sums[:, -1, 0] > 0
    if not occurs.any():
        return dict.fromkeys(("val_f1", "val_f1_tol2", "val_iou", "val_threshold"), math.nan)
    curves = [pooled(one) for one in sums[occurs]]
    best = {
        f"val_{name}": float(np.mean([one[name].max() for one in curves]))
        for name in ("f1", "f1_tol2", "iou")
    }
    thresholds = [THRESHOLDS[one["f1_tol2"].argmax()] for one in curves]
    return {**best, "val_threshold": float(np.mean(thresholds))}
