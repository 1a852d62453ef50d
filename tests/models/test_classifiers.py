"""Classifiers: the papers' parameters and multiply-adds, and the contract that all of them keep."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from flawscope.errors import ConfigError
from flawscope.models import MODELS, build_model
from flawscope.models.classic_parts import ACTIVATIONS, POOLINGS, SHORTCUTS, make_shortcut, output_px
from flawscope.models.classifiers import CLASSIFIERS
from flawscope.models.compound import FACTORS, HEAD, STEM, phi_of, round_channels, stages
from flawscope.models.cost import Cost, count
from flawscope.models.lenet import CONNECTIONS

PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg16-bn": 138_357_544 + 2 * 4_224,
    "vgg19-bn": 143_667_240 + 2 * 5_504,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
MULTIPLY_ADDS = {
    "resnet34": (224, 3.6e9),
    "plain34": (224, 3.6e9),
    "resnet50": (224, 3.8e9),
    "resnet152": (224, 11.3e9),
    "vgg16": (224, 15.3e9),
    "vgg19": (224, 19.6e9),
    "efficientnet-b0": (224, 0.39e9),
    "efficientnet-b4": (380, 4.2e9),
    "efficientnet-b7": (600, 37e9),
}
"""Edge of the image and what the papers print. ResNet-50 and -152 are today's, with the stride in the 3 x 3
convolution, which costs a little more than the paper's."""

SMALL: dict[str, dict[str, Any]] = {
    "lenet5": {},
    "lab-cnn": {"widths": (4, 6), "hidden": 8},
    "resnet18": {},
    "alexnet": {},
    "timm": {"timm_name": "resnet10t"},
}


def on_meta(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return build_model(name, **options)


@cache
def cost_at(name: str, edge_px: int) -> Cost:
    """Cost of one image, colour but for LeNet-5."""
    return count(on_meta(name), (edge_px, edge_px), 1 if name == "lenet5" else 3)


def parameters(network: nn.Module) -> int:
    return sum(part.numel() for part in network.parameters())


def test_all_are_registered() -> None:
    assert CLASSIFIERS.keys() <= MODELS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_papers(name: str) -> None:
    assert parameters(on_meta(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds_are_the_papers(name: str) -> None:
    edge, printed = MULTIPLY_ADDS[name]
    assert cost_at(name, edge).gflop * 1e9 / 2 == pytest.approx(printed, rel=0.08)


def test_the_page_tells_printed_and_own_costs_side_by_side() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/networks.md"
    table = page.read_text(encoding="utf-8").partition("## The classic classifiers")[2].partition("\n## ")[0]
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines() if "| `" in line
    ]
    assert {*PARAMETERS, *MULTIPLY_ADDS, *FACTORS, "lenet5"} == {row[0] for row in rows}
    for name, edge, told, printed, ours in rows:
        cost = cost_at(name, int(edge))
        assert told == f"{cost.parameters:,}"
        assert ours == f"{cost.gflop / 2:.{len(ours.partition('.')[2])}f}", name
        if name in MULTIPLY_ADDS:
            assert (int(edge), float(printed)) == (MULTIPLY_ADDS[name][0], MULTIPLY_ADDS[name][1] / 1e9)
        else:
            assert not printed, name
    (bound,) = re.findall(r"within (\d+) %", table)
    pairs = [(float(ours), float(printed)) for *_, printed, ours in rows if printed]
    assert max(abs(ours / printed - 1) for ours, printed in pairs) < int(bound) / 100


def test_the_plain_network_is_resnet34_without_what_its_shortcuts_hold() -> None:
    residual, plain, padded = (
        on_meta("resnet34", shortcut=kind) for kind in ("projection", "none", "zero_padded")
    )
    projections = 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)
    assert parameters(residual) - parameters(plain) == projections
    assert parameters(padded) == parameters(plain)


def test_a_residual_network_is_more_than_its_plain_twin() -> None:
    torch.manual_seed(0)
    padded = build_model("resnet18", shortcut="zero_padded", classes=3).eval()
    plain = build_model("resnet18", shortcut="none", classes=3).eval()
    plain.load_state_dict(padded.state_dict())
    image = torch.randn(1, 3, 64, 64)
    assert not torch.allclose(padded(image), plain(image))


@pytest.mark.parametrize("name", FACTORS)
def test_efficientnets_are_b0_scaled_by_the_compound_rule(name: str) -> None:
    width, depth, edge = FACTORS[name]
    network: Any = on_meta(name).network  # type: ignore[union-attr]
    found = [(part[-1].out_channels, len(part)) for part in network.features[1:-1]]
    assert found == [(stage.channels, stage.repeats) for stage in stages(width, depth)]
    assert network.features[0][0].out_channels == round_channels(STEM * width)
    assert network.features[-1][0].out_channels == round_channels(HEAD * width)
    # The published factors are rounded: one phi meets all three of them within an eighth.
    phi = phi_of(width, depth, edge)
    for factor, base in ((depth, 1.2), (width, 1.1), (edge / 224, 1.15)):
        assert factor == pytest.approx(base**phi, rel=0.125)


def test_efficientnet_b0_has_the_papers_parameters() -> None:
    assert parameters(on_meta("efficientnet-b0")) == 5_288_548  # 5.3 M in the paper
    assert parameters(on_meta("efficientnet-b7")) == 66_347_960  # 66 M


def test_lenet5_has_61706_parameters_or_the_papers_60000() -> None:
    assert parameters(on_meta("lenet5")) == 61_706
    assert parameters(on_meta("lenet5", size_hw=(28, 28), padding_px=2)) == 61_706
    assert parameters(on_meta("lenet5", variant="original")) == 60_000


def test_lenet5_layers_are_those_of_the_paper() -> None:
    layers = {layer.name: layer for layer in count(on_meta("lenet5", variant="original"), (32, 32)).layers}
    assert [layers[name].parameters for name in ("c1", "s2", "s4", "c5", "f6")] == [
        156,
        12,
        32,
        48_120,
        10_164,
    ]
    maps = [layer for name, layer in layers.items() if name.startswith("c3.")]
    assert sum(layer.parameters for layer in maps) == 1_516
    assert layers["c1"].output_shape == (6, 28, 28)
    assert layers["s4"].output_shape == (16, 5, 5)


def test_every_map_of_the_partial_table_sees_three_four_or_six() -> None:
    assert [len(seen) for seen in CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    assert len(set(CONNECTIONS)) == 16
    # Each map of S2 is seen by ten of C3, as the columns of the paper's table say.
    assert [sum(k in seen for seen in CONNECTIONS) for k in range(6)] == [10] * 6


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("channels", "classes", "size_hw"), [(1, 2, (28, 28)), (3, 7, (64, 50))])
def test_any_channels_classes_and_sizes(
    name: str, channels: int, classes: int, size_hw: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = build_model(name, in_channels=channels, classes=classes, size_hw=size_hw, **SMALL[name])
    batch = torch.randn(3, channels, *size_hw)
    network.train()(batch).square().mean().backward()
    assert all(part.grad is not None for part in network.parameters())
    network.eval()
    with torch.no_grad():
        together = network(batch)
        alone = torch.cat([network(batch[k : k + 1]) for k in range(3)])
    assert together.shape == (3, classes)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("activation", "pooling", "shortcut"),
    [*itertools.product(ACTIVATIONS, ["max"], ["none"]), *itertools.product(["relu"], POOLINGS, SHORTCUTS)],
)
def test_the_labs_network_by_choice(activation: str, pooling: str, shortcut: str) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"activation": activation, "pooling": pooling, "shortcut": shortcut}
    network = build_model("lab-cnn", widths=(4, 8), hidden=16, norm="batch", dropout=0.5, **options)
    answer = network(torch.randn(4, 1, 28, 28))
    assert answer.shape == (4, 10)
    assert torch.isfinite(answer).all()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("convs", [1, 2])
