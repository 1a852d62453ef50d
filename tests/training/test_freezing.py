"""Frozen encoders: what stands still, what learns, from when on, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from flawscope.errors import ConfigError
from flawscope.models.build import build_model
from flawscope.training.config import TrainConfig
from flawscope.training.freezing import Freezer, encoder_of, trainable, without_idle_freeze
from flawscope.training.loop import fit
from flawscope.training.optimisers import LR_FACTOR, parameter_groups
from flawscope.training.progress import Silent
from flawscope.training.protocol_config import EncoderConfig

from .small import make_job, settings, weights_equal

SMP = {"name": "smp-unet", "options": {"encoder": "resnet18", "decoder_channels": [8, 8, 8, 8, 8]}}


def small(**encoder: Any) -> TrainConfig:
    return settings(
        model=SMP,
        input={"stride_multiple": 32},
        encoder=encoder,
        train={"batch": 5, "steps": 6, "ema_decay": 0.0, "threads": 1, "workers": 0},
    )


def state_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in encoder_of(network).state_dict().items()}


def test_the_thesis_counts_of_what_learns() -> None:
    with torch.device("meta"):
        network = build_model("smp-unet", encoder="resnet34", in_channels=3, classes=4)
    norms = sum(
        one.numel()
        for part in encoder_of(network).modules()
        if isinstance(part, torch.nn.BatchNorm2d)
        for one in part.parameters()
    )
    Freezer(network, EncoderConfig(freeze=True)).apply(0)
    assert trainable(network) == 3_152_132 + norms  # figure 62: decoder and head, and what norms learn
    Freezer(network, EncoderConfig(freeze=True, norm="freeze")).apply(0)
    assert trainable(network) == 3_152_132


@pytest.mark.parametrize("norm", ["train", "freeze"])
def test_a_frozen_encoder_stands_still_and_the_rest_learns(norm: str, tmp_path: Path) -> None:
    job = make_job(tmp_path, small(freeze=True, norm=norm))
    network = job.session.network
    before, decoder = state_of(network), network.state_dict()["network.segmentation_head.0.weight"].clone()
    fit(job)
    after = state_of(network)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(".bn" in f".{name}" or "downsample.1" in name for name in moved)
    assert bool(moved) == (norm == "train")
    assert not torch.equal(decoder, network.state_dict()["network.segmentation_head.0.weight"])


def test_it_learns_from_its_epoch_on_and_a_resumed_run_ends_the_same(tmp_path: Path) -> None:
    config = small(freeze=True, unfreeze_at=2, lr_factor=0.25)  # two steps an epoch
    whole = make_job(tmp_path / "whole", config)
    convs = "conv1.weight"
    first = state_of(whole.session.network)[convs]
    seen: list[bool] = []
    whole.before_epoch = lambda epoch: seen.append(torch.equal(first, state_of(whole.session.network)[convs]))
    fit(whole)
    assert seen == [True, True, True]
    assert not torch.equal(first, state_of(whole.session.network)[convs])

    part = make_job(tmp_path / "part", config, before_epoch=_dies_at_2)
    with pytest.raises(RuntimeError, match="killed"):
        fit(part)
    again = make_job(tmp_path / "part", config)
    assert fit(again, resume=True).step == 6
    assert weights_equal(again.session.network.state_dict(), whole.session.network.state_dict())


def _dies_at_2(epoch: int) -> None:
    if epoch == 2:
        raise RuntimeError("killed")


def test_the_encoder_has_groups_of_its_own_at_a_share_of_the_rate(tmp_path: Path) -> None:
    job = make_job(tmp_path, small(lr_factor=0.25))
    assert job.session.freezer is None
    rate = job.session.set_rate(0)
    groups = job.session.optimiser.param_groups
    assert [group["lr"] / rate for group in groups] == [1.0, 1.0, 0.25, 0.25]
    slow = sum(one.numel() for group in groups[2:] for one in group["params"])
    assert slow == sum(one.numel() for one in encoder_of(job.session.network).parameters())
    head = torch.nn.Conv2d(1, 1, 1)
    assert LR_FACTOR not in parameter_groups(head, 0.1)[0]


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_without_weights_nothing_is_frozen_and_that_is_told(tmp_path: Path) -> None:
    listener = Listener()
    assert not without_idle_freeze(small(freeze=True), listener).encoder.freeze
    assert "the encoder learns too" in listener.said[0] and "encoder_weights=file:PATH" in listener.said[0]
    with torch.random.fork_rng():
        weights = encoder_of(build_model(SMP["name"], **SMP["options"], classes=1)).state_dict()  # type: ignore[arg-type]
    save_file(dict(weights), tmp_path / "encoder.safetensors")
    options = {**SMP["options"], "encoder_weights": f"file:{tmp_path / 'encoder.safetensors'}"}  # type: ignore[dict-item]
    given = settings(model={**SMP, "options": options}, encoder={"freeze": True})
    assert without_idle_freeze(given, listener).encoder.freeze and len(listener.said) == 1


def test_a_network_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smp-unet"):
        make_job(tmp_path, settings(encoder={"freeze": True}))
