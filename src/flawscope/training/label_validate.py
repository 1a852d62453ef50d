"""Validation of a classifier while it trains: loss, accuracy and F1, through the one preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from flawscope.inspection.preprocess import preprocess, resize_for
from flawscope.manifest import InputSpec
from flawscope.training.classify_data import label_rows, label_target
from flawscope.training.pictures import image_size_hw
from flawscope.types import ClassInfo, Sample

Sums = npt.NDArray[np.float64]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_PIXELS_A_BATCH = 2**19
_TIMED = 256


@dataclass(eq=False)
class LabelValidator:
    """Figures of a network on the validation images."""

    samples: Sequence[Sample]
    spec: InputSpec
    classes: Sequence[ClassInfo]
    loss: Loss
    cache_bytes: int = 2**28
    train: LabelValidator | None = None
    """Over training images as they are, for curves of both; its figures are named ``train_``."""

    def __post_init__(self) -> None:
        height, width = image_size_hw(self.spec)
        image_bytes = 4 * self.spec.channel_count * height * width
        self._kept: dict[int, Tensor] | None = (
            {} if len(self.samples) * image_bytes <= self.cache_bytes else None
        )
        self._batch = max(1, _PIXELS_A_BATCH // (height * width))
        self._labels = label_rows(self.samples, self.classes)

    def first(self) -> LabelValidator:
        """The same over a few images, to be timed."""
        return replace(
            self, samples=self.samples[:_TIMED], train=None if self.train is None else self.train.first()
        )

    def __call__(
        self, network: nn.Module, gather: Callable[[Sums], Sums] | None = None, rank: int = 0, world: int = 1
    ) -> dict[str, float]:
        """Return ``val_loss``, ``val_accuracy`` and ``val_f1`` (mean of the classes that occur).

        Accuracy is the share of right images for softmax, of right (image, class) pairs at 0.5 for sigmoid.
        Several processes look at a batch each and
        ``gather`` sums what they counted. The network is left in training mode.
        """
        device = next(iter(network.parameters())).device
        sums = np.zeros(4 + 3 * len(self.classes))
        network.eval()
        try:
            with torch.inference_mode():
                for number, batch in self._batches(rank, world):
                    logits = network(batch.to(device)).float().cpu()
                    sums += self._count(logits, self._labels[number : number + len(batch)])
        finally:
            network.train()
        found = _figures(sums if gather is None else gather(sums), len(self.classes))
        if self.train is not None:
            own = self.train(network, gather, rank, world)
            found |= {f"train_{name}": own[f"val_{name}"] for name in ("accuracy", "f1")}
        return found

    def _batches(self, rank: int, world: int) -> Iterator[tuple[int, Tensor]]:
        starts = range(0, len(self.samples), self._batch)
        for number in list(starts)[rank::world]:
            if self._kept is not None and number in self._kept:
                yield number, self._kept[number]
                continue
            some = self.samples[number : number + self._batch]
            rows = [preprocess(resize_for(one.image(), self.spec), self.spec) for one in some]
            batch = torch.from_numpy(np.stack(rows))
            if self._kept is not None:
                self._kept[number] = batch
            yield number, batch

    def _count(self, logits: Tensor, labels: Tensor) -> Sums:
        """Loss x images, images, right, asked, then tp, fp, fn of each class."""
        classes = len(self.classes)
        target, valid = label_target(labels, classes, self.spec.activation)
        loss = float(self.loss(logits, target, valid)) * len(labels)
        truth = label_target(labels, classes, "sigmoid")[0][..., 0, 0].bool()
        if self.spec.activation == "softmax":
            said = nn.functional.one_hot(logits.argmax(dim=1), classes).bool()
            right, asked = int((logits.argmax(dim=1) == labels).sum()), len(labels)
        else:
            said = logits >= 0.0
            right, asked = int((said == truth).sum()), truth.numel()
        cells = [(said & truth), (said & ~truth), (~said & truth)]
        counts = np.concatenate([cell.sum(dim=0).numpy() for cell in cells])
        return np.concatenate([[loss, len(labels), right, asked], counts]).astype(np.float64)


def _figures(sums: Sums, classes: int) -> dict[str, float]:
    loss, images, right, asked = sums[:4]
    hit, wrong, missed = sums[4:].reshape(3, classes)
    occurs = hit + missed > 0
    f1 = 2 * hit / np.maximum(2 * hit + wrong + missed, 1.0)
    return {
        "val_loss": float(loss / max(images, 1.0)),
        "val_accuracy": float(right / max(asked, 1.0)),
        "val_f1": float(f1[occurs].mean()) if occurs.any() else float("nan"),
    }
