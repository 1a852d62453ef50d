"""The Dice of Keras' training logs: soft, over all pixels and classes of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

SMOOTH = 1.0
"""Added above and below, as the Severstal notebooks do; an empty batch with an empty answer scores 1."""


def soft_dice(logits: Tensor | Sequence[Tensor], target: Tensor, valid: Tensor, activation: str) -> Tensor:
    """(2 sum(p t) + 1) / (sum(p) + sum(t) + 1) over a batch, on its device and detached.

    :param logits: N x K x H x W, or a list whose first is that (deep supervision).
    :param target: N x K x H x W of 0 and 1 for ``sigmoid``, N x H x W class places for ``softmax``, whose
        place 0 is the background and does not count.
    :param valid: N x H x W bool.
    """
    first = logits if isinstance(logits, Tensor) else logits[0]
    with torch.no_grad():
        if activation == "softmax":
            probability = first.float().softmax(dim=1)[:, 1:]
            places = target.clamp(0, first.shape[1] - 1)
            truth = functional.one_hot(places, first.shape[1]).movedim(-1, 1)[:, 1:].float()
        else:
            probability, truth = first.float().sigmoid(), target.float()
        counted = valid.unsqueeze(1).float()
        both = (probability * truth * counted).sum()
        return (2 * both + SMOOTH) / ((probability * counted).sum() + (truth * counted).sum() + SMOOTH)
