"""A linear classifier on features that do not learn: softmax regression, solved to its minimum."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesson import loss_of


class Linear:
    """Fits on features N x F and labels N; answers with the share of right classes."""

    def __init__(self, features: Tensor, labels: Tensor, classes: int = 10, decay: float = 1e-3) -> None:
        """Standardise the features, then minimise cross-entropy + ``decay`` / 2 x squared weights."""
        self.mean = features.mean(dim=0)
        # A feature that hardly varies would be blown up to noise.
        self.scale = features.std(dim=0) + 0.1 * features.std()
        self.layer = nn.Linear(features.shape[1], classes)
        nn.init.zeros_(self.layer.weight)
        given = self._standard(features)
        solver = torch.optim.LBFGS(self.layer.parameters(), max_iter=60, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            loss = loss_of(self.layer(given), labels) + 0.5 * decay * self.layer.weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        solver.step(closure)  # type: ignore[no-untyped-call]

    def _standard(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.scale

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """Right answers in percent."""
        right = self.layer(self._standard(features)).argmax(dim=1) == labels
        return 100.0 * float(right.float().mean())
