"""The Lovász extension of the Jaccard loss (Berman, Rannen Triki, Blaschko 2018): it optimises IoU itself."""

from __future__ import annotations

import torch
from torch import Tensor

from flawscope.errors import ConfigError


def lovasz(
    logits: Tensor, target: Tensor, valid: Tensor, *, per_image: bool = False, present_only: bool = True
) -> Tensor:
    """Lovász hinge a class for sigmoid heads (target N x K x H x W), Lovász softmax for exclusive classes.

    ``per_image`` takes the mean over images instead of pooling the batch. ``present_only`` leaves out
    classes that the truth does not hold; where none is held the loss is zero.
    Raises ConfigError when the logits are neither N x K x H x W nor fit the target.
    """
    if logits.dim() != 4 or valid.shape != logits.shape[:1] + logits.shape[2:]:
        raise ConfigError(f"lovasz got logits of {tuple(logits.shape)} and valid of {tuple(valid.shape)}.")
    if per_image:
        images = [
            _pooled(
                logits[index : index + 1], target[index : index + 1], valid[index : index + 1], present_only
            )
            for index in range(logits.shape[0])
        ]
        return torch.stack(images).mean()
    return _pooled(logits, target, valid, present_only)


def _pooled(logits: Tensor, target: Tensor, valid: Tensor, present_only: bool) -> Tensor:
    exclusive = target.dim() != logits.dim()
    scores = logits.softmax(dim=1) if exclusive else logits
    losses = []
    for index in range(logits.shape[1]):
        truth = (target == index)[valid] if exclusive else (target[:, index] > 0.5)[valid]
        if present_only and not bool(truth.any()):
            continue
        found = scores[:, index][valid]
        truth_f = truth.to(found.dtype)
        errors = (truth_f - found).abs() if exclusive else 1.0 - found * (2.0 * truth_f - 1.0)
        losses.append(_extension(errors if exclusive else errors.relu(), errors, truth_f))
    return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def _extension(losses: Tensor, order_by: Tensor, truth: Tensor) -> Tensor:
    """Inner product of sorted errors and the discrete gradient of the Jaccard loss."""
    order = order_by.detach().argsort(descending=True)
    return losses[order] @ jaccard_gradient(truth[order])


def jaccard_gradient(truth: Tensor) -> Tensor:
    """Steps of the Jaccard loss as the worst pixels are got wrong one by one; ``truth`` 0/1, sorted."""
    total = truth.sum()
    intersection = total - truth.cumsum(0)
    union = total + (1.0 - truth).cumsum(0)
    jaccard = 1.0 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
