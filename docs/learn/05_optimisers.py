"""Seven ways downhill on one problem: a ravine along the axes, the ravine turned, and digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, dress, loss_of, main, page, plain_log, train

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "GD": ("sgd", {}),
    "SGD": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "Adagrad": ("adagrad", {}),
    "Adadelta": ("adadelta", {}),
    "RMSprop": ("rmsprop", {"alpha": 0.9}),
    "Adam": ("adam", {}),
}
"""Name in this lesson -> flawscope's name and options."""

STEEPNESS = (1.0, 50.0)
"""Curvature along the ravine and across it."""
STARTS = tuple((4 * math.cos(angle), math.sin(angle)) for angle in (0.3, 0.9, 1.6, 2.3, 2.9, 3.7, 4.5, 5.6))
"""Eight starts around the bottom: with one alone a rate may win by luck."""
NEAR = 0.05
"""Distance from the bottom at which a walk is done."""
LOST = 6.0
"""Farther out than any start: whoever comes here has left the valley."""


class Ravine(nn.Module):
    """A long valley, level along one direction and steep across it; eight walkers at once."""

    def __init__(self, angle_deg: float) -> None:
        super().__init__()
        cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        self.turn = torch.tensor([[cos, sin], [-sin, cos]])
        self.places = nn.Parameter(torch.tensor(STARTS) @ self.turn)

    def forward(self) -> Tensor:
        """The heights of all walkers, added up: each feels its own slope only."""
        along = self.places @ self.turn.T
        return 0.5 * (torch.tensor(STEEPNESS) * along.square()).sum()


def walk(method: str, rate: float, angle_deg: float, most: int) -> np.ndarray:
    """Every place visited, steps x 8 x 2, until all have been near the bottom or one has left."""
    name, options = METHODS[method]
    ravine = Ravine(angle_deg)
    optimiser = build_optimiser(ravine, name, rate, **options)
    places = [ravine.places.detach().numpy().copy()]
    done = np.zeros(len(STARTS), bool)
    while len(places) <= most and not done.all() and np.abs(places[-1]).max() < LOST:
        optimiser.zero_grad()
        ravine().backward()
        optimiser.step()
        places.append(ravine.places.detach().numpy().copy())
        done |= np.linalg.norm(places[-1], axis=1) <= NEAR
    return np.array(places)


def steps_needed(places: np.ndarray) -> float:
    """Mean over the walkers of the steps until one is near the bottom; infinite where one never is."""
    near = np.linalg.norm(places, axis=2) <= NEAR
    return float(near.argmax(axis=0).mean()) if near.any(axis=0).all() else math.inf


def best_walk(method: str, angle_deg: float, rates: tuple[float, ...], most: int) -> np.ndarray:
    """The walks at the rate that needs the fewest steps."""
    walks = [walk(method, rate, angle_deg, most) for rate in rates]
    return min(walks, key=steps_needed)


def learn(data: Digits, method: str, rate: float, steps: int) -> tuple[list[float], float]:
    """Loss of each step of a small MLP, and at the end over all images. GD sees all images each step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 32), nn.ReLU(), nn.Linear(32, 10))
    name, options = METHODS[method]
    batch = len(data) if method == "GD" else 32
    losses = train(model, data, build_optimiser(model, name, rate, **options), steps=steps, batch=batch)
    with torch.no_grad():
        return losses, loss_of(model(data.images), data.labels).item()


def best_learn(
    data: Digits, method: str, rates: tuple[float, ...], steps: int
) -> tuple[list[float], float, float]:
    """Losses, final loss and rate of the best rate."""
    tried = [(*learn(data, method, rate, steps), rate) for rate in rates]
    return min(tried, key=lambda one: one[1] if math.isfinite(one[1]) else math.inf)


def run(room: Room) -> Report:
    """Tune each method's rate on each problem, and compare what it then does."""
    data, steps, most = room.digits("train", room.pick(1000, 300)), room.pick(80, 40), room.pick(300, 200)
    ravine_rates = room.pick(tuple(10 ** (k / 3) for k in range(-6, 2)), (0.0316, 0.1, 0.316, 1.0))
    digit_rates = room.pick((0.003, 0.01, 0.03, 0.1, 0.3, 1.0), (0.01, 0.1, 1.0))
    walks: dict[str, list[np.ndarray]] = {}
    curves: dict[str, tuple[list[float], float, float]] = {}
    rows = []
    for method in METHODS:
        if method == "SGD":
            # Without images there is no batch to draw: in the ravine it is GD.
            walks[method] = walks["GD"]
        else:
            walks[method] = [best_walk(method, angle, ravine_rates, most) for angle in (0.0, 45.0)]
        curves[method] = best_learn(data, method, digit_rates, steps)
        needed = [steps_needed(places) for places in walks[method]]
        counts = [f"{count:.0f}" if math.isfinite(count) else f"not in {most}" for count in needed]
        rows.append([method, *counts, f"{curves[method][1]:.3f}", f"{curves[method][2]:g}"])
    return Report(
        ["method", "ravine, steps", "turned by 45 degrees", f"digits: loss after {steps} steps", "at rate"],
        rows,
        claims(
            {name: [steps_needed(places) for places in both] for name, both in walks.items()},
            {name: one[1] for name, one in curves.items()},
        ),
        {"walks": walks, "curves": curves},
    )


def claims(needed: Mapping[str, list[float]], final: Mapping[str, float]) -> dict[str, bool]:
    """What the page says of steps and losses."""
    turned = {name: both[1] / both[0] for name, both in needed.items() if math.isfinite(both[0])}
    return {
        "momentum needs fewer steps than GD": needed["momentum"][0] < needed["GD"][0],
        "GD and momentum do not mind how the ravine lies": max(
            abs(turned[name] - 1) for name in ("GD", "momentum")
        )
        < 0.05,
        "Adagrad, with a rate for each axis, does": turned["Adagrad"] > 1.5,
        "Adam leaves less loss than SGD on digits": final["Adam"] < final["SGD"],
    }


def draw(report: Report) -> Figure:
    """Walks through the ravine, and losses on digits."""
    figure = page(9, 4.2)
    left, right = figure.subfigures(1, 2, width_ratios=(6, 5))
    cells = left.subplots(2, 1, sharex=True)
    x, y = np.meshgrid(np.linspace(-4.6, 4, 120), np.linspace(-1.4, 1.4, 60))
    height = 0.5 * (STEEPNESS[0] * x**2 + STEEPNESS[1] * y**2)
    halves = (("GD", "momentum", "Adadelta"), ("Adagrad", "RMSprop", "Adam"))
    names = list(METHODS)
    for cell, half in zip(cells, halves, strict=True):
        cell.contour(x, y, height, levels=[0.3, 2, 8, 20, 40], colors="#cccccc", linewidths=0.7)
        for name in half:
            places = report.shown["walks"][name][0][:, 3]
            cell.plot(
                *places.T, "o-", markersize=2, linewidth=1, color=COLOURS[names.index(name)], label=name
            )
        cell.plot(0, 0, "k+")
        cell.legend(frameon=False, fontsize=8, loc="lower right")
    left.suptitle("One of eight walks, each method at its best rate", fontsize=10)
    axes = right.subplots()
    for number, (name, (losses, _, rate)) in enumerate(report.shown["curves"].items()):
        kernel = np.ones(8) / 8
        smooth = np.convolve(losses, kernel, "valid")
        axes.plot(smooth, linewidth=1.3, color=COLOURS[number], label=f"{name}, {rate:g}")
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    dress(axes, "step", "loss, mean of eight steps", "A small MLP on digits")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
