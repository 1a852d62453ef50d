"""Where a classifier sees a class: Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2).

``weight_k`` = mean over the grid of d ``logit`` / d ``A_k``; the map is ``ReLU(sum_k weight_k A_k)``. For a
network that ends with mean pooling and one dense layer, that is the dense layer put on every place of the
grid (Zhou et al., CVPR 2016), divided by the number of places.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from flawscope.errors import UsageError


def grad_cam(network: nn.Module, image: Tensor, place: int) -> Tensor:
    """Return where the logit at ``place`` comes from.

    Args:
        network: a classifier in evaluation mode, N x C x H x W to logits N x K.
        image: N x C x H x W float32, preprocessed.
        place: output of the class, 0 to K - 1.

    Returns:
        N x h x w float32, 0 or more, on the last grid of the network that has more than one place: the output
        of its last convolution or of what follows it. Zero everywhere where nothing speaks for the class.

    Raises:
        UsageError: the network has no grid of features, or its answer does not follow from one.
    """
    given = image.detach().requires_grad_(True)
    with torch.enable_grad(), _LastGrid(network) as last:
        logits = network(given)
        if last.grid is None:
            raise UsageError(
                "This network makes no grid of features, whose places --explain could draw.\n"
                "Expected a convolutional classifier; or leave --explain out."
            )
        # Images of a batch do not see one another in evaluation mode: the sum's gradient is each one's own.
        (slope,) = torch.autograd.grad(logits[:, place].sum(), last.grid, allow_unused=True)
    if slope is None:
        raise UsageError("This network's answer does not follow from its last grid; leave --explain out.")
    weight = slope.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weight * last.grid).sum(dim=1)).detach().float()


class _LastGrid:
    """Keeps the last output N x C x h x w of any part of the network that has more than one place."""

    def __init__(self, network: nn.Module) -> None:
        self.grid: Tensor | None = None
        self._network = network
        self._handles: list[Any] = []

    def __enter__(self) -> _LastGrid:
        self._handles = [part.register_forward_hook(self._keep) for part in self._network.modules()]
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, _part: nn.Module, _given: Any, answer: Any) -> None:
        if isinstance(answer, Tensor) and answer.dim() == 4 and answer.shape[2] * answer.shape[3] > 1:
            self.grid = answer
