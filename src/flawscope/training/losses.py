"""Losses, and weighted sums of them.

Every loss takes ``(logits, target, valid)`` and returns a scalar:

* ``logits`` N x K x H x W float (a classifier's N x K become N x K x 1 x 1).
* ``target`` either N x K x H x W float in 0..1 (sigmoid: classes may overlap, soft labels allowed), or
  N x H x W long in 0..K-1 (softmax: classes exclude each other, 0 is background). Where ``valid`` is False
  any value is allowed.
* ``valid`` N x H x W bool; pixels that are False count nowhere.

The register ``LOSSES`` maps a name to a function that takes the loss's options and returns the loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.training.lovasz import lovasz
from flawscope.training.tolerant import tolerant_overlaps

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def probabilities(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot targets, both N x K x H x W, by the form of the target."""
    if target.dim() == logits.dim():
        return logits.sigmoid(), target.to(logits.dtype)
    classes = logits.shape[1]
    # Ignored pixels may hold 255; their class does not matter.
    one_hot = functional.one_hot(target.clamp(0, classes - 1), classes).movedim(-1, 1)
    return logits.softmax(dim=1), one_hot.to(logits.dtype)


def _per_class(values: Sequence[float] | float | None, logits: Tensor) -> Tensor | None:
    """Weights as 1 x K x 1 x 1, or None."""
    if values is None:
        return None
    weights = torch.as_tensor(values, dtype=logits.dtype, device=logits.device).reshape(-1)
    if weights.numel() not in (1, logits.shape[1]):
        raise ConfigError(f"a loss has {weights.numel()} class weights; expected one or {logits.shape[1]}.")
    return weights.reshape(1, -1, 1, 1)


def reduce_pixels(
    loss: Tensor, positive: Tensor, valid: Tensor, hard_negative_ratio: float | None = None
) -> Tensor:
    """Mean of a loss map over valid pixels.

    With ``hard_negative_ratio`` r, all positives and only the r x (number of positives) dearest negatives of
    the batch count, at least one pixel in a hundred: crack-like texture then weighs more than plain wall.
    All arguments have one shape.
    """
    valid_f = valid.to(loss.dtype)
    if hard_negative_ratio is None:
        return (loss * valid_f).sum() / valid_f.sum().clamp_min(1.0)
    hits = positive & valid
    negatives = loss[valid & ~positive]
    wanted = max(int(hard_negative_ratio * int(hits.sum())), negatives.numel() // 100, 1)
    hardest = negatives.topk(min(wanted, negatives.numel()), sorted=False).values
    kept = torch.cat([loss[hits], hardest])
    return kept.sum() / max(kept.numel(), 1)


def bce(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    pos_weight: float | Sequence[float] | None = None,
    class_weights: Sequence[float] | None = None,
    hard_negative_ratio: float | None = None,
) -> Tensor:
    """Binary cross-entropy a pixel and class; ``pos_weight`` multiplies the positive term.

    A softmax head of two channels is one of their difference, and loses what softmax cross-entropy loses.
    """
    if target.dim() != logits.dim():
        logits, target = _one_channel(logits, target, "bce")
    target = target.to(logits.dtype)
    loss = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=_squeeze(_per_class(pos_weight, logits)), reduction="none"
    )
    weights = _per_class(class_weights, logits)
    loss = loss if weights is None else loss * weights
    return reduce_pixels(loss, target > 0.5, valid.unsqueeze(1).expand_as(loss), hard_negative_ratio)


