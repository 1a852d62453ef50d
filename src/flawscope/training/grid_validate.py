"""Validation as Keras does it: loss and soft Dice of whole batches, on the network's own grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from flawscope.inspection.preprocess import preprocess
from flawscope.manifest import InputSpec
from flawscope.training.curves import Sums
from flawscope.training.soft_dice import soft_dice
from flawscope.training.store import PictureStore, sample_source
from flawscope.training.validate import to_target
from flawscope.types import ClassInfo, Sample

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(eq=False)
class GridValidator:
    """Loss and soft Dice of a network on images resized to one size, ``batch`` of them at a time."""

    samples: Sequence[Sample]
    spec: InputSpec
    classes: Sequence[ClassInfo]
    loss: Loss
    batch: int
    cache_bytes: int = 2**28

    def __post_init__(self) -> None:
        self._store = PictureStore([sample_source(s, self.spec) for s in self.samples], self.cache_bytes)

    def first(self) -> GridValidator:
        """The same over one batch, to be timed."""
        return replace(self, samples=self.samples[: self.batch])

    def __call__(
        self, network: nn.Module, gather: Callable[[Sums], Sums] | None = None, rank: int = 0, world: int = 1
    ) -> dict[str, float]:
        """Return ``val_loss`` (mean over images) and ``val_dice`` (mean over batches).

        Several processes look at a batch each and ``gather`` sums what they counted. The network is left in
        training mode.
        """
        device = next(iter(network.parameters())).device
        sums = np.zeros(4)
        network.eval()
        try:
            for start in list(range(0, len(self._store), self.batch))[rank::world]:
                image, target, valid = self._batch_at(start)
                with torch.inference_mode():
                    logits = network(image.to(device))
                    goal, counted = target.to(device), valid.to(device)
                    mean_loss = float(self.loss(logits, goal, counted))
                    overlap = float(soft_dice(logits, goal, counted, self.spec.activation))
                sums += (mean_loss * len(image), len(image), overlap, 1.0)
        finally:
            network.train()
        if gather is not None:
            sums = gather(sums)
        return {
            "val_loss": float(sums[0] / max(sums[1], 1.0)),
            "val_dice": float(sums[2] / max(sums[3], 1.0)),
        }

    def _batch_at(self, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images N x C x H x W, their target and where it counts."""
        some = [self._store[k] for k in range(start, min(start + self.batch, len(self._store)))]
        image = torch.from_numpy(np.stack([preprocess(one.image, self.spec) for one in some]))
        masks = [
            one.mask if one.mask.ndim == 2 else np.moveaxis(one.mask, -1, 0).astype(np.uint8) for one in some
        ]
        target, valid = to_target(torch.from_numpy(np.stack(masks)), self.classes, self.spec.activation)
        return image, target, valid