def test_output_sizes_follow_the_formula(padding: str, convs: int) -> None:
    network = on_meta("lab-cnn", padding=padding, convs_per_stage=convs, kernel_px=3, widths=(4, 8))
    edge = 28
    for layer in count(network, (28, 28), 1).layers:
        if layer.kind == "Conv2d":
            edge = output_px(edge, 3, 1, 1 if padding == "same" else 0)
            assert layer.output_shape[1:] == (edge, edge)
        elif layer.kind == "MaxPool2d":
            edge = output_px(edge, 2, 2)
            assert layer.output_shape[1:] == (edge, edge)


def test_a_zero_padded_shortcut_keeps_its_maps_and_adds_empty_ones() -> None:
    shortcut = make_shortcut("zero_padded", 3, 5)
    assert shortcut is not None
    maps = torch.randn(2, 3, 4, 4)
    answer = shortcut(maps)
    assert torch.equal(answer[:, :3], maps)
    assert not answer[:, 3:].any()
    assert make_shortcut("none", 3, 5) is None


def test_weights_come_from_a_file_and_a_head_of_other_classes_stays_new(tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = build_model("timm", timm_name="resnet10t", classes=5)
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in teacher.network.state_dict().items()}, path)  # type: ignore[union-attr, operator]
    pupil = build_model("timm", timm_name="resnet10t", classes=2, encoder_weights=f"file:{path}")
    ours, theirs = pupil.state_dict(), teacher.state_dict()
    same = [key for key in ours if ours[key].shape == theirs[key].shape]
    assert all(torch.equal(ours[key], theirs[key]) for key in same)
    assert 0 < len(ours) - len(same) <= 2


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("lenet5", {"activation": "swish"}, "swish"),
        ("lenet5", {"size_hw": (8, 8)}, "8 x 8"),
        ("lenet5", {"dropout": 1.0}, "dropout"),
        ("lab-cnn", {"kernel_px": 4}, "kernel_px"),
        ("lab-cnn", {"widths": ()}, "widths"),
        ("lab-cnn", {"dropout": -0.1}, "dropout"),
        ("lab-cnn", {"padding": "valid", "shortcut": "residual"}, "shortcut"),
        ("lab-cnn", {"size_hw": (3, 3)}, "3 x 3"),
        ("resnet50", {"shortcut": "none"}, "resnet18"),
        ("resnet18", {"shortcut": "sideways"}, "sideways"),
        ("resnet18", {"encoder_weights": "imagenet"}, "file:PATH"),
        ("vgg16", {"depth": 3}, "depth"),
        ("timm", {"timm_name": "resnet10"}, "resnet10t"),
        ("timm", {"timm_name": "resnet10t", "nonsense": 1}, "nonsense"),
    ],
)
def test_what_makes_no_network_is_refused_with_the_reason(
    name: str, options: dict[str, Any], word: str
) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=word):
        build_model(name, **options)
