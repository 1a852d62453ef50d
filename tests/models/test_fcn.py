"""FCN-32s, 16s and 8s over encoders, by every way up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models import build_model
from flawscope.models.fcn import FCNS
from flawscope.models.upsampling import UPSAMPLINGS

from .networks import (
    check_export,
    check_gradient_reaches_everything,
    check_images_of_a_batch_do_not_meet,
    check_shapes,
    image,
)


def small(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    model: Any = build_model(name, **{"encoder": "mobilenet_v2", "classes": 2, **options})
    for score in model.score.values():
        torch.nn.init.normal_(score.weight, std=0.1)
    return model


@pytest.mark.parametrize("name", FCNS)
def test_every_stride_keeps_the_contract(name: str) -> None:
    model = small(name, head_widths=(6, 5))
    check_shapes(model, 3, 2)
    check_gradient_reaches_everything(model, 3)
    check_images_of_a_batch_do_not_meet(model, 3)


@pytest.mark.parametrize("kind", [kind for kind in UPSAMPLINGS if kind != "transposed_bilinear"])
def test_every_way_up_keeps_the_contract(kind: str) -> None:
    model = small("fcn-8s", upsampling=kind)
    check_shapes(model, 3, 2)
    check_gradient_reaches_everything(model, 3)


def test_an_encoder_without_features_of_stride_two() -> None:
    check_shapes(small("fcn-16s", encoder="mit_b0", upsampling="max_unpooling", in_channels=1), 1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transposed_bilinear", "max_unpooling"])
def test_one_exported_graph_serves_every_size(kind: str, tmp_path: Path) -> None:
    check_export(small("fcn-8s", encoder="resnet18", upsampling=kind), 3, tmp_path)


@pytest.mark.parametrize(("name", "scored"), [("fcn-32s", [5]), ("fcn-16s", [4, 5]), ("fcn-8s", [3, 4, 5])])
def test_scores_are_summed_on_the_way_up(name: str, scored: list[int]) -> None:
    """At the start it is bilinear interpolation of the levels' scores, doubled and added."""
    model = small(name).eval()
    assert [int(level) for level in model.score] == scored
    given = image(1, 3, 320, 320)
    with torch.no_grad():
        features = model.encoder(given)
        wanted = model.score["5"](features[5])
        for level in reversed(scored[:-1]):
            doubled = functional.interpolate(wanted, scale_factor=2.0, mode="bilinear")
            wanted = model.score[str(level)](features[level]) + doubled
        wanted = functional.interpolate(wanted, size=(320, 320), mode="bilinear")
        torch.testing.assert_close(model(given), wanted, rtol=1e-4, atol=1e-4)


def test_scores_start_at_nothing_but_the_prior() -> None:
    model = build_model("fcn-8s", encoder="mobilenet_v2", prior=[0.1, 0.4], classes=2).eval()
    with torch.no_grad():
        share = model(image(1, 3, 64, 64)).sigmoid()
    torch.testing.assert_close(share[0, :, 5, 7], torch.tensor([0.1, 0.4]))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"upsampling": "magic"}, "upsampling"),
        ({"encoder": "resnet81"}, "resnet81"),
        ({"encoder_weights": "swsl"}, "encoder_weights"),
        ({"encoder_weights": "file:/nowhere.safetensors"}, "nowhere"),
        ({"dropout": 1.0}, "dropout"),
        ({"head_widths": (0,)}, "head_widths"),
        ({"prior": 2.0}, "prior"),
        ({"depth": 3}, "depth"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_model("fcn-8s", **{"encoder": "mobilenet_v2", **wrong})
