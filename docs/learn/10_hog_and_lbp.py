"""Features by hand and features that were learned, each below the same linear classifier."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from skimage.feature import hog, local_binary_pattern
from torch import Tensor, nn

from flawscope.models import build_model
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, GREY, Digits, Report, Room, dress, main, page, plain_log, train
from linear import Linear

CELL_PX = 7
NEIGHBOURS = 8


def grey_of(data: Digits) -> np.ndarray:
    """The images as N x 28 x 28 uint8."""
    values = (data.images[:, 0] * GREY.std[0] + GREY.mean[0]) * 255
    return np.asarray(values.round().clamp(0, 255).to(torch.uint8))


def hog_of(data: Digits) -> Tensor:
    """Histograms of oriented gradients: N x 1296 (nine directions, cells of 4 px, blocks of 2 x 2 cells)."""
    own = {"orientations": 9, "pixels_per_cell": (4, 4), "cells_per_block": (2, 2)}
    return torch.from_numpy(np.stack([hog(image, **own) for image in grey_of(data)])).float()


def lbp_of(data: Digits) -> Tensor:
    """Local binary patterns: N x 160, the share of ten uniform patterns in each of 4 x 4 cells."""
    rows = []
    for image in grey_of(data):
        codes = local_binary_pattern(image, NEIGHBOURS, 1, method="uniform").astype(int)
        cells = codes.reshape(4, CELL_PX, 4, CELL_PX).transpose(0, 2, 1, 3).reshape(16, -1)
        rows.append(np.stack([np.bincount(cell, minlength=NEIGHBOURS + 2) for cell in cells]).ravel())
    return torch.from_numpy(np.stack(rows)).float() / CELL_PX**2


def trained_cnn(data: Digits, steps: int) -> nn.Module:
    """The lab's network, trained on ``data``; with no steps it stays as it was drawn."""
    torch.manual_seed(0)
    model = build_model("lab-cnn", widths=(8, 16), hidden=64)
    if steps:
        train(model, data, build_optimiser(model, "adam", 2e-3), steps=steps, batch=32)
    return model.eval()


@torch.no_grad()
def maps_of(model: nn.Module, data: Digits) -> Tensor:
    """What the convolutional part of the network hands to its dense layers, one row an image."""
    return torch.cat([model.stages(part).flatten(1) for part in data.images.split(500)])


def run(room: Room) -> Report:
    """Fit a linear classifier on each kind of features, with more and more images."""
    counts, steps = room.pick((50, 200, 1000, 3000), (60, 300)), room.pick(400, 60)
    data, held_out = room.digits("train", counts[-1]), room.digits("test", room.pick(800, 200))
    fixed = {"pixels": lambda one: one.images.flatten(1), "LBP": lbp_of, "HoG": hog_of}
    drawn = trained_cnn(data, 0)
    pairs = {name: (make(data), make(held_out)) for name, make in fixed.items()}
    pairs["CNN, not trained"] = maps_of(drawn, data), maps_of(drawn, held_out)
    figures: dict[str, list[float]] = {name: [] for name in (*pairs, "CNN, trained")}
    for count in counts:
        few = data.first(count)
        for name, (known, unknown) in pairs.items():
            own = Linear(known[:count], few.labels)
            figures[name].append(own.accuracy(unknown, held_out.labels))
        model = trained_cnn(few, steps)
        own = Linear(maps_of(model, few), few.labels)
        figures["CNN, trained"].append(own.accuracy(maps_of(model, held_out), held_out.labels))
    width = {name: pair[0].shape[1] for name, pair in pairs.items()}
    width["CNN, trained"] = width["CNN, not trained"]
    rows = [[name, width[name], *(f"{figure:.1f}" for figure in own)] for name, own in figures.items()]
    gains = [
        learned - drawn_only
        for learned, drawn_only in zip(figures["CNN, trained"], figures["CNN, not trained"], strict=True)
    ]
    return Report(
        ["features", "numbers an image", *(f"{count:,} images" for count in counts)],
        rows,
        {
            "HoG beats pixels at every number of images": all(
                by_hand > plain for by_hand, plain in zip(figures["HoG"], figures["pixels"], strict=True)
            ),
            "learned features beat pixels and LBP with the most images": figures["CNN, trained"][-1]
            > max(figures["pixels"][-1], figures["LBP"][-1]),
            "and features of a network that was not trained": gains[-1] > 0,
            "with few images learning gains less": gains[0] < gains[-1],
        },
        {"figures": figures, "counts": counts, "example": grey_of(held_out)[0]},
    )


def draw(report: Report) -> Figure:
    """What HoG and LBP see of a digit; accuracy over the number of images."""
    figure = page()
    left, right = figure.subfigures(1, 2, width_ratios=(2, 3))
    image = report.shown["example"]
    _, seen = hog(image, 9, (4, 4), (2, 2), visualize=True)
    codes = local_binary_pattern(image, NEIGHBOURS, 1, method="uniform")
    for cell, picture, name in zip(
        left.subplots(1, 3), (image, seen, codes), ("image", "HoG", "LBP codes"), strict=True
    ):
        cell.imshow(picture, cmap="gray")
        cell.set_title(name, fontsize=9)
        cell.axis("off")
    axes = right.subplots()
    for number, (name, values) in enumerate(report.shown["figures"].items()):
        axes.plot(report.shown["counts"], values, "o-", markersize=4, color=COLOURS[number], label=name)
    axes.set_xscale("log")
    plain_log(axes.xaxis)
    dress(axes, "training images", "test accuracy, %", "A linear classifier on five kinds of features")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
