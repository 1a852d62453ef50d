from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from flawscope.training.ema import Ema


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def shift(model: nn.Module, by: float) -> None:
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1 if not value.is_floating_point() else by)


def test_the_average_follows_the_formula_and_counters_are_copied() -> None:
    model = small()
    ema = Ema(model, decay=0.9)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    shift(model, 1.0)
    ema.update(model)
    share = 1 - 2 / 11
    for name, value in ema.average.items():
        expected = start[name] + share if value.is_floating_point() else start[name] + 1
        torch.testing.assert_close(value, expected)


def test_decay_holds_once_warm() -> None:
    model = small()
    ema = Ema(model, decay=0.5)
    ema.updates = 1000
    before = ema.average["1.running_var"].clone()
    shift(model, 2.0)
    ema.update(model)
    torch.testing.assert_close(ema.average["1.running_var"], before + 1.0)


def test_the_model_gets_its_own_weights_back() -> None:
    model = small()
    ema = Ema(model)
    shift(model, 1.0)
    own = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="inside"), ema.applied(model):
        assert torch.equal(model[0].weight, ema.average["0.weight"])
        raise RuntimeError("inside")
    for name, value in model.state_dict().items():
        assert torch.equal(value, own[name])


def test_a_run_broken_by_safetensors_ends_with_the_same_average(tmp_path: Path) -> None:
    model = small()
    whole = Ema(model, decay=0.95)
    broken = Ema(model, decay=0.95)
    for step in range(6):
        shift(model, 0.3)
        whole.update(model)
        broken.update(model)
        if step == 2:
            save_file(broken.state_dict(), tmp_path / "ema.safetensors")
            broken = Ema(small(), decay=0.95)
            broken.load_state_dict(load_file(tmp_path / "ema.safetensors"))
    assert broken.updates == whole.updates
    for name, value in whole.average.items():
        assert torch.equal(value, broken.average[name])
