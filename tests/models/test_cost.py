from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flawscope.models import build_model
from flawscope.models.cost import count


class Two(nn.Module):
    """A convolution and a transposed one, small enough to count by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.second = nn.ConvTranspose2d(5, 2, 2, stride=2, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.second(self.norm(self.first(image)))
        return result


def test_counts_equal_those_by_hand() -> None:
    cost = count(Two(), (8, 16))
    # 4 x 8 outputs of 5 channels, 27 products each; every one of 4 x 8 inputs spreads to 4 px of 2 channels
    assert cost.gflop * 1e9 == pytest.approx(2 * (4 * 8 * 5 * 27 + 4 * 8 * 5 * 4 * 2))
    assert cost.parameters == (5 * 27 + 5) + 10 + 5 * 2 * 4
    assert cost.parameters_keras == cost.parameters + 10
    assert [(layer.name, layer.output_shape) for layer in cost.layers] == [
        ("first", (5, 4, 8)),
        ("norm", (5, 4, 8)),
        ("second", (2, 8, 16)),
    ]
    assert sum(layer.gflop for layer in cost.layers) == pytest.approx(cost.gflop)
    assert sum(layer.parameters for layer in cost.layers) == cost.parameters
    assert cost.activation_mib == pytest.approx(4 * (160 + 160 + 256) / 2**20)


def test_counting_leaves_the_network_alone() -> None:
    model = build_model("unet", widths=(4, 8)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count(model, (64, 64))
    assert model.training
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, before[name])


def test_grey_networks_are_counted_with_one_channel() -> None:
    one, three = (count(build_model("unet", widths=(4, 8), in_channels=n), (32, 32)) for n in (1, 3))
    assert one.gflop < three.gflop


def test_attention_is_counted() -> None:
    cost = count(build_model("smp-segformer", encoder="mit_b0"), (64, 64))
    layers = sum(layer.gflop for layer in cost.layers)
    assert cost.gflop >= layers > 0
