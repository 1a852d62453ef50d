"""A classifier as a fully convolutional network: the same answer, at every place of a larger picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from flawscope.errors import ConfigError
from flawscope.models import build_model
from flawscope.models.classifiers import CLASSIFIERS, LEAST_PX, LibraryClassifier
from flawscope.models.heat_map import to_heat_map
from flawscope.training.onnx_export import export_onnx

from .networks import image


def dense_net() -> nn.Module:
    """LeNet's kind: unpadded convolutions, flattening, dense layers."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(6 * 5 * 6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(12, 3),
    )  # fmt: skip


def pooled_net(grid: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(grid), nn.Flatten(),
        nn.Linear(4 * grid**2, 7), nn.ReLU(), nn.Linear(7, 3),
    )  # fmt: skip


class Viewed(nn.Module):
    """Pools by a mean, or flattens by a view, as many networks do by hand."""

    def __init__(self, mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.conv = nn.Conv2d(1, 4, 3, stride=2)
        self.head = nn.Linear(4 if mean else 4 * 13 * 15, 3)

    def forward(self, image: Tensor) -> Tensor:
        grid = self.conv(image).relu()
        flat = grid.mean((2, 3)) if self.mean else grid.view(grid.size(0), -1)
        answer: Tensor = self.head(flat)
        return answer


SIZE_HW = (28, 32)
NETWORKS = {
    "dense": (dense_net, 4),
    "global pool": (lambda: pooled_net(1), 2),
    "Viewed mean": (lambda: Viewed(True), 2),
    "Viewed flat": (lambda: Viewed(False), 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_place_says_what_the_classifier_says_of_the_cut_out(name: str) -> None:
    torch.manual_seed(0)
    make, stride = NETWORKS[name]
    classifier = make().eval()
    heat_map = to_heat_map(classifier, SIZE_HW, in_channels=1)
    wide = image(1, 1, SIZE_HW[0] + 3 * stride, SIZE_HW[1] + 5 * stride)
    with torch.no_grad():
        scores = heat_map(wide)
        assert scores.shape == (1, 3, 4, 6)
        for row, column in ((0, 0), (3, 5), (2, 1)):
            y, x = row * stride, column * stride
            window = wide[..., y : y + SIZE_HW[0], x : x + SIZE_HW[1]]
            torch.testing.assert_close(scores[..., row, column], classifier(window), rtol=1e-4, atol=1e-5)


def test_pooling_to_several_cells_slides_too() -> None:
    torch.manual_seed(0)
    classifier = pooled_net(3).eval()
    heat_map = to_heat_map(classifier, (26, 26), in_channels=1)
    wide = image(1, 1, 30, 28)
    with torch.no_grad():
        scores = heat_map(wide)
        assert scores.shape == (1, 3, 3, 2)
        torch.testing.assert_close(scores[..., 1, 1], classifier(wide[..., 2:28, 2:28]))
    with pytest.raises(ConfigError, match="unequal"):
        to_heat_map(classifier, (28, 28), in_channels=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torchvision.models.resnet18(num_classes=5),
        lambda: torchvision.models.mobilenet_v2(num_classes=5),
        lambda: timm.create_model("lcnet_050", num_classes=5),
        lambda: timm.create_model("efficientnet_b0", num_classes=5),
    ],
    ids=["resnet18", "mobilenet", "lcnet", "efficientnet"],
)
def test_known_classifiers_keep_their_answers(make: object) -> None:
    """Equality at the training size is checked inside; the stride is that of the network."""
    torch.manual_seed(0)
    classifier = make().train()  # type: ignore[operator]
    heat_map = to_heat_map(classifier, (64, 64))
    assert classifier.training and not heat_map.training
    with torch.no_grad():
        grid = heat_map(image(1, 3, 128, 160))
    assert grid.shape[:2] == (1, 5) and min(grid.shape[2:]) > 1


OURS_HW = {"lenet5": (32, 32), "lab-cnn": (28, 32), "unet-classifier": (64, 64), "alexnet": (224, 224)}
OPTIONS: dict[str, dict[str, Any]] = {"timm": {"timm_name": "resnet18"}}
QUICK = ("lenet5", "lab-cnn", "unet-classifier", "plain34", "timm", "alexnet", "resnet18", "efficientnet-b0")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CLASSIFIERS]
)
def test_every_classifier_of_ours_slides(name: str) -> None:
    """Equality at the training size is checked inside."""
    torch.manual_seed(0)
    size_hw = OURS_HW.get(name, (224, 224) if name.startswith("vgg") else (64, 64))
    channels = 1 if name in ("lenet5", "lab-cnn") else 3
    options = {"in_channels": channels, "classes": 4, "size_hw": size_hw, **OPTIONS.get(name, {})}
    heat_map = to_heat_map(build_model(name, **options), size_hw, channels)
    with torch.no_grad():
        grid = heat_map(image(1, channels, size_hw[0] + 32, size_hw[1] + 64))
    assert grid.shape[:2] == (1, 4) and grid.shape[2] > 1 and grid.shape[3] > grid.shape[2]


def test_a_classifier_that_puts_a_rim_around_its_pictures_does_not_slide() -> None:
    classifier = LibraryClassifier(pooled_net(1), least_px=LEAST_PX["alexnet"])
    with pytest.raises(ConfigError, match="63 px"):
        to_heat_map(classifier, (62, 64), in_channels=1)
    assert to_heat_map(classifier, (63, 64), in_channels=1).window_hw == (63, 64)


def test_a_heat_map_of_a_library_network_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_model("timm", timm_name="resnet10t", classes=2)
    heat_map = to_heat_map(network, (64, 64))
    session = onnxruntime.InferenceSession(export_onnx(heat_map, 3, 64), providers=["CPUExecutionProvider"])
    given = image(1, 3, 96, 128)
    with torch.no_grad():
        wanted = heat_map(given).numpy()
    np.testing.assert_allclose(session.run(None, {"image": given.numpy()})[0], wanted, atol=1e-4)


def test_a_heat_map_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    heat_map = to_heat_map(dense_net(), SIZE_HW, in_channels=1)
    session = onnxruntime.InferenceSession(export_onnx(heat_map, 1, 32), providers=["CPUExecutionProvider"])
    for size_hw in (SIZE_HW, (60, 44)):
        given = image(1, 1, *size_hw)
        with torch.no_grad():
            wanted = heat_map(given).numpy()
        np.testing.assert_allclose(session.run(None, {"image": given.numpy()})[0], wanted, atol=1e-5)


class Branching(nn.Module):
    """Its forward asks for values, which a trace cannot know."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean((2, 3)) if image.sum() > 0 else image.amax((2, 3))


class Pointwise(nn.Module):
    """Dense layers with something in between that is no layer of one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        flat = image.flatten(1)[:, :4]
        answer: Tensor = self.head(flat)
        return answer


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (Branching(), "cannot be rebuilt"),
        (nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "dense layers"),
        (nn.Conv2d(1, 3, 3), "dense layers"),
        (Pointwise(), "heat map|grid"),
    ],
)
def test_another_build_is_refused(network: nn.Module, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        to_heat_map(network, SIZE_HW, in_channels=1)
