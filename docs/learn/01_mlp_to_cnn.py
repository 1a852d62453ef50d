"""From dense layers to convolutions: the same digits, and the same digits with their pixels shuffled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import nn

from flawscope.models import build_model
from flawscope.models.cost import count
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, accuracy, dress, main, page, parameters, train

SIZE_HW = (28, 28)


def build_linear() -> nn.Module:
    """One dense layer: each class is a template."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))


def build_mlp() -> nn.Module:
    """The multilayer perceptron: 784 pixels, 128 hidden units, 10 classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 128), nn.ReLU(), nn.Linear(128, 10))


def build_cnn() -> nn.Module:
    """Convolution, pooling, convolution, pooling, two dense layers."""
    return build_model("lab-cnn", widths=(8, 16), hidden=32)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "linear": build_linear,
    "MLP": build_mlp,
    "CNN": build_cnn,
    "LeNet-5": lambda: build_model("lenet5", size_hw=SIZE_HW, padding_px=2),
}


def learn(build: Callable[[], nn.Module], data: tuple[Digits, Digits], steps: int) -> tuple[nn.Module, list]:
    """Train a fresh network; return it with (step, test accuracy) on the way."""
    torch.manual_seed(0)
    model, (shown, held_out) = build(), data
    curve: list[tuple[int, float]] = []

    def watch(step: int) -> None:
        if step % (steps // 8) == 0:
            curve.append((step, accuracy(model, held_out)))

    train(model, shown, build_optimiser(model, "adam", 2e-3), steps=steps, watch=watch)
    return model, curve


def shuffle_pixels(data: Digits, order: torch.Tensor) -> Digits:
    """Every image with its 784 pixels in the same new order."""
    return Digits(data.images.flatten(1)[:, order].view_as(data.images), data.labels)


def run(room: Room) -> Report:
    """Train each network twice: on the digits, and on the digits with shuffled pixels."""
    data = room.digits("train", room.pick(6000, 1000)), room.digits("test", room.pick(1000, 200))
    steps = room.pick(376, 80)
    order = torch.randperm(28 * 28, generator=torch.Generator().manual_seed(1))
    mixed = shuffle_pixels(data[0], order), shuffle_pixels(data[1], order)
    rows, curves, final, filters = [], {}, {}, None
    for name in room.pick(tuple(NETWORKS), ("MLP", "CNN")):
        build = NETWORKS[name]
        model, curves[name] = learn(build, data, steps)
        _, curves[f"{name}, shuffled"] = learn(build, mixed, steps)
        final[name] = curves[name][-1][1], curves[f"{name}, shuffled"][-1][1]
        adds = count(model, SIZE_HW, 1).gflop / 2 * 1e3
        rows.append(
            [name, f"{parameters(model):,}", f"{adds:.2f}", *(f"{figure:.1f}" for figure in final[name])]
        )
        if name == "CNN":
            filters = next(model.parameters()).detach()[:, 0]
    lost = {name: whole - shuffled for name, (whole, shuffled) in final.items()}
    return Report(
        ["network", "parameters", "million multiply-adds", "test accuracy, %", "with shuffled pixels, %"],
        rows,
        {
            "the CNN beats the MLP with fewer parameters": final["CNN"][0] > final["MLP"][0]
            and parameters(build_cnn()) < parameters(build_mlp()),
            "shuffling the pixels does the MLP no harm": abs(lost["MLP"]) < 2.5,
            "shuffling the pixels takes the CNN's advantage away": final["CNN"][1] < final["MLP"][1],
        },
        {"curves": curves, "filters": filters, "pair": (data[0].images[0, 0], mixed[0].images[0, 0])},
    )


def draw(report: Report) -> Figure:
    """Accuracy over the steps; a digit before and after shuffling, and the CNN's first filters."""
    figure = page(9, 3.8)
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    axes = left.subplots()
    for number, name in enumerate(("MLP", "CNN")):
        for suffix, style in (("", "-"), (", shuffled", "--")):
            steps, values = zip(*report.shown["curves"][name + suffix], strict=True)
            label = name + suffix.replace(", shuffled", ", pixels shuffled")
            axes.plot(steps, values, style, color=COLOURS[number], label=label)
    dress(axes, "step (64 images)", "test accuracy, %", "MLP and CNN, with and without neighbourhoods")
    cells = right.subplots(3, 4)
    pair, filters = report.shown["pair"], report.shown["filters"]
    titles = ("as it is", "shuffled", "", "")
    pictures = [*pair, None, None, *filters]
    for cell, picture, title in zip(cells.flat, pictures, (*titles, *[""] * 8), strict=True):
        cell.axis("off")
        if picture is not None:
            cell.imshow(picture, cmap="gray")
            cell.set_title(title, fontsize=8)
    right.suptitle("A digit; the eight filters of the CNN's first layer", fontsize=10)
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
