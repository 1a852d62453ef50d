"""Features of one task's network, at work in another: 0 to 4 teach, 5 to 9 are to be told apart."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from flawscope.models import build_model
from flawscope.training.optimisers import build_optimiser
from lesson import COLOURS, Digits, Report, Room, accuracy, dress, main, page, plain_log, train
from linear import Linear

LAST, MAPS = "units before the last layer", "maps before those units"


def build_cnn() -> nn.Module:
    """The lab's network for five classes."""
    return build_model("lab-cnn", widths=(8, 16), hidden=64, classes=5)


@torch.no_grad()
def features_of(model: nn.Module, data: Digits) -> dict[str, Tensor]:
    """What the last two stations of the network hand on, one row an image: 784 map values, then 64 units."""
    model.eval()
    maps = torch.cat([model.stages(part).flatten(1) for part in data.images.split(500)])
    return {MAPS: maps, LAST: model.activation(model.hidden(maps))}


def halves(data: Digits) -> tuple[Digits, Digits]:
    """Digits 0 to 4 with labels 0 to 4, and digits 5 to 9 with labels 0 to 4."""
    low, high = data.only(data.labels < 5), data.only(data.labels >= 5)
    return low, Digits(high.images, high.labels - 5)


def a_few(data: Digits, per_class: int, seed: int) -> Digits:
    """So many images of each class, drawn at random."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    chosen = [order[data.labels[order] == label][:per_class] for label in range(5)]
    return data.only(torch.cat(chosen))


def from_scratch(few: Digits, held_out: Digits, steps: int, seed: int) -> float:
    """Accuracy of a network that saw nothing but the few."""
    torch.manual_seed(seed)
    model = build_cnn()
    train(model, few, build_optimiser(model, "adam", 2e-3), steps=steps, batch=16, seed=seed)
    return accuracy(model, held_out)


def on_features(
    taught: tuple[Tensor, Digits], held_out: tuple[Tensor, Digits], per_class: int, seed: int
) -> float:
    """Accuracy of a linear classifier on the features of a few images."""
    # Numbers instead of images: the draw is the same as for the others.
    numbered = Digits(torch.arange(len(taught[1])), taught[1].labels)
    chosen = a_few(numbered, per_class, seed)
    own = Linear(taught[0][chosen.images], chosen.labels, classes=5, decay=1e-2)
    return own.accuracy(held_out[0], held_out[1].labels)


def run(room: Room) -> Report:
    """Train on 0 to 4; then learn 5 to 9 from a few images, in four ways."""
    low, high = halves(room.digits("train", room.pick(6000, 800)))
    old, held_out = halves(room.digits("test", room.pick(1600, 300)))
    draws, counts = range(room.pick(3, 2)), room.pick((2, 5, 10, 20, 50), (2, 20))
    torch.manual_seed(0)
    drawn, model = build_cnn(), build_cnn()
    train(model, low, build_optimiser(model, "adam", 2e-3), steps=room.pick(300, 60))
    kinds: dict[str, tuple[Tensor, Tensor]] = {}
    for how, network in (("learned on 0 to 4", model), ("not trained", drawn)):
        known, unknown = features_of(network, high), features_of(network, held_out)
        kinds |= {f"{place}, {how}": (known[place], unknown[place]) for place in (LAST, MAPS)}
    kinds["pixels"] = (high.images.flatten(1), held_out.images.flatten(1))
    figures: dict[str, list[float]] = {}
    for name, (taught, asked) in kinds.items():
        figures[name] = [
            sum(on_features((taught, high), (asked, held_out), count, seed) for seed in draws) / len(draws)
            for count in counts
        ]
    steps = room.pick(100, 40)
    figures["a new network"] = [
        sum(from_scratch(a_few(high, count, seed), held_out, steps, seed) for seed in draws) / len(draws)
        for count in counts
    ]
    rows = [[name, *(f"{figure:.1f}" for figure in own)] for name, own in figures.items()]
    last, maps = figures[f"{LAST}, learned on 0 to 4"][-1], figures[f"{MAPS}, learned on 0 to 4"][-1]
    told = accuracy(model, old)
    return Report(
        ["5 to 9, test accuracy in %, images a class", *map(str, counts)],
        rows,
        {
            "the network tells 0 to 4 apart": told > room.pick(99, 85),
            "what the last units learned on 0 to 4 serves 5 to 9": last
            > figures[f"{LAST}, not trained"][-1] + 2,
            "the maps before them serve better": maps > last,
            "and better than pixels": maps > figures["pixels"][-1],
            "more images help every way": all(own[-1] > own[0] for own in figures.values()),
        },
        {"figures": figures, "counts": counts, "examples": (low, held_out)},
    )


def draw(report: Report) -> Figure:
    """The two tasks, and accuracy over the number of images."""
    figure = page()
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
    cells = left.subplots(2, 5)
    for row, data in zip(cells, report.shown["examples"], strict=True):
        for label, cell in enumerate(row):
            cell.imshow(data.images[data.labels == label][0, 0], cmap="gray")
            cell.axis("off")
    cells[0, 2].set_title("thousands to learn features from", fontsize=9)
    cells[1, 2].set_title("a few to learn the task from", fontsize=9)
    axes = right.subplots()
    for number, (name, values) in enumerate(report.shown["figures"].items()):
        line = "o:" if "not trained" in name else "o-"
        axes.plot(report.shown["counts"], values, line, markersize=4, color=COLOURS[number], label=name)
    axes.set_xscale("log")
    plain_log(axes.xaxis)
    dress(axes, "images of each of 5 to 9", "test accuracy, %", "Telling 5, 6, 7, 8 and 9 apart")
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
