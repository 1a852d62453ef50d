"""Four networks of one family: their gates, their sizes, their maps, their graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flawscope.errors import ConfigError
from flawscope.models import build_model
from flawscope.models.attention_unet import KINDS, AttentionGate, attention_maps, has_gates
from flawscope.models.cost import count
from flawscope.models.receptive_field import measure

from .networks import (
    check_export,
    check_gradient_reaches_everything,
    check_images_of_a_batch_do_not_meet,
    check_shapes,
    image,
)

SMALL: dict[str, Any] = {"widths": (4, 6, 8), "classes": 2}
VARIANTS: list[dict[str, Any]] = [
    SMALL,
    {**SMALL, "norm": "none", "up_widths": (7, 5), "upsampling": "max_unpooling"},
    {**SMALL, "stem": "space_to_depth", "deep_supervision": True, "norm": "group"},
]


def parameters(model: nn.Module) -> int:
    return sum(part.numel() for part in model.parameters())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("options", VARIANTS)
def test_every_network_keeps_the_contract(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_model(name, **options)
    check_shapes(model, 3, 2)
    check_gradient_reaches_everything(model, 3)
    check_images_of_a_batch_do_not_meet(model, 3)


@pytest.mark.parametrize("name", KINDS)
def test_one_exported_graph_serves_every_size(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    check_export(build_model(name, **SMALL), 3, tmp_path)


def test_a_gate_does_what_its_formula_says() -> None:
    gate: Any = AttentionGate(2, 1, "none")
    with torch.no_grad():
        for part in gate.parameters():
            part.zero_()
        gate.skip[0].weight[0, :, 0, 0] = torch.tensor([1.0, 2.0])
        gate.signal[0].weight.fill_(3.0)
        gate.psi.weight.fill_(0.5)
        gate.psi.bias.fill_(-1.0)
        x, g = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1), torch.tensor([1.0]).view(1, 1, 1, 1)
        # relu(1 * 2 + 2 * -1 + 3 * 1) = 3; sigmoid(0.5 * 3 - 1) = sigmoid(0.5)
        wanted = x * torch.sigmoid(torch.tensor(0.5))
        torch.testing.assert_close(gate(x, g), wanted)


def test_the_papers_networks_have_five_levels_of_64_to_1024() -> None:
    with torch.device("meta"):
        sizes = {name: parameters(build_model(name, classes=1)) for name in KINDS}
        plain = parameters(build_model("unet", base_width=64, depth=5, bias=True))
    # The U-Net of 31.0 million with batch normalisation.
    assert plain == 31_043_521
    assert plain < sizes["attention-unet"] < sizes["attention-unet-full"]
    # Four gates: W_x and W_g of C -> C / 2 and their norms, psi of C / 2 -> 1.
    gates = sum(2 * (c * c // 2 + c) + c // 2 + 1 for c in (64, 128, 256, 512))
    with torch.device("meta"):
        unbiased = parameters(build_model("unet", base_width=64))
    assert sizes["attention-unet"] == unbiased + gates


@pytest.mark.parametrize(("name", "gates"), [("attention-unet", 4), ("attention-unet-advanced", 4)])
def test_a_gate_for_every_skip(name: str, gates: int) -> None:
    model = build_model(name, base_width=2)
    assert sum(isinstance(part, AttentionGate) for part in model.modules()) == gates


def test_full_attention_gates_every_output() -> None:
    maps = attention_maps(build_model("attention-unet-full", base_width=2), image(1, 3, 32, 32))
    assert list(maps)[:3] == ["level-4-from-1", "level-4-from-2", "level-4-from-3"]
    assert len(maps) == 4 + 3 + 2 + 1


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("stem", ["none", "space_to_depth"])
def test_maps_lie_on_the_image(name: str, stem: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, widths=(4, 6, 8), stem=stem).train()
    maps = attention_maps(model, image(2, 3, 38, 25))
    assert has_gates(model) and model.training
    for opening in maps.values():
        assert opening.shape == (2, 38, 25)
        assert 0.5 < float(opening.min()) <= float(opening.max()) < 1.0  # nearly open at first


def test_a_spot_shows_where_it_lies() -> None:
    torch.manual_seed(0)
    model = build_model("attention-unet", widths=(4, 6, 8), norm="none").eval()
    with torch.no_grad():
        for gate in (part for part in model.modules() if isinstance(part, AttentionGate)):
            gate.psi.weight.fill_(1.0)
    dark = torch.zeros(1, 3, 128, 160)
    lit = dark.clone()
    lit[..., 40:44, 100:104] = 5.0
    before, after = attention_maps(model, dark), attention_maps(model, lit)
    for name, opening in after.items():
        change = (opening - before[name]).abs()[0]
        row, column = divmod(int(change.argmax()), 160)
        assert abs(row - 42) < 16 and abs(column - 102) < 16


def test_only_gated_networks_tell_maps() -> None:
    plain = build_model("unet", widths=(4, 4))
    assert not has_gates(plain) and not has_gates(nn.Conv2d(3, 1, 1))
    with pytest.raises(ConfigError, match="no attention gates"):
        attention_maps(plain, image(1, 3, 32, 32))


def test_the_papers_size_is_padded_inside() -> None:
    model = build_model("attention-unet-full", base_width=2).eval()
    with torch.no_grad():
        assert model(image(1, 3, 256, 386)).shape == (1, 1, 256, 386)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"padding": "valid"}, "same"),
        ({"depth": 1}, "depth"),
        ({"base_width": 0}, "base_width"),
        ({"widths": (4, 4), "base_width": 4}, "both"),
        ({"widths": (4, 4), "norm": "layer"}, "norm"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_model("attention-unet", **wrong)


def test_cost_and_reach_are_told() -> None:
    small = {"widths": (2, 3, 4)}
    cost, plain = (count(build_model(name, **small), (64, 64)) for name in ("attention-unet", "unet"))
    assert cost.gflop > plain.gflop and cost.parameters > plain.parameters
    reach, plain_reach = (measure(build_model(name, **small)) for name in ("attention-unet", "unet"))
    assert reach is not None and plain_reach is not None
    assert reach.halo_px >= plain_reach.halo_px
