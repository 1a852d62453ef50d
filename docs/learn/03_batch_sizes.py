"""Batch, one-sample and mini-batch descent: how many images each step should ask."""

from __future__ import annotations

import math
import time

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, dress, loss_of, main, page, plain_log, train

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


def build() -> nn.Module:
    """Softmax regression: a loss with one valley, so that only the way down differs."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))


@torch.no_grad()
def loss_on(model: nn.Module, data: Digits) -> float:
    """Mean loss over all of the data."""
    return loss_of(model(data.images), data.labels).item()


def a_pass(data: Digits, batch: int) -> int:
    """Steps that show each image once."""
    return math.ceil(len(data) / batch)


def descend(data: Digits, batch: int, rate: float, steps: int) -> tuple[list[float], float]:
    """Loss over all images at the start, after each pass and at the end, and seconds of a core a step."""
    model = build()
    optimiser = build_optimiser(model, "sgd", rate)
    losses, seconds = [loss_on(model, data)], 0.0
    for number, first in enumerate(range(0, steps, a_pass(data, batch))):
        own = min(a_pass(data, batch), steps - first)
        began = time.process_time()
        train(model, data, optimiser, steps=own, batch=batch, seed=number)
        seconds += time.process_time() - began
        losses.append(loss_on(model, data))
    return losses, seconds / steps


def best(data: Digits, batch: int, steps: int) -> tuple[float, list[float], float]:
    """The rate with the least loss at the end, its losses, and the least seconds of a core a step."""
    tried = [(rate, *descend(data, batch, rate, steps)) for rate in RATES]
    rate, losses, _ = min(tried, key=lambda one: one[1][-1] if math.isfinite(one[1][-1]) else math.inf)
    return rate, losses, min(seconds for _, _, seconds in tried)


def gradient(model: nn.Module, data: Digits) -> Tensor:
    """Gradient of the mean loss over ``data``, all parameters in one vector."""
    model.zero_grad()
    loss_of(model(data.images), data.labels).backward()  # type: ignore[no-untyped-call]
    return torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])


def noise(data: Digits, batch: int, draws: int) -> float:
    """Root mean square distance of a batch's gradient from that of all images, over the latter's length."""
    model, generator = build(), torch.Generator().manual_seed(0)
    whole = gradient(model, data)
    squared = [
        (gradient(model, data.only(torch.randint(len(data), (batch,), generator=generator))) - whole)
        .square()
        .sum()
        for _ in range(draws)
    ]
    return float((torch.stack(squared).mean().sqrt() / whole.norm()).item())


def run(room: Room) -> Report:
    """Go down by three sizes of batch, each at its best rate, and measure the noise of more sizes."""
    data, passes = room.digits("train", room.pick(600, 150)), room.pick(4, 2)
    kinds = {"batch": len(data), "mini-batch": room.pick(32, 16), "one-sample": 1}
    tried = {name: best(data, batch, passes * a_pass(data, batch)) for name, batch in kinds.items()}
    curves = {name: losses for name, (_, losses, _) in tried.items()}
    a_pass_ms = {name: 1e3 * tried[name][2] * a_pass(data, batch) for name, batch in kinds.items()}
    given_ms = passes * a_pass_ms["mini-batch"]
    timed, rows = {}, []
    for name, batch in kinds.items():
        steps = max(1, round(given_ms / (1e3 * tried[name][2])))
        timed[name] = best(data, batch, steps)[1][-1]
        losses = (curves[name][1], curves[name][-1], timed[name])
        row = [name, batch, a_pass(data, batch), tried[name][0], *(f"{loss:.3f}" for loss in losses)]
        rows.append([*row, f"{a_pass_ms[name]:.0f}"])
    sizes = (1, 4, 16, 64, 256)
    spread = [noise(data, size, room.pick(150, 60)) for size in sizes]
    slope = math.log(spread[-1] / spread[0]) / math.log(sizes[-1] / sizes[0])
    return Report(
        [
            "descent",
            "images a step",
            "steps a pass",
            "best rate",
            "loss after 1 pass",
            f"after {passes}",
            f"after {given_ms:.0f} ms of a core",
            "ms of a core a pass",
        ],
        rows,
        {
            "after the same passes, small batches are further down than steps over all images": max(
                curves["mini-batch"][-1], curves["one-sample"][-1]
            )
            < curves["batch"][-1],
            "a pass in mini-batches takes less time than one image at a time": a_pass_ms["mini-batch"]
            < a_pass_ms["one-sample"],
            "and one over all images less still": a_pass_ms["batch"] < a_pass_ms["mini-batch"],
            "after the same time, steps of one image are the least far down": timed["one-sample"]
            > max(timed["mini-batch"], timed["batch"]),
            "the noise of a gradient falls with the square root of the batch": abs(slope + 0.5) < 0.08,
        },
        {"curves": curves, "sizes": sizes, "spread": spread, "slope": slope},
    )


def draw(report: Report) -> Figure:
    """Loss over the passes, and noise over the size of the batch."""
    figure = page()
    left, right = figure.subplots(1, 2)
    for number, (name, losses) in enumerate(report.shown["curves"].items()):
        left.plot(losses, "o-", markersize=3, color=COLOURS[number], label=name)
    left.set_ylim(bottom=0)
    dress(left, "passes through the images", "loss over all images", "Each at the best of five rates")
    sizes, spread = report.shown["sizes"], report.shown["spread"]
    right.loglog(sizes, spread, "o", color=COLOURS[0], label="measured")
    law = [spread[0] / math.sqrt(size) for size in sizes]
    right.loglog(sizes, law, "--", color=COLOURS[6], label="1 / square root of the batch")
    plain_log(right.xaxis)
    plain_log(right.yaxis)
    dress(right, "images in the batch", "noise / length of the gradient", "How far a batch's gradient is off")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
