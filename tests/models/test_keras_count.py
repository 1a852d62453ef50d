"""Figure 62 of the thesis, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from flawscope.evaluation.tables import layout_named
from flawscope.models import build_model
from flawscope.models.cost import count
from flawscope.models.keras_count import figure_62, keras_unet

OURS = {
    "ResNet-34": "resnet34", "ResNet-50": "resnet50", "ResNet-101": "resnet101",
    **{f"EfficientNet-B{n}": f"efficientnet-b{n}" for n in (0, 1, 3, 5, 7)},
}  # fmt: skip
ROWS = {label: values for block in layout_named("thesis-62").printed for label, values in block.rows}


def test_the_figure_has_eight_backbones() -> None:
    assert ROWS.keys() == OURS.keys()


@pytest.mark.parametrize("label", OURS)
def test_every_row_is_reproduced_as_keras_counts(label: str) -> None:
    found = keras_unet(OURS[label])
    assert (found.total, found.trainable_frozen) == ROWS[label]


@pytest.mark.parametrize("label", OURS)
def test_the_page_tells_both_counts(label: str) -> None:
    encoder, derived = OURS[label], keras_unet(OURS[label])
    with torch.device("meta"):
        network: Any = build_model("smp-unet", encoder=encoder, classes=4)
    parts = (network.network.decoder, network.network.segmentation_head)
    decoder = sum(p.numel() for part in parts for p in part.parameters())
    whole = sum(p.numel() for p in network.parameters())
    numbers = (derived.total, derived.trainable_frozen, whole, derived.decoder_trainable, decoder)
    row = f"| `{encoder}` | " + " | ".join(f"{number:,}" for number in numbers) + " |"
    page = Path(__file__).resolve().parents[2] / "docs/severstal.md"
    assert row in page.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("encoder", ["resnet34", "resnet50", "resnet101"])
def test_our_decoder_over_resnets_is_theirs(encoder: str) -> None:
    with torch.device("meta"):
        network: Any = build_model("smp-unet", encoder=encoder, classes=4)
    parts = (network.network.decoder, network.network.segmentation_head)
    ours = sum(p.numel() for part in parts for p in part.parameters())
    assert ours == keras_unet(encoder).decoder_trainable


@pytest.mark.parametrize("number", [0, 5])
def test_our_decoder_over_efficientnets_is_smaller_for_its_skips_are_not_expanded(number: int) -> None:
    with torch.device("meta"):
        network: Any = build_model("smp-unet", encoder=f"efficientnet-b{number}", classes=4)
    ours = sum(p.numel() for p in network.network.decoder.parameters())
    assert ours < keras_unet(f"efficientnet-b{number}").decoder_trainable / 2


def test_the_plain_network_has_600_756_parameters() -> None:
    options: dict[str, Any] = {
        "widths": (8, 16, 32, 64, 64, 128), "up_widths": (64, 32, 32, 16, 8), "activation": "elu",
        "norm": "none", "classes": 4,
    }  # fmt: skip
    with torch.device("meta"):
        colour, grey = (build_model("unet", in_channels=channels, **options) for channels in (3, 1))
    cost = count(colour, (128, 800), 3)
    assert cost.parameters == cost.parameters_keras == 600_756
    assert count(grey, (128, 800), 1).parameters == 600_612


def test_the_columns_of_the_figure_are_derived_for_networks_of_ours() -> None:
    over = {"encoder": "resnet34", "in_channels": 3, "classes": 4}
    told = figure_62("smp-unet", over)
    assert (told["keras"]["value"], told["keras_trainable"]["value"]) == ROWS["ResNet-34"]
    normed = figure_62("unet", {"widths": (8, 16), "norm": "batch", "in_channels": 1, "classes": 4})
    assert normed["keras"]["value"] > normed["keras_trainable"]["value"] > 0


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("smp-fpn", {"encoder": "resnet34"}),
        ("smp-unet", {"encoder": "vgg16"}),
        ("smp-unet", {"encoder": "resnet34", "in_channels": 1}),
        ("smp-unet", {"encoder": "resnet34", "decoder_channels": [64, 32, 16, 8, 4]}),
        ("", {}),
    ],
)
def test_networks_that_the_thesis_has_no_like_of_have_no_such_count(
    network: str, options: dict[str, Any]
) -> None:
    assert figure_62(network, options) == {}
