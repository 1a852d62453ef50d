"""The capstone's classifier: shapes, dropout, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from flawscope.errors import ConfigError  # noqa: E402
from flawscope.models.build import build_model  # noqa: E402

SMALL: dict[str, Any] = {"classes": 4, "size_hw": (32, 64), "widths": [4, 8, 8], "hidden": 6}


@pytest.mark.parametrize(
    "options", [{}, {"hidden": 0}, {"norm": "none", "activation": "elu"}, {"in_channels": 1}]
)
def test_logits_of_every_image(options: dict[str, Any]) -> None:
    network = build_model("unet-classifier", **SMALL, **{k: v for k, v in options.items() if k not in SMALL})
    if "hidden" in options:
        network = build_model("unet-classifier", **{**SMALL, **options})
    image = torch.randn(2, options.get("in_channels", 3), 32, 64)
    assert network.eval()(image).shape == (2, 4)


def test_the_recipe_s_own_size() -> None:
    with torch.device("meta"):
        network = build_model("unet-classifier", classes=1, size_hw=(256, 512))
    dense = network.head[2]  # type: ignore[index]
    assert dense.in_features == 256 * 8 * 16 and dense.out_features == 64


def test_dropout_acts_while_training_only() -> None:
    torch.manual_seed(0)
    network = build_model("unet-classifier", **SMALL, dropout=0.3, head_dropout=0.5)
    image = torch.randn(4, 3, 32, 64)
    assert torch.equal(network.eval()(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


@pytest.mark.parametrize(
    "wrong",
    [{"widths": []}, {"hidden": -1}, {"dropout": 1.0}, {"norm": "x"}, {"size_hw": (4, 4)}, {"typo": 1}],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build_model("unet-classifier", **{**SMALL, **wrong})
