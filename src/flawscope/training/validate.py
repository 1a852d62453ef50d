"""Validation while training: the very inspection path, every threshold at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.evaluation.counts import THRESHOLDS, threshold_levels
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.runtimes import TorchRuntime
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import InputSpec
from flawscope.training.classify_data import label_target
from flawscope.training.curves import Sums, add_image, empty_sums, pooled
from flawscope.training.store import Picture, PictureStore, sample_source
from flawscope.types import IGNORE_INDEX, ClassInfo, FloatArray, Mask, Sample

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Answer = tuple[FloatArray, Mask]
"""Probabilities K x H x W of an image, and its mask."""

_MOST_PX = 2**24
"""Pixels whose loss is pooled, so that large photographs do not fill the memory; more are taken apart."""


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
    batch: int = 1
    """Images over which the loss is pooled, as over a batch of training."""

    def __post_init__(self) -> None:
        self._store = PictureStore([sample_source(s) for s in self.samples], self.cache_bytes)

    def first(self) -> Validator:
        """The same over two images, to be timed."""
        return replace(self, samples=self.samples[:2])

    def __call__(
        self, network: nn.Module, gather: Callable[[Sums], Sums] | None = None, rank: int = 0, world: int = 1
    ) -> dict[str, float]:
        """Return ``val_loss``, ``val_f1``, ``val_f1_tol2``, ``val_iou`` and ``val_threshold``.

        The loss is that of ``batch`` images at once, as in training, and the mean over images. F1 and IoU are
        pooled over all pixels, at the threshold that is best for each, and averaged over the classes that
        occur. Several processes look at a batch each and ``gather`` sums what they counted. The network is
        left in training mode.
        """
        sums = np.stack([empty_sums() for _ in self.classes])
        losses = np.zeros(2)
        runtime = TorchRuntime(network)
        try:
            for places in self._batches()[rank::world]:
                losses += (self._add(sums, places, runtime), len(places))
        finally:
            network.train()
        if gather is not None:
            together = gather(np.concatenate([sums.ravel(), losses]))
            sums, losses = together[:-2].reshape(sums.shape), together[-2:]
        return {"val_loss": float(losses[0] / max(losses[1], 1.0)), **figures(sums)}

    def _batches(self) -> list[list[int]]:
        """Places of the images that are looked at together: the same each time, in an order drawn once.

        Sets that list their clean images one after another would else give batches without any class.
        """
        order = [int(place) for place in np.random.default_rng(0).permutation(len(self._store))]
        return [order[start : start + self.batch] for start in range(0, len(order), self.batch)]

    def _add(self, sums: Sums, places: Sequence[int], runtime: TorchRuntime) -> float:
        """Count a batch; return the sum of its images' losses."""
        total, together = 0.0, list[Answer]()
        for place in places:
            picture = self._store[place]
            answer = self._count(sums, picture, runtime), picture.mask
            if together and _padded_px([*together, answer]) > _MOST_PX:
                total += len(together) * self._loss(together)
                together = []
            together.append(answer)
        return total + len(together) * self._loss(together)

    def _count(self, sums: Sums, picture: Picture, runtime: TorchRuntime) -> FloatArray:
        """Count an image; return its probabilities."""
        probability = predict_probability(picture.image, runtime, self.spec, self.classes, self.options)
        valid = (
            np.ones(picture.image.shape[:2], bool) if picture.mask.ndim == 3 else picture.mask != IGNORE_INDEX
        )
        for k, plane in enumerate(class_planes(picture.mask, self.classes)):
            level = np.where(valid, threshold_levels(probability[k]), 0).astype(np.uint8)
            add_image(sums[k], level, np.ascontiguousarray(plane & valid))
        return probability

    def _loss(self, together: Sequence[Answer]) -> float:
        """Loss of images of any size at once: what smaller ones are padded by counts nowhere."""
        height, width = _largest_hw(together)
        logits, masks = [], []
        for probability, mask in together:
            rim = (0, width - probability.shape[2], 0, height - probability.shape[1])
            logits.append(functional.pad(to_logits(probability, self.spec.activation), rim))
            planes = mask if mask.ndim == 2 else np.moveaxis(mask, -1, 0).astype(np.uint8)
            here = torch.from_numpy(np.ascontiguousarray(planes))
            masks.append(functional.pad(here, rim, value=IGNORE_INDEX))
        target, valid = to_target(torch.stack(masks), self.classes, self.spec.activation)
        with torch.no_grad():
            return float(self.loss(torch.cat(logits), target, valid))


def _largest_hw(together: Sequence[Answer]) -> tuple[int, int]:
    shapes = [probability.shape for probability, _ in together]
    return max(shape[1] for shape in shapes), max(shape[2] for shape in shapes)


def _padded_px(together: Sequence[Answer]) -> int:
    return len(together) * math.prod(_largest_hw(together))


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
