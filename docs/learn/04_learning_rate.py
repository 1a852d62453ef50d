"""A learning rate too low or too high: on a parabola, where the limit is known, and on digits."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, dress, loss_of, main, page, plain_log, train

CURVATURE = 2.0
"""The parabola is half of it times x squared; its slope at x is it times x."""
SHARES = {"too low": 0.02, "right": 0.4, "swings": 0.95, "too high": 1.03}
"""Rates on the parabola, in units of 2 / curvature, where descent stops to converge."""
RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
SHOWN = {"too low": 1e-3, "right": 1e-1, "too high": 10.0}


class Parabola(nn.Module):
    """A valley with one parameter."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(start))

    def forward(self) -> torch.Tensor:
        """The height at x."""
        return 0.5 * CURVATURE * self.x.square()


def walk(rate: float, steps: int = 20) -> list[float]:
    """Every place that descent visits on the parabola, from 1."""
    valley = Parabola(1.0)
    optimiser = build_optimiser(valley, "sgd", rate)
    places = [valley.x.item()]
    for _ in range(steps):
        optimiser.zero_grad()
        valley().backward()
        optimiser.step()
        places.append(valley.x.item())
    return places


def learn(data: Digits, rate: float, steps: int) -> tuple[list[float], float]:
    """Loss of each step of an MLP, and at the end over all images."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, 10))
    losses = train(model, data, build_optimiser(model, "sgd", rate), steps=steps)
    with torch.no_grad():
        return losses, loss_of(model(data.images), data.labels).item()


def verdict(rate: float, ends: dict[float, float]) -> str:
    """What to think of a rate from the losses that all of them left."""
    best, loss = min(ends, key=lambda one: ends[one] if math.isfinite(ends[one]) else math.inf), ends[rate]
    if not loss <= math.log(10):
        return "worse than guessing (2.30)"
    if rate > best:
        return "does not settle"
    return "best" if rate == best else "slow" if loss < 1.5 else "hardly moved"


def run(room: Room) -> Report:
    """Walk down the parabola at four rates, and train on digits at six."""
    data, steps = room.digits("train", room.pick(3000, 600)), room.pick(300, 100)
    limit = 2.0 / CURVATURE
    walks = {name: walk(share * limit) for name, share in SHARES.items()}
    curves, ends = {}, {}
    for rate in RATES:
        curves[rate], ends[rate] = learn(data, rate, steps)
    finite = {rate: loss for rate, loss in ends.items() if math.isfinite(loss)}
    least = min(finite.values())
    rows = [[f"{rate:g}", f"{loss:.3f}", verdict(rate, ends)] for rate, loss in ends.items()]
    last = {name: abs(places[-1]) for name, places in walks.items()}
    low, high = ends[SHOWN["too low"]], ends[SHOWN["too high"]]
    return Report(
        ["learning rate", f"loss after {steps} steps", "verdict"],
        rows,
        {
            "below 2 / curvature the parabola's bottom comes nearer, above it runs away": max(
                last["too low"], last["right"], last["swings"]
            )
            < 1
            < last["too high"],
            "a rate in the middle wins on digits": least == ends[0.1],
            "a hundredth of it leaves three times its loss or more": low > 3 * least,
            "a hundred times it ends worse than guessing": not high < math.log(10),
        },
        {"walks": walks, "curves": curves},
    )


def draw(report: Report) -> Figure:
    """Walks on the parabola, and losses on digits."""
    figure = page(9, 3.8)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    x = np.linspace(-2, 2, 81)
    cells = left.subplots(2, 2, sharex=True, sharey=True)
    for number, (cell, (name, places)) in enumerate(
        zip(cells.flat, report.shown["walks"].items(), strict=True)
    ):
        cell.plot(x, 0.5 * CURVATURE * x**2, color="#bbbbbb")
        heights = [0.5 * CURVATURE * place**2 for place in places]
        cell.plot(places, heights, "o-", markersize=3, linewidth=1, color=COLOURS[number])
        cell.set_title(f"{name}: {SHARES[name]:g} of the limit", fontsize=9)
        cell.set_xlim(-2, 2)
        cell.set_ylim(-0.2, 4)
        cell.spines[["top", "right"]].set_visible(False)
    left.suptitle("Twenty steps on a parabola", fontsize=10)
    axes = right.subplots()
    for number, (name, rate) in enumerate(SHOWN.items()):
        losses = report.shown["curves"][rate]
        axes.plot(losses, linewidth=1, color=COLOURS[(0, 1, 3)[number]], label=f"{name}: {rate:g}")
    axes.set_yscale("log")
    axes.set_ylim(0.05, 30)  # the first spikes of the highest rate go far beyond
    plain_log(axes.yaxis)
    dress(axes, "step (64 images)", "loss of the batch", "An MLP on digits")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
