from __future__ import annotations

import pytest
import torch
from torch import nn

from flawscope.errors import ConfigError
from flawscope.training.optimisers import OPTIMISERS, build_optimiser, parameter_groups

GOOD_OPTIONS = {"sgd": {"momentum": 0.9, "nesterov": True}, "adamw": {"betas": (0.9, 0.99)}}
RATES = {"sgd": 0.05, "adadelta": 1.0, "adagrad": 0.2}


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_learns_a_line(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    points = torch.randn(64, 3)
    wanted = points @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
    optimiser = build_optimiser(model, name, RATES.get(name, 0.02), **GOOD_OPTIONS.get(name, {}))
    first = float("nan")
    for step in range(150):
        optimiser.zero_grad()
        loss = (model(points) - wanted).square().mean()
        if step == 0:
            first = loss.item()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.6 * first


def test_norms_and_biases_do_not_decay() -> None:
    model = small()
    decaying, spared = parameter_groups(model, 0.1)
    assert [tuple(p.shape) for p in decaying["params"]] == [(4, 1, 3, 3), (1, 4, 1, 1)]
    assert decaying["weight_decay"] == 0.1
    assert spared["weight_decay"] == 0.0
    assert len(decaying["params"]) + len(spared["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    model = small()
    model[0].requires_grad_(False)
    optimiser = build_optimiser(model, "adamw", 1e-3, weight_decay=0.01)
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters() if p.requires_grad}
    with pytest.raises(ConfigError, match="unfreeze"):
        build_optimiser(model.requires_grad_(False), "adam", 1e-3)


def test_wrong_choices_are_named() -> None:
    with pytest.raises(ConfigError, match="lion"):
        build_optimiser(small(), "lion", 1e-3)
    with pytest.raises(ConfigError, match="momentum"):
        build_optimiser(small(), "adam", 1e-3, momentum=0.9)
    with pytest.raises(ConfigError, match="sgd"):
        build_optimiser(small(), "sgd", 1e-3, nesterov=True)
