"""A run that goes on from a checkpoint takes the very same steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flawscope.errors import TrainingError
from flawscope.training.checkpoint import (
    Parts,
    Progress,
    load_checkpoint,
    load_progress,
    load_weights,
    save_checkpoint,
    save_weights,
)
from flawscope.training.ema import Ema
from flawscope.training.optimisers import OPTIMISERS, build_optimiser
from flawscope.training.schedules import Schedule


def _parts(name: str, **options: Any) -> Parts:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(5, 1, 1)
    )
    network = network.to(memory_format=torch.channels_last)
    optimiser = build_optimiser(network, name, 1e-2, 1e-3, **options)
    schedule = Schedule("plateau", 20, lr=1e-2, patience=1)
    return Parts(network, optimiser, Ema(network, 0.9), {"schedule": schedule})


def _steps(parts: Parts, count: int) -> list[float]:
    losses = []
    for _ in range(count):
        image = torch.rand(2, 3, 9, 9).to(memory_format=torch.channels_last)
        loss = (parts.network(image) - 1).square().mean()
        loss.backward()
        parts.optimiser.step()
        parts.optimiser.zero_grad()
        assert parts.ema is not None
        parts.ema.update(parts.network)
        parts.others["schedule"].observe(float(loss.detach()))  # type: ignore[attr-defined]
        losses.append(float(loss.detach()))
    return losses


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_going_on_is_bitwise_the_same(name: str, tmp_path: Path) -> None:
    options = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    unbroken = _parts(name, **options)
    _steps(unbroken, 3)
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, unbroken, Progress(epoch=1, step=3, history=[{"epoch": 0, "train_loss": 0.5}]))
    expected = _steps(unbroken, 4)

    fresh = _parts(name, **options)
    torch.manual_seed(99)
    progress = load_checkpoint(path, fresh)
    assert progress == Progress(epoch=1, step=3, history=[{"epoch": 0, "train_loss": 0.5}])
    assert _steps(fresh, 4) == expected
    assert _equal(fresh.network.state_dict(), unbroken.network.state_dict())
    assert fresh.ema and unbroken.ema and _equal(fresh.ema.state_dict(), unbroken.ema.state_dict())
    assert fresh.others["schedule"].state_dict() == unbroken.others["schedule"].state_dict()


def test_weights_and_progress_can_be_read_alone(tmp_path: Path) -> None:
    parts = _parts("adamw")
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, parts, Progress(step=7))
    assert load_progress(path).step == 7
    assert _equal(load_weights(path), parts.network.state_dict())
    assert path.with_suffix(".json").is_file()
    best = tmp_path / "best.safetensors"
    save_weights(best, parts.network.state_dict(), {"epoch": 3})
    assert _equal(load_weights(best), parts.network.state_dict())


@pytest.mark.parametrize("damage", ["cut", "noise", "foreign", "absent"])
def test_damaged_files_are_named(damage: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _parts("adamw"), Progress())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "noise":
        path.write_bytes(b"\x00" * 64)
    elif damage == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    else:
        path.unlink()
    with pytest.raises(TrainingError, match=r"last\.safetensors is no checkpoint"):
        load_checkpoint(path, _parts("adamw"))


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _parts("adamw"), Progress())
    other = _parts("adamw")
    other.network = nn.Conv2d(3, 4, 1)
    with pytest.raises(TrainingError, match="does not fit this configuration"):
        load_checkpoint(path, other)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, {"a": torch.zeros(1)}, {"schema": 99})
    with pytest.raises(TrainingError, match="schema 99"):
        load_weights(path)
