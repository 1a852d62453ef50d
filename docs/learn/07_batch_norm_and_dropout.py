"""Batch normalisation and dropout: what they buy, and what they do differently while training."""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

from flawscope.models import build_model
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, accuracy, dress, loss_of, main, page, plain_log, train

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
WRONG = 0.3
"""Share of the training labels that are wrong in the second experiment."""
NORMS = {"none": "without", "batch": "with batch normalisation"}


def build_cnn(norm: str) -> nn.Module:
    """Four convolutions, with or without batch normalisation."""
    torch.manual_seed(0)
    return build_model("lab-cnn", widths=(8, 16), convs_per_stage=2, kernel_px=3, hidden=32, norm=norm)


def build_mlp(dropout: float, seed: int) -> nn.Module:
    """A large MLP for few images: it can learn them by heart, wrong labels and all."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs in (28 * 28, 256):
        layers += [nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(256, 10))


@torch.no_grad()
def loss_on(model: nn.Module, data: Digits) -> float:
    """Mean loss in evaluation mode."""
    model.eval()
    return loss_of(model(data.images), data.labels).item()


def learn(data: Digits, norm: str, rate: float, steps: int) -> tuple[float, nn.Module]:
    """Mean loss of the last ten steps, where a diverged one counts as guessing, and what was trained."""
    model = build_cnn(norm)
    losses = train(model, data, build_optimiser(model, "sgd", rate), steps=steps)
    mean = sum(losses[-10:]) / 10
    return min(mean, math.log(10)) if math.isfinite(mean) else math.log(10), model


def first_gradient(data: Digits, norm: str) -> float:
    """Length of the first convolution's gradient before the first step, over 64 images."""
    model, few = build_cnn(norm), data.first(64)
    loss_of(model(few.images), few.labels).backward()  # type: ignore[no-untyped-call]
    return float(next(model.parameters()).grad.norm())


@torch.no_grad()
def answering(model: Any, data: Digits) -> int:
    """Dense hidden units that are not zero for every one of 64 images, as the network trains."""
    maps = model.train().stages(data.first(64).images).flatten(1)
    return int((model.activation(model.hidden(maps)) > 0).any(dim=0).sum())


def changed_by_neighbours(data: Digits, training: bool) -> float:
    """Largest change of one image's logits when the other images of its batch change."""
    model = build_cnn("batch").train(training)
    with torch.no_grad():
        first = model(data.images[:8])[0]
        other = model(torch.cat([data.images[:1], data.images[20:27]]))[0]
    return float((first - other).abs().max())


def mislabelled(data: Digits, share: float) -> Digits:
    """The same images, with so many of the labels replaced by another one."""
    draws = torch.Generator().manual_seed(0)
    hit = torch.rand(len(data), generator=draws) < share
    other = (data.labels + torch.randint(1, 10, (len(data),), generator=draws)) % 10
    return Digits(data.images, torch.where(hit, other, data.labels))


def by_heart(noisy: Digits, held_out: Digits, dropout: float, steps: int, seed: int) -> dict[str, Any]:
    """Test loss on the way, and the figures at the end."""
    model = build_mlp(dropout, seed)
    curve: list[tuple[int, float]] = []

    def watch(step: int) -> None:
        if step % (steps // 10) == 0:
            curve.append((step, loss_on(model, held_out)))

    optimiser = build_optimiser(model, "adam", 1e-3)
    train(model, noisy, optimiser, steps=steps, batch=50, seed=seed, watch=watch)
    return {
        "curve": curve,
        "train": accuracy(model, noisy),
        "test": accuracy(model, held_out),
        "train loss": loss_on(model, noisy),
        "test loss": curve[-1][1],
    }


def mean(runs: list[dict[str, Any]], key: str) -> float:
    """Mean of a figure over runs."""
    return sum(float(one[key]) for one in runs) / len(runs)


def run(room: Room) -> Report:
    """A range of learning rates with and without normalisation; wrong labels with and without dropout."""
    data, held_out = room.digits("train", room.pick(3000, 500)), room.digits("test", room.pick(1000, 200))
    rates = room.pick(RATES, (0.03, 0.3, 3.0))
    tried = {norm: {rate: learn(data, norm, rate, room.pick(80, 30)) for rate in rates} for norm in NORMS}
    ends = {norm: {rate: loss for rate, (loss, _) in own.items()} for norm, own in tried.items()}
    gradients = {norm: first_gradient(data, norm) for norm in NORMS}
    at_highest = [tried[norm][max(rates)] for norm in NORMS]
    noisy, seeds = mislabelled(data.first(room.pick(1000, 400)), WRONG), range(room.pick(2, 1))
    steps = room.pick(600, 240)
    runs = {share: [by_heart(noisy, held_out, share, steps, seed) for seed in seeds] for share in (0.0, 0.5)}
    keys = ("train", "test", "train loss", "test loss")
    rows = [
        [f"{share:g}", *(f"{mean(own, key):.{3 if 'loss' in key else 1}f}" for key in keys)]
        for share, own in runs.items()
    ]
    bound = room.pick(0.5, 1.6)
    good = {norm: sum(loss < bound for loss in own.values()) for norm, own in ends.items()}
    return Report(
        ["dropout", "agrees with the training labels, %", "test accuracy, %", "training loss", "test loss"],
        rows,
        {
            "with batch normalisation more rates lead to a low loss": good["batch"] > good["none"],
            "and before the first step the first layer's gradient is more than ten times as long": gradients[
                "batch"
            ]
            > 10 * gradients["none"],
            "at the highest rate both networks only guess": min(loss for loss, _ in at_highest) > 2.29,
            "as no unit of the dense layer, which is not normalised, answers any more": not any(
                answering(model, data) for _, model in at_highest
            ),
            "while training, an image's answer depends on the others in its batch": changed_by_neighbours(
                data, True
            )
            > 1e-3,
            "in evaluation it does not": changed_by_neighbours(data, False) < 1e-5,
            "with dropout fewer of the wrong labels are learned": mean(runs[0.5], "train")
            < mean(runs[0.0], "train"),
            "and more of the test images are told right": mean(runs[0.5], "test") > mean(runs[0.0], "test"),
        },
        {"ends": ends, "runs": runs},
    )


def draw(report: Report) -> Figure:
    """Loss over the rate, with and without normalisation; test loss over the steps, by dropout."""
    figure = page()
    left, right = figure.subplots(1, 2)
    for number, (norm, name) in enumerate(NORMS.items()):
        ends = report.shown["ends"][norm]
        left.plot(list(ends), list(ends.values()), "o-", markersize=4, color=COLOURS[number], label=name)
    left.axhline(math.log(10), color="#999999", linewidth=0.8, linestyle=":")
    left.set_xscale("log")
    left.set_ylim(bottom=0)
    plain_log(left.xaxis)
    dress(left, "learning rate (SGD)", "training loss at the end", "Four convolutions; dotted: guessing")
    for number, (share, runs) in enumerate(report.shown["runs"].items()):
        for place, own in enumerate(runs):
            steps, losses = zip(*own["curve"], strict=True)
            label = f"dropout {share:g}" if place == 0 else None
            right.plot(steps, losses, linewidth=1.2, color=COLOURS[number], label=label)
    right.set_ylim(bottom=0)
    dress(right, "step (50 images)", "loss on test images", "A large MLP, 30 % of its labels wrong")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
