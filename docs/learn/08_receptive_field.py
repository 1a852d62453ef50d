"""Stride, padding, and how far a pixel of the output sees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from flawscope.models.classic_parts import output_px
from flawscope.models.receptive_field import measure
from lesson import Report, Room, main, page

LAYERS: dict[str, tuple[int, int, int, int]] = {
    "LeNet-5, first convolution": (32, 5, 1, 0),
    "2 x 2 pooling": (28, 2, 2, 0),
    "a 3 x 3 that keeps the size": (28, 3, 1, 1),
    "AlexNet, first convolution": (224, 11, 4, 2),
    "the same without padding": (224, 11, 4, 0),
    "ResNet, first convolution, steel 800 px wide": (800, 7, 2, 3),
    "pooling of an odd size": (7, 2, 2, 0),
}
"""N, F, S, P of layers that occur."""

WINDOWS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "one 3 x 3": ((3, 1, 1),),
    "three 3 x 3": ((3, 1, 1),) * 3,
    "three 3 x 3,\ndilated 1, 2, 4": ((3, 1, 1), (3, 1, 2), (3, 1, 4)),
    "3 x 3, pool, 3 x 3,\npool, 3 x 3": ((3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)),
}
"""Edge, stride and dilation of each layer; (2, 2, 1) is a mean pooling."""
EDGE_PX = 32


def reach_px(windows: Sequence[tuple[int, int, int]]) -> int:
    """Edge of the receptive field: 1 + the sum of dilation x (F - 1) x the strides before it."""
    edge, step = 1, 1
    for kernel, stride, dilation in windows:
        edge += dilation * (kernel - 1) * step
        step *= stride
    return edge


def build(windows: Sequence[tuple[int, int, int]], channels: int = 8) -> nn.Sequential:
    """Convolutions that keep the size, and poolings."""
    layers: list[nn.Module] = []
    widths = [1] + [channels] * len(windows)
    for (kernel, stride, dilation), (inputs, outputs) in zip(windows, pairwise(widths), strict=True):
        if stride > 1:
            layers.append(nn.AvgPool2d(kernel, stride))
            continue
        padding = dilation * (kernel // 2)
        layers += [nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation), nn.Tanh()]
    return nn.Sequential(*layers)


def influence(windows: Sequence[tuple[int, int, int]], networks: int) -> np.ndarray:
    """Mean size of the gradient of the middle output by each pixel, over networks with random weights."""
    total = torch.zeros(EDGE_PX, EDGE_PX)
    for seed in range(networks):
        torch.manual_seed(seed)
        image = torch.randn(1, 1, EDGE_PX, EDGE_PX, requires_grad=True)
        maps = build(windows)(image)
        maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
        assert image.grad is not None
        total += image.grad[0, 0].abs()
    return np.asarray(total / networks)


def seen_px(gradient: np.ndarray) -> tuple[int, int, int, int]:
    """First row, first column, rows and columns of the pixels with any influence."""
    rows, columns = (np.flatnonzero(gradient.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def formula_holds() -> bool:
    """Whether torch gives floor((N + 2P - F) / S) + 1 outputs, for every N, F, S and P on a grid."""
    for size in range(7, 17):
        for kernel in range(1, 8):
            for stride in range(1, 5):
                for padding in range(4):
                    layer = nn.Conv2d(1, 1, kernel, stride, padding, device="meta")
                    found = layer(torch.empty(1, 1, size, size, device="meta")).shape[-1]
                    if found != output_px(size, kernel, stride, padding):
                        return False
    return True


def run(room: Room) -> Report:
    """Compare the two formulas with what torch and the gradient say."""
    rows, fits = [], True
    for name, (size, kernel, stride, padding) in LAYERS.items():
        found = nn.Conv2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, size, size)).shape[-1]
        fits &= found == output_px(size, kernel, stride, padding)
        rows.append(
            [
                name,
                size,
                kernel,
                stride,
                padding,
                f"({size} + {2 * padding} - {kernel}) / {stride} + 1",
                found,
            ]
        )
    maps = {name: influence(windows, room.pick(60, 3)) for name, windows in WINDOWS.items()}
    edges = {name: reach_px(windows) for name, windows in WINDOWS.items()}
    stack, one = build(((3, 1, 1),) * 2), build(((5, 1, 1),))
    fields = measure(stack, 1), measure(one, 1)
    weights = 2 * 3 * 3, 5 * 5
    return Report(
        ["layer", "N", "F", "S", "P", "(N + 2P - F) / S + 1", "outputs along a side"],
        rows,
        {
            "the formula gives torch's sizes, for these layers and 1,120 others": fits and formula_holds(),
            "the gradient reaches as far as 1 + the sum of (F - 1) x strides, and no farther": all(
                seen_px(maps[name])[2:] == (edge, edge) for name, edge in edges.items()
            ),
            "two 3 x 3 see what one 5 x 5 sees, with 18 weights for 25": fields[0] == fields[1]
            and weights == (18, 25),
        },
        {"maps": maps, "edges": edges},
        "networks with random weights",
    )


def draw(report: Report) -> Figure:
    """What the middle output of four networks sees, and how much."""
    figure = page(9, 3.0)
    cells = figure.subplots(1, 4)
    for cell, (name, gradient) in zip(cells, report.shown["maps"].items(), strict=True):
        cell.imshow(gradient**0.5, cmap="magma")
        top, left, rows, columns = seen_px(gradient)
        cell.add_patch(Rectangle((left - 0.5, top - 0.5), columns, rows, fill=False, edgecolor="#56b4e9"))
        cell.set_title(name, fontsize=9)
        edge = report.shown["edges"][name]
        cell.set_xlabel(f"sees {edge} x {edge} px", fontsize=9)
        cell.set_xticks([])
        cell.set_yticks([])
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
