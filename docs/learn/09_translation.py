"""Translation: maps that move with the image, and answers that should not."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from flawscope.models import build_model
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, accuracy, dress, main, page, train

RIM_PX = 6
SHIFTS_PX = tuple(range(RIM_PX + 1))


def whole_numbers(*shape: int, seed: int) -> Tensor:
    """Random whole numbers as floats: their sums are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=generator).float()


def differing(stride: int, shift_px: int, padding: int = 2) -> Tensor:
    """Where a convolution of a shifted image differs from the shifted convolution; h x w bool.

    The image moves ``shift_px`` to the right and down, new pixels come in from an image around it.
    """
    scene = whole_numbers(1, 1, 40 + shift_px, 40 + shift_px, seed=0)
    kernel = whole_numbers(1, 1, 5, 5, seed=1)
    still = functional.conv2d(scene[..., shift_px:, shift_px:], kernel, stride=stride, padding=padding)
    moved = functional.conv2d(scene[..., :40, :40], kernel, stride=stride, padding=padding)
    step = shift_px // stride
    kept = still.shape[-1] - step
    return (moved[0, 0, step:, step:] != still[0, 0, :kept, :kept]).cpu()


def inside(differs: Tensor, rim: int) -> Tensor:
    """The values that no padding can have touched."""
    return differs[rim:-rim, rim:-rim] if rim else differs


def with_rim(data: Digits) -> Digits:
    """Digits on a larger page, so that they can move without leaving it."""
    background = float(data.images.min())
    return Digits(functional.pad(data.images, (RIM_PX,) * 4, value=background), data.labels)


def moved(data: Digits, right_px: int) -> Digits:
    """Every digit so many pixels further right. What leaves on the right is background, and comes back in."""
    return Digits(torch.roll(data.images, right_px, dims=3), data.labels)


def build_mlp() -> nn.Module:
    """Dense layers only."""
    edge = 28 + 2 * RIM_PX
    return nn.Sequential(nn.Flatten(), nn.Linear(edge * edge, 64), nn.ReLU(), nn.Linear(64, 10))


def build_cnn() -> nn.Module:
    """Convolutions, then dense layers that know places."""
    edge = 28 + 2 * RIM_PX
    return build_model("lab-cnn", size_hw=(edge, edge), widths=(8, 16), hidden=32)


def build_pooled() -> nn.Module:
    """Convolutions, then the mean of each map over all places."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 8), (8, 16), (16, 32)):
        layers += [
            nn.Conv2d(inputs, outputs, 5, padding=2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


NETWORKS = {"MLP": build_mlp, "CNN, dense head": build_cnn, "CNN, mean over places": build_pooled}


def equivariance() -> dict[str, bool]:
    """What the page claims of single layers."""
    return {
        "stride 1: shifted image, shifted map, to the last bit, inside": not inside(differing(1, 3), 2).any(),
        "near the border padding shows": bool(differing(1, 3).any()),
        "without padding it holds everywhere": not differing(1, 3, padding=0).any(),
        "stride 2: for shifts by two": not inside(differing(2, 2), 1).any(),
        "stride 2: not for shifts by one": bool(inside(differing(2, 1), 1).any()),
    }


def run(room: Room) -> Report:
    """Check single layers; train three networks on digits in the middle, test them on shifted ones."""
    data = with_rim(room.digits("train", room.pick(4000, 500)))
    held_out = with_rim(room.digits("test", room.pick(600, 150)))
    steps, shifts = room.pick(180, 40), room.pick(SHIFTS_PX, (0, RIM_PX))
    curves: dict[str, list[float]] = {}
    for name in room.pick(tuple(NETWORKS), ("MLP", "CNN, mean over places")):
        torch.manual_seed(0)
        model = NETWORKS[name]()
        train(model, data, build_optimiser(model, "adam", 3e-3), steps=steps)
        curves[name] = [accuracy(model, moved(held_out, shift)) for shift in shifts]
    rows: list[list[Any]] = [[name, *(f"{figure:.1f}" for figure in own)] for name, own in curves.items()]
    lost = {name: own[0] - own[-1] for name, own in curves.items()}
    return Report(
        ["test accuracy, %, shifted by", *(f"{shift} px" for shift in shifts)],
        rows,
        {
            **equivariance(),
            "an MLP fails on shifted digits": lost["MLP"] > 30,
            "a CNN that takes means over all places hardly minds": lost["CNN, mean over places"] < 12,
        },
        {"curves": curves, "shifts": shifts, "example": held_out.images[0, 0]},
    )


def draw(report: Report) -> Figure:
    """A digit, its map, and both shifted; accuracy over the shift."""
    figure = page(9, 3.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    image = report.shown["example"][None, None]
    edges = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])[None, None]
    pictures = []
    for shift in (0, RIM_PX):
        seen = torch.roll(image, shift, dims=3)
        pictures += [seen, functional.conv2d(seen, edges, padding=1)[..., 1:-1, 1:-1]]
    names = ("image", "its map", f"image, {RIM_PX} px right", f"map, {RIM_PX} px right")
    for cell, picture, name in zip(left.subplots(2, 2).flat, pictures, names, strict=True):
        cell.imshow(picture[0, 0], cmap="gray")
        cell.set_title(name, fontsize=9)
        cell.axis("off")
    axes = right.subplots()
    for number, (name, values) in enumerate(report.shown["curves"].items()):
        axes.plot(report.shown["shifts"], values, "o-", markersize=4, color=COLOURS[number], label=name)
    axes.set_ylim(0, 100)
    dress(axes, "shift to the right, px", "test accuracy, %", "Trained on digits in the middle")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