def _one_channel(logits: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Background and one class as that class by itself: softmax(b, c) = sigmoid(c - b).

    N x 2 x H x W and N x H x W become N x 1 x H x W each. Raises ConfigError for more classes.
    """
    if logits.shape[1] != 2:
        raise ConfigError(
            f"{name} got {logits.shape[1]} exclusive classes; expected background and one class. "
            "Use cross_entropy, focal or dice."
        )
    return logits[:, 1:] - logits[:, :1], (target == 1).unsqueeze(1).to(logits.dtype)


def _squeeze(weights: Tensor | None) -> Tensor | None:
    return None if weights is None else weights.squeeze(0)


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    hard_negative_ratio: float | None = None,
) -> Tensor:
    """Softmax cross-entropy; ``class_weights`` counts background first. Weighted pixels, plain mean."""
    weights = _per_class(class_weights, logits)
    loss = functional.cross_entropy(
        logits,
        target.clamp(0, logits.shape[1] - 1),
        weight=None if weights is None else weights.expand(1, logits.shape[1], 1, 1).flatten(),
        label_smoothing=label_smoothing,
        reduction="none",
    )
    return reduce_pixels(loss, target > 0, valid, hard_negative_ratio)


def focal(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    hard_negative_ratio: float | None = None,
) -> Tensor:
    """Focal loss (Lin et al. 2017): positives weigh ``alpha``, negatives ``1 - alpha``.

    For exclusive classes: (1 - p)^gamma x cross-entropy, ``alpha`` left out.
    """
    if target.dim() != logits.dim():
        log_p = functional.log_softmax(logits, dim=1)
        picked = log_p.gather(1, target.clamp(0, logits.shape[1] - 1).unsqueeze(1)).squeeze(1)
        loss = -((1.0 - picked.exp()) ** gamma) * picked
        return reduce_pixels(loss, target > 0, valid, hard_negative_ratio)
    target = target.to(logits.dtype)
    positive = alpha * (-logits).sigmoid() ** gamma * functional.softplus(-logits)
    negative = (1.0 - alpha) * logits.sigmoid() ** gamma * functional.softplus(logits)
    loss = target * positive + (1.0 - target) * negative
    return reduce_pixels(loss, target > 0.5, valid.unsqueeze(1).expand_as(loss), hard_negative_ratio)


def _pooled(
    logits: Tensor, target: Tensor, valid: Tensor, pool: str
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Probabilities and targets N x K x H x W, 0 where not valid, and the dimensions to sum over.

    Sums have K values with ``pool`` batch, N x K with ``pool`` image. Raises ConfigError for any other.
    """
    if pool not in ("batch", "image"):
        raise ConfigError(f"a loss pools over {pool!r}; expected batch or image.")
    p, t = probabilities(logits, target)
    keep = valid.unsqueeze(1).to(p.dtype)
    return p * keep, t * keep, (0, 2, 3) if pool == "batch" else (2, 3)


def _overlaps(logits: Tensor, target: Tensor, valid: Tensor, pool: str) -> tuple[Tensor, Tensor, Tensor]:
    """Soft true positives, false positives, false negatives, as `_pooled` sums them."""
    p, t, dims = _pooled(logits, target, valid, pool)
    hit = (p * t).sum(dims)
    return hit, p.sum(dims) - hit, t.sum(dims) - hit


def _mean_over_classes(scores: Tensor, logits: Tensor, target: Tensor, background: bool) -> Tensor:
    """Mean; with exclusive classes the background takes part only when asked for."""
    if target.dim() != logits.dim() and not background:
        scores = scores[..., 1:]
    return scores.mean()


def dice(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    beta: float = 1.0,
    smooth: float = 1.0,
    pool: str = "batch",
    background: bool = False,
) -> Tensor:
    """1 - soft F-beta, ((1 + b^2) tp + s) / ((1 + b^2) tp + b^2 fn + fp + s), a class, then the mean.

    ``pool`` batch sums over all images first, so that images without the class do not dominate.
    """
    hit, false_alarm, miss = _overlaps(logits, target, valid, pool)
    both = (1.0 + beta**2) * hit
    score = (both + smooth) / (both + beta**2 * miss + false_alarm + smooth)
    return _mean_over_classes(1.0 - score, logits, target, background)


def tversky(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.0,
    smooth: float = 1.0,
    pool: str = "batch",
    background: bool = False,
) -> Tensor:
    """(1 - Tversky index)^gamma; ``alpha`` weighs false alarms, ``beta`` misses (Salehi et al. 2017)."""
    hit, false_alarm, miss = _overlaps(logits, target, valid, pool)
    index = (hit + smooth) / (hit + alpha * false_alarm + beta * miss + smooth)
    return _mean_over_classes((1.0 - index) ** gamma, logits, target, background)


def tolerant_dice(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    tolerance_px: int = 2,
    beta: float = 1.0,
    smooth: float = 1.0,
    pool: str = "batch",
    background: bool = False,
) -> Tensor:
    """1 - soft F-beta of precision and recall that forgive ``tolerance_px``, a class, then the mean.

    The measure ``f1_tol2`` itself, made smooth: precision is the share of the predicted mass within
    ``tolerance_px`` of the truth, recall the share of the truth with a prediction that near. Outlines inside
    the tolerance are free, so it belongs beside ``bce`` or ``dice``, which hold them.
    """
    p, t, dims = _pooled(logits, target, valid, pool)
    p_hit, p_sum, t_hit, t_sum = tolerant_overlaps(p, t, tolerance_px, dims)
    precision, recall = (p_hit + smooth) / (p_sum + smooth), (t_hit + smooth) / (t_sum + smooth)
    score = (1.0 + beta**2) * precision * recall / (beta**2 * precision + recall)
    return _mean_over_classes(1.0 - score, logits, target, background)


def binary_focal_dice(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    beta: float = 1.0,
    smooth: float = 1e-5,
    focal_weight: float = 1.0,
) -> Tensor:
    """Focal (alpha .25, gamma 2) + Dice (beta 1, smooth 1e-5, pooled over the batch), 1 : 1 (CoreDeep).

    A softmax head of two channels is one of their difference.
    """
    if target.dim() != logits.dim():
        logits, target = _one_channel(logits, target, "binary_focal_dice")
    by_focal = focal(logits, target, valid, alpha=alpha, gamma=gamma)
    return focal_weight * by_focal + dice(logits, target, valid, beta=beta, smooth=smooth)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "bce": bce,
    "cross_entropy": cross_entropy,
    "dice": dice,
    "focal": focal,
    "binary_focal_dice": binary_focal_dice,
    "tversky": tversky,
    "tolerant_dice": tolerant_dice,
    "lovasz": lovasz,
}
"""Every loss by name: (logits, target, valid, **options) -> scalar."""

