"""Grad-CAM where the answer is known: dense layers over mean pooling, one bright spot, nothing to see."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from flawscope.errors import UsageError  # noqa: E402
from flawscope.models.build import build_model  # noqa: E402
from flawscope.models.grad_cam import grad_cam  # noqa: E402


class Pooled(nn.Module):
    """Two maps, bright and dark, then their means, then one dense layer."""

    def __init__(self, dense: list[list[float]]) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
        self.act = nn.ReLU(inplace=True)
        self.dense = nn.Linear(2, len(dense), bias=False)
        self.dense.weight.data = torch.tensor(dense)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.dense(self.act(self.maps(image)).mean(dim=(2, 3)))
        return logits


def spots() -> torch.Tensor:
    """+1 at (1, 2), -2 at (3, 0), else 0."""
    image = torch.zeros(1, 1, 4, 6)
    image[0, 0, 1, 2], image[0, 0, 3, 0] = 1.0, -2.0
    return image


def test_mean_pooling_and_a_dense_layer_by_hand() -> None:
    network = Pooled([[1.0, 0.0], [0.0, 3.0], [1.0, -1.0], [-1.0, -1.0]]).eval()
    image = spots()
    bright, dark = image.clamp(min=0)[0, 0], (-image).clamp(min=0)[0, 0]
    places = image.numel()
    wanted = [bright / places, 3 * dark / places, bright / places, torch.zeros(4, 6)]
    for place, one in enumerate(wanted):
        torch.testing.assert_close(grad_cam(network, image, place)[0], one)


def test_images_of_a_batch_do_not_mix() -> None:
    network, image = Pooled([[1.0, 0.0]]).eval(), spots()
    both = grad_cam(network, torch.cat([image, 2 * image.flip(3)]), 0)
    alone = grad_cam(network, image, 0)
    torch.testing.assert_close(both[:1], alone)
    torch.testing.assert_close(both[1], 2 * alone[0].flip(1))


def test_it_leaves_the_network_as_it_was() -> None:
    network = Pooled([[1.0, 0.0]]).eval()
    with torch.inference_mode(False), torch.no_grad():
        grad_cam(network, spots(), 0)
    assert all(part.grad is None for part in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())


@pytest.mark.parametrize(
    ("name", "options", "size_hw", "grid_hw"),
    [
        ("lenet5", {"in_channels": 1}, (32, 32), (5, 5)),
        ("lab-cnn", {"in_channels": 3}, (28, 36), (7, 9)),
        ("resnet18", {}, (64, 96), (2, 3)),
        ("timm", {"timm_name": "resnet10t"}, (64, 64), (2, 2)),
    ],
)
def test_the_last_grid_of_real_networks(
    name: str, options: dict[str, object], size_hw: tuple[int, int], grid_hw: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = build_model(name, classes=3, size_hw=size_hw, **options).eval()
    image = torch.randn(2, options.get("in_channels", 3), *size_hw)  # type: ignore[call-overload]
    maps = [grad_cam(network, image, place) for place in range(3)]
    assert all(one.shape == (2, *grid_hw) and bool((one >= 0).all()) for one in maps)
    assert any(float(one.max()) > 0 for one in maps)


def test_a_network_without_a_grid_is_refused() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))
    with pytest.raises(UsageError, match="no grid of features"):
        grad_cam(dense, spots(), 0)


class Blind(nn.Module):
    """Its grid does not reach its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.dense = nn.Linear(24, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.conv(image)
        logits: torch.Tensor = self.dense(image.flatten(1))
        return logits


def test_a_grid_that_decides_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="does not follow"):
        grad_cam(Blind(), spots(), 0)
