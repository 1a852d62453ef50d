from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flawscope.models import build_model
from flawscope.models.classic_parts import output_px
from flawscope.models.cost import Cost, count
from flawscope.models.describe import layer_table
from flawscope.training.config_load import load_config

FAMILIES = (
    "severstal-b0",
    "severstal-resnet34",
    "severstal-unet",
    "coredeep-efficientnet-b4-baseline",
    "attention-full",
    "fcn-8s",
    "crack-quick",
    "classify-quick",
    "two-step",
    "two-step-capstone",
    "mnist-lenet5",
)
"""A recipe of every family of networks."""


@cache
def of_recipe(name: str) -> tuple[nn.Module, tuple[int, int, int], Cost]:
    """The recipe's network for three classes, channels, height and width of an image, and its cost."""
    config = load_config(name)
    options: dict[str, Any] = {**config.model.options, "in_channels": config.input.channel_count}
    size_hw = (96, 160)
    if config.task == "classification":
        size_hw = config.input.size_hw or (config.input.size_px, config.input.size_px)
        options["size_hw"] = size_hw
    options.pop("encoder_weights", None)
    with torch.device("meta"):
        model = build_model(config.model.name, classes=3, **options)
    channels = config.input.channel_count
    return model, (channels, *size_hw), count(model, size_hw, channels)


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
    assert sum(layer.gflop for layer in cost.layers) == pytest.approx(cost.gflop)
    # Products of queries, keys and values are no layer's: they stand beside the layers of their block.
    attention = [layer for layer in cost.layers if layer.gflop and not layer.parameters]
    assert attention and {layer.kind for layer in attention} == {"Attention"}


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_add_up_and_every_convolution_is_one(name: str) -> None:
    model, _, cost = of_recipe(name)
    assert sum(layer.parameters for layer in cost.layers) == cost.parameters
    assert sum(layer.gflop for layer in cost.layers) == pytest.approx(cost.gflop)
    parts = dict(model.named_modules())
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    wanted = {key for key, part in parts.items() if isinstance(part, kinds)}
    rows = {layer.name: layer for layer in cost.layers}
    assert wanted and wanted <= rows.keys()
    for key in wanted:
        assert rows[key].parameters == sum(value.numel() for value in parts[key].parameters())
        assert rows[key].gflop > 0 or not rows[key].output_shape
    # A U-Net takes an EfficientNet's features before its last convolution, which is there all the same.
    idle = {layer.name.rpartition(".")[2] for layer in cost.layers if not layer.output_shape}
    assert idle == ({"_conv_head", "_bn1"} if "-b0" in name or "-b4" in name else set())
    # Modules of layers that are rows too: none, but for an FCN's one bias a class, added at its end.
    whole = {
        layer.name: layer.parameters
        for layer in cost.layers
        if any(list(child.parameters()) for child in parts[layer.name].children())
    }
    assert whole == ({"": 3} if name.startswith("fcn") else {})
    assert not [layer for layer in cost.layers if "static_padding" in layer.name]


