"""The gradient that vanishes on its way back, and the shortcut that carries it."""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from flawscope.models import build_model
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, accuracy, dress, loss_of, main, page, plain_log, train

NETWORKS: dict[str, dict[str, str]] = {
    "plain, sigmoid": {"activation": "sigmoid"},
    "plain, ReLU": {"activation": "relu"},
    "plain, ReLU, batch norm": {"activation": "relu", "norm": "batch"},
    "residual, ReLU": {"activation": "relu", "shortcut": "residual"},
}


def build(convolutions: int, options: dict[str, str]) -> nn.Module:
    """A network of so many 3 x 3 convolutions of eight maps, for images of 14 x 14."""
    torch.manual_seed(0)
    common: dict[str, Any] = {"size_hw": (14, 14), "widths": (8, 8), "hidden": 32, "kernel_px": 3}
    return build_model("lab-cnn", **common, convs_per_stage=convolutions // 2, **options)


def halved(data: Digits) -> Digits:
    """The digits at 14 x 14, which makes deep networks quick."""
    return Digits(functional.avg_pool2d(data.images, 2), data.labels)


def gradients(model: nn.Module, data: Digits) -> list[float]:
    """Root mean square gradient of the weights of each 3 x 3 convolution, from the first to the last."""
    model.zero_grad()
    loss_of(model(data.images), data.labels).backward()  # type: ignore[no-untyped-call]
    convolutions = [
        part for part in model.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)
    ]
    return [float(part.weight.grad.square().mean().sqrt()) for part in convolutions]  # type: ignore[union-attr]


def run(room: Room) -> Report:
    """Look at the gradients of new networks, then train them: shallow and deep."""
    data, held_out = (
        halved(room.digits("train", room.pick(2000, 500))),
        halved(room.digits("test", room.pick(500, 200))),
    )
    depths, steps = (4, 20), room.pick(120, 50)
    trained = room.pick(tuple(NETWORKS), ("plain, ReLU", "residual, ReLU"))
    rows, profiles, curves, reached = [], {}, {}, {}
    for name, options in NETWORKS.items():
        profiles[name] = gradients(build(depths[1], options), data.first(128))
        for depth in depths if name in trained else ():
            model = build(depth, options)
            optimiser = build_optimiser(model, "adam", 3e-3)
            curves[name, depth] = train(model, data, optimiser, steps=steps)
            reached[name, depth] = accuracy(model, held_out)
        share = profiles[name][0] / profiles[name][-1]
        rows.append(
            [name, f"{share:.1e}", *(f"{reached.get((name, depth), math.nan):.1f}" for depth in depths)]
        )
    first_over_last = {name: one[0] / one[-1] for name, one in profiles.items()}
    return Report(
        ["network", "first gradient / last, 20 layers", "accuracy with 4 layers, %", "with 20 layers, %"],
        rows,
        {
            "without shortcuts the first of 20 layers gets below a hundredth of the last one's gradient": max(
                first_over_last["plain, sigmoid"], first_over_last["plain, ReLU"]
            )
            < 0.01,
            "with shortcuts it gets a fair share": first_over_last["residual, ReLU"] > 0.1,
            "20 plain layers learn nothing, with sigmoid or ReLU": max(
                reached[name, 20] for name in trained if name in ("plain, sigmoid", "plain, ReLU")
            )
            < 35,
            "20 layers with shortcuts learn": reached["residual, ReLU", 20] > room.pick(75, 40),
            "four plain layers of ReLU learn, so depth is to blame": reached["plain, ReLU", 4]
            > room.pick(75, 30),
        },
        {"profiles": profiles, "curves": curves},
    )


def draw(report: Report) -> Figure:
    """Gradients layer by layer, and training losses, of networks of 20 layers."""
    figure = page()
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(NETWORKS):
        profile = report.shown["profiles"][name]
        left.plot(range(1, len(profile) + 1), profile, "o-", markersize=3, color=COLOURS[number], label=name)
        if (name, 20) not in report.shown["curves"]:
            continue
        losses = torch.tensor(report.shown["curves"][name, 20])
        smooth = losses.unfold(0, 8, 1).mean(dim=1)
        right.plot(smooth, color=COLOURS[number], label=name)
    left.set_yscale("log")
    left.set_xticks([1, 5, 10, 15, 20])
    dress(left, "convolution, from the image on", "gradient (root mean square)", "Before the first step")
    right.set_yscale("log")
    plain_log(right.yaxis)
    dress(right, "step (64 images)", "loss, mean of eight steps", "Training, 20 convolutions")
    right.legend().remove()
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
