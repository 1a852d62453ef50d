from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flawscope.errors import ConfigError
from flawscope.models import build_model
from flawscope.models.blocks import NORMS
from flawscope.models.cost import count

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
    {**SMALL, "norm": "group", "activation": "silu", "upsampling": "bilinear"},
    {**SMALL, "norm": "instance", "activation": "leaky_relu", "upsampling": "nearest", "convs_per_level": 1},
    {**SMALL, "norm": "none", "activation": "gelu", "dropout": 0.2},
    {**SMALL, "padding": "valid", "activation": "elu"},
    {**SMALL, "padding": "valid", "convs_per_level": 3, "widths": (4, 4, 6, 6)},
    {**SMALL, "stem": "space_to_depth", "in_channels": 1},
    {**SMALL, "stem": "space_to_depth", "padding": "valid", "deep_supervision": True},
    {**SMALL, "deep_supervision": True, "widths": (4, 5, 6, 7)},
    {**SMALL, "upsampling": "bed_of_nails"},
    {**SMALL, "upsampling": "transposed_bilinear"},
    {**SMALL, "upsampling": "max_unpooling", "up_widths": (5, 3)},
    {**SMALL, "upsampling": "max_unpooling", "padding": "valid"},
]


@pytest.fixture(params=VARIANTS, ids=lambda options: "-".join(str(value) for value in options.values()))
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_every_variant_keeps_the_contract(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_model("unet", **options)
    channels = options.get("in_channels", 3)
    check_shapes(model, channels, options["classes"])
    check_gradient_reaches_everything(model, channels)
    check_images_of_a_batch_do_not_meet(model, channels)


@pytest.mark.parametrize("index", [4, 6, 9, 10, 11])
def test_one_exported_graph_serves_every_size(index: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    chosen = VARIANTS[index]
    check_export(build_model("unet", **chosen), chosen.get("in_channels", 3), tmp_path)


def test_the_thesis_network_has_exactly_600756_parameters() -> None:
    model = build_model(
        "unet",
        in_channels=3,
        classes=4,
        widths=(8, 16, 32, 64, 64, 128),
        up_widths=(64, 32, 32, 16, 8),
        norm="none",
        activation="elu",
    )
    assert sum(part.numel() for part in model.parameters()) == 600_756


def test_prior_sets_the_first_answer() -> None:
    torch.manual_seed(0)
    model = build_model("unet", widths=(4, 8), classes=2, prior=[0.02, 0.3]).eval()
    with torch.no_grad():
        share = model(image(1, 3, 64, 64)).sigmoid().mean(dim=(0, 2, 3))
    assert share[0] == pytest.approx(0.02, abs=0.01)
    assert share[1] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stem", ["none", "space_to_depth"])
def test_side_outputs_lie_on_the_image_grid(padding: str, stem: str) -> None:
    """A bright square moves every output where it lies, whatever level it comes from."""
    model = build_model(
        "unet",
        widths=(6, 8, 12),
        deep_supervision=True,
        padding=padding,
        stem=stem,
        upsampling="bilinear",
        norm="none",
    )
    model.train()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 / weight[0].numel() if name.endswith("weight") else 0.0)
    dark = torch.zeros(1, 3, 128, 128)
    bright = dark.clone()
    bright[..., 56:72, 72:88] = 1.0
    with torch.no_grad():
        pairs = zip(model(bright), model(dark), strict=True)
        for lit, unlit in pairs:
            change = (lit - unlit).abs().sum(dim=(0, 1))
            rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
            centre = ((change * rows).sum() / change.sum(), (change * columns).sum() / change.sum())
            assert math.dist(centre, (63.5, 79.5)) < 1.0


def test_sides_are_silent_outside_training() -> None:
    model = build_model("unet", widths=(4, 4, 4), deep_supervision=True)
    assert isinstance(model.train()(image(1, 3, 32, 32)), list)
    assert isinstance(model.eval()(image(1, 3, 32, 32)), torch.Tensor)


@pytest.mark.parametrize("norm", NORMS)
def test_an_image_of_one_pixel_is_seen(norm: str) -> None:
    model = build_model("unet", widths=(4, 4, 4), norm=norm).eval()
    logits = model(image(1, 3, 1, 1))
    assert logits.shape == (1, 1, 1, 1) and torch.isfinite(logits).all()


def test_norms_are_torchs_own() -> None:
    torch.manual_seed(0)
    given = torch.randn(3, 8, 5, 6)
    pairs: dict[str, nn.Module] = {"group": nn.GroupNorm(8, 8), "instance": nn.InstanceNorm2d(8, affine=True)}
    for name, theirs in pairs.items():
        ours = NORMS[name](8)
        for one in (ours, theirs):
            one.load_state_dict({"weight": torch.linspace(0.5, 2, 8), "bias": torch.linspace(-1, 1, 8)})
        assert torch.equal(ours(given), theirs(given))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"norm": "layer"}, "norm"),
        ({"activation": "tanh"}, "activation"),
        ({"upsampling": "magic"}, "upsampling"),
        ({"padding": "reflect"}, "padding"),
        ({"stem": "conv"}, "stem"),
        ({"widths": (8,)}, "widths"),
        ({"widths": (8, 8), "up_widths": (8, 8)}, "up_widths"),
        ({"convs_per_level": 0}, "convs_per_level"),
        ({"widths": (8, 8), "deep_supervision": True}, "deep_supervision .* three levels"),
        ({"prior": 1.5}, "prior"),
        ({"prior": [0.1, 0.1]}, "prior"),
        ({"depth": 5}, "depth"),
        ({"base_width": 8, "depth": 1}, "depth"),
        ({"base_width": 8, "widths": (8, 16)}, "both"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_model("unet", **wrong)


def test_a_misspelt_network_is_guessed() -> None:
    with pytest.raises(ConfigError, match="Did you mean smp-unet"):
        build_model("smp-unett")


def test_half_resolution_costs_a_fraction() -> None:
    widths = (16, 32, 64, 128)
    full = count(build_model("unet", widths=widths), (256, 256)).gflop
    half = count(build_model("unet", widths=widths, stem="space_to_depth"), (256, 256)).gflop
    assert half < 0.4 * full