@pytest.mark.parametrize("name", FAMILIES)
def test_wherever_a_window_is_told_the_formula_gives_the_output(name: str) -> None:
    model, shape, cost = of_recipe(name)
    sizes: dict[str, list[tuple[int, ...]]] = {}

    def note(key: str) -> Any:
        return lambda _part, inputs: sizes.setdefault(key, []).append(tuple(inputs[0].shape[2:]))

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    handles = [
        part.register_forward_pre_hook(note(key))
        for key, part in model.named_modules()
        if isinstance(part, kinds)
    ]
    model.eval()(torch.empty(1, *shape, device="meta"))
    for handle in handles:
        handle.remove()
    told = [(layer, layer.window) for layer in cost.layers if layer.window]
    for layer, (edge, stride, padding) in told:
        for before, after in zip(sizes[layer.name].pop(0), layer.output_shape[1:], strict=True):
            if padding is None:
                assert -(-before // stride) == after, layer.name
            else:
                assert output_px(before, edge, stride, padding) == after, layer.name
    parts = dict(model.named_modules())
    convolutions = {key: part for key, part in parts.items() if isinstance(part, nn.Conv2d) and key in sizes}
    square = {key for key, part in convolutions.items() if len(set(part.kernel_size)) == 1}
    assert {layer.name for layer, _ in told} >= square


def test_an_efficientnets_paddings_are_those_of_its_padding_modules() -> None:
    _, _, cost = of_recipe("severstal-b0")
    rows = {layer.name.removeprefix("network.encoder."): layer for layer in cost.layers}
    assert rows["_conv_stem"].window == (3, 2, None)  # a column and a row more on one side
    assert rows["_blocks.0._depthwise_conv"].window == (3, 1, 1)
    assert rows["_blocks.0._project_conv"].window == (1, 1, 0)
    assert rows["_blocks.4._depthwise_conv"].window == (5, 1, 2)
    table = layer_table(cost)
    (stem,) = [line for line in table if "_conv_stem" in line]
    assert "3 / 2 + same" in stem and "Conv2dStaticSamePadding" in stem
    assert len({len(line.rstrip()) for line in table if "x" in line and "." in line}) == 1, "columns stand"
    assert any("ceil(N / S)" in line for line in table)


def test_activations_are_outputs_and_padded_inputs_once() -> None:
    class Padded(nn.Conv2d):
        def __init__(self, rim: nn.Module) -> None:
            super().__init__(3, 5, 3, bias=False)
            self.rim = rim

        def forward(self, image: Tensor) -> Tensor:
            return super().forward(self.rim(image))

    padded = count(nn.Sequential(Padded(nn.ZeroPad2d(1)), nn.Identity()), (8, 16), 3)
    assert padded.activation_mib == pytest.approx(4 * (3 * 10 * 18 + 5 * 8 * 16) / 2**20)
    assert [layer.kind for layer in padded.layers] == ["Padded", "Identity"]
    bare = count(nn.Sequential(Padded(nn.Identity())), (8, 16), 3)
    assert bare.activation_mib == pytest.approx(4 * (5 * 6 * 14) / 2**20)
    assert bare.gflop == pytest.approx(2 * 6 * 14 * 5 * 27 / 1e9)


def test_a_layer_that_runs_twice_has_its_parameters_once_and_its_work_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, image: Tensor) -> Tensor:
            result: Tensor = self.conv(self.conv(image))
            return result

    cost = count(Twice(), (8, 8))
    assert [layer.parameters for layer in cost.layers] == [16, 0]
    assert sum(layer.gflop for layer in cost.layers) == pytest.approx(cost.gflop) == 2 * 2 * 64 * 16 / 1e9


def test_parameters_outside_of_what_is_called_have_rows_too() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 1)
            self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
            self.idle = nn.Linear(8, 8)
            self.scale = nn.Parameter(torch.ones(8))

        def forward(self, image: Tensor) -> Tensor:
            tokens = self.stem(image).flatten(2).transpose(1, 2) * self.scale
            mixed: Tensor = self.mix(tokens, tokens, tokens)[0]
            return mixed

    cost = count(Attending(), (4, 4))
    rows = {layer.name: layer for layer in cost.layers}
    assert (rows["mix"].parameters, rows["mix"].output_shape) == (3 * 8 * 8 + 3 * 8, (16, 8))
    assert rows[""].parameters == 8 and rows[""].output_shape == (16, 8)
    # Torch's attention uses the weights of its last layer without calling it.
    for name in ("idle", "mix.out_proj"):
        assert (rows[name].parameters, rows[name].output_shape) == (8 * 8 + 8, ())
    assert sum(layer.parameters for layer in cost.layers) == cost.parameters
    table = layer_table(cost)
    assert [line.split()[0] for line in table if "not called" in line] == ["mix.out_proj", "idle"]
    assert any(line.startswith("(the network) ") for line in table)