_SOFTMAX_ONLY = {"cross_entropy"}


class LossSum(nn.Module):
    """A weighted sum of losses; takes one tensor of logits, or the list that deep supervision gives."""

    def __init__(self, terms: Sequence[tuple[str, float, Loss]], side_weight: float = 0.5) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.side_weight = side_weight

    def forward(self, logits: Tensor | Sequence[Tensor], target: Tensor, valid: Tensor) -> Tensor:
        """The sum; each coarser output weighs ``side_weight`` times the one before, all weights sum to 1."""
        if isinstance(logits, Tensor):
            return self._one(logits, target, valid)
        weights = [self.side_weight**index for index in range(len(logits))]
        losses = [
            weight * self._one(output, target, valid) for weight, output in zip(weights, logits, strict=True)
        ]
        return torch.stack(losses).sum() / sum(weights)

    def parts(self, logits: Tensor, target: Tensor, valid: Tensor) -> dict[str, float]:
        """Each term without its weight, for logs."""
        with torch.no_grad():
            return {name: float(loss(logits, target, valid)) for name, _, loss in self.terms}

    def _one(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        # Half precision cannot hold sums over a batch of pixels. A whole image is one pixel.
        logits = logits.float() if logits.dim() > 2 else logits.float()[..., None, None]
        total = logits.new_zeros(())
        for _, weight, loss in self.terms:
            total = total + weight * loss(logits, target, valid)
        return total


def build_loss(
    terms: Iterable[Mapping[str, Any] | Any], activation: str = "sigmoid", side_weight: float = 0.5
) -> LossSum:
    """The sum of ``terms``, each with ``name``, ``weight`` (default 1) and ``options`` (keys or attributes).

    Raises ConfigError for unknown names and options, for none at all, and where a loss does not go with the
    head's activation (``sigmoid`` or ``softmax``).
    """
    built = [_build_term(term, activation) for term in terms]
    if not built:
        raise ConfigError("the loss has no terms; expected at least one of " + ", ".join(LOSSES) + ".")
    return LossSum(built, side_weight)


def _build_term(term: Mapping[str, Any] | Any, activation: str) -> tuple[str, float, Loss]:
    fields = (
        term
        if isinstance(term, Mapping)
        else {key: getattr(term, key) for key in ("name", "weight", "options")}
    )
    name, options = str(fields["name"]), dict(fields.get("options") or {})
    if name not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}; expected one of {', '.join(LOSSES)}.")
    if activation == "sigmoid" and name in _SOFTMAX_ONLY:
        raise ConfigError(f"loss {name!r} does not fit a sigmoid head; use bce, focal or dice.")
    known = [
        key
        for key, value in inspect.signature(LOSSES[name]).parameters.items()
        if value.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    unknown = [key for key in options if key not in known]
    if unknown:
        expected = ", ".join(known) or "none"
        raise ConfigError(f"loss {name!r} has no option {unknown[0]!r}; it has {expected}.")
    return name, float(fields.get("weight", 1.0)), partial(LOSSES[name], **options)
