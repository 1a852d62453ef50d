"""What all lessons share: the digits, one training loop, plots, and how a page gets its figures.

A lesson is a module with ``run(room) -> Report``, which measures, and ``draw(report, figure)``, which plots.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image
from torch import Tensor, nn, optim

from digits import write_idx
from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.images.atomic import write_bytes_atomic, write_text_atomic
from flawscope.manifest import InputSpec
from flawscope.reporting.plots import COLOURS
from flawscope.training.classify_data import label_target
from flawscope.training.loader import PartDataset, make_loader
from flawscope.training.losses import cross_entropy

__all__ = [
    "COLOURS",
    "GREY",
    "Digits",
    "Report",
    "Room",
    "accuracy",
    "dress",
    "loss_of",
    "main",
    "page",
    "parameters",
    "plain_log",
    "shuffled",
    "train",
]

GREY = InputSpec(channels="grey", mean=(0.1307,), std=(0.3081,))
"""One channel; mean and deviation of MNIST's pixels."""

BEGIN, END = "<!-- measured by {} --write -->", "<!-- end -->"
_MOST_BYTES = 60_000
_DRAWN = (6000, 2000)
"""Digits to draw where there is no MNIST: for training, for testing."""


@dataclass(frozen=True)
class Digits:
    """Images N x 1 x 28 x 28 float32, normalised, and labels N int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Digits:
        """The first ``count`` of them."""
        return self.only(torch.arange(min(count, len(self))))

    def only(self, chosen: Tensor) -> Digits:
        """Those at the positions ``chosen`` (int64), or where ``chosen`` (bool) is true."""
        return Digits(self.images[chosen], self.labels[chosen])


@dataclass
class Report:
    """What a lesson measured."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """The table of the page; cells are text or numbers."""
    claims: Mapping[str, bool]
    """Sentences that the page relies on, and whether they held this time."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """What the plot needs besides."""
    data: str = ""
    """What was measured on, where it was not the digits of the room."""

    def table(self) -> str:
        """The table in Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


class Room:
    """Where a lesson finds its digits, and whether it is in a hurry."""

    def __init__(self, dataset: Dataset, data: str, quick: bool = False) -> None:
        self.dataset = dataset
        self.data = data
        """What the digits are, in words."""
        self.quick = quick
        self._read: dict[tuple[str, int], Digits] = {}

    def pick(self, full: Any, quick: Any) -> Any:
        """The first value for a page, the second for a test."""
        return quick if self.quick else full

    def digits(self, part: str, count: int) -> Digits:
        """The first ``count`` images of ``train`` or ``test``, as a loader gives them."""
        if (part, count) not in self._read:
            names = self.dataset.part(part).names[:count]
            images = PartDataset(self.dataset.subset(names), spec=GREY)
            (batch,) = make_loader(images, batch=len(images), shuffle=False)
            self._read[part, count] = Digits(*batch)
        return self._read[part, count]


@contextmanager
def open_room(data: Path | None, quick: bool = False) -> Iterator[Room]:
    """A room with MNIST, where ``data`` has it in ``mnist``; else with digits drawn for the occasion."""
    if data is not None and (data / "mnist").is_dir():
        yield Room(open_dataset(data / "mnist"), "MNIST", quick)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_idx(Path(folder), *((1000, 400) if quick else _DRAWN))
        yield Room(open_dataset(folder), "generated digits", quick)


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits N x K in nats: flawscope's loss for pixels, with one pixel an image."""
    target, valid = label_target(labels, logits.shape[1], "softmax")
    return cross_entropy(logits[..., None, None], target, valid)


def shuffled(count: int, batch: int, seed: int = 0) -> Iterator[Tensor]:
    """Numbers of the images of each batch, without end; each image once in each pass."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).split(batch)


def train(
    model: nn.Module,
    data: Digits,
    optimiser: optim.Optimizer,
    *,
    steps: int,
    batch: int = 64,
    seed: int = 0,
    watch: Callable[[int], object] | None = None,
) -> list[float]:
    """The loop of every lesson; returns the loss of each step. ``watch`` is called after each, from 1."""
    losses = []
    for step, chosen in zip(range(1, steps + 1), shuffled(len(data), batch, seed), strict=False):
        model.train()
        optimiser.zero_grad()
        loss = loss_of(model(data.images[chosen]), data.labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        if watch is not None:
            watch(step)
    return losses


@torch.no_grad()
def accuracy(model: nn.Module, data: Digits) -> float:
    """Share of the images whose largest logit is the right one, in percent."""
    model.eval()
    right = [
        (model(images).argmax(dim=1) == labels).float()
        for images, labels in zip(data.images.split(500), data.labels.split(500), strict=True)
    ]
    return 100.0 * torch.cat(right).mean().item()


def parameters(model: nn.Module) -> int:
    """Numbers that may learn."""
    return sum(one.numel() for one in model.parameters() if one.requires_grad)


def page(width_inch: float = 9.0, height_inch: float = 3.6) -> Figure:
    """An empty figure, drawn without a display."""
    figure = Figure(figsize=(width_inch, height_inch), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, x_label: str, y_label: str, title: str = "") -> None:
    """Labels, a light grid, and a legend where lines have names."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title, fontsize=10)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def plain_log(axis: Axis) -> None:
    """Ticks of a logarithmic axis as plain numbers, at 1, 2 and 5."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a small PNG: as many colours as fit into 60 kB."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    image = Image.open(drawn).convert("RGB")
    for colours in (128, 64, 32, 16):
        packed = io.BytesIO()
        image.quantize(colours).save(packed, format="PNG", optimize=True)
        if packed.tell() < _MOST_BYTES:
            break
    write_bytes_atomic(path, packed.getvalue())


def main(script: str, run: Callable[[Room], Report], draw: Callable[[Report], Figure]) -> None:
    """Run a lesson from the command line; exit code 1 where a claim does not hold."""
    own = Path(script)
    parser = argparse.ArgumentParser(description=f"Runs the lesson {own.stem} and shows what it measured.")
    named = os.environ.get("FLAWSCOPE_DATA")
    parser.add_argument("--data", type=Path, default=Path(named) if named else None, help="has mnist/")
    parser.add_argument("--quick", action="store_true", help="the reduced size of the tests")
    parser.add_argument("--picture", type=Path, default=Path("build/learn") / f"{own.stem}.png")
    parser.add_argument("--write", action="store_true", help="update table and picture of the page")
    options = parser.parse_args()
    began, worked = time.perf_counter(), time.process_time()
    with open_room(options.data, options.quick) as room:
        report = run(room)
        size = ", at the reduced size of the tests" if options.quick else ""
        words = f"Measured on {report.data or room.data}{size}."
    lines = [words, "", report.table(), ""]
    lines += [f"{'holds' if held else 'DOES NOT HOLD'}: {claim}" for claim, held in report.claims.items()]
    sys.stdout.write(
        "\n".join(lines)
        + f"\n{time.perf_counter() - began:.1f} s ({time.process_time() - worked:.1f} s of a core)\n"
    )
    if not all(report.claims.values()):
        raise SystemExit(1)
    save(draw(report), own.parent / "images" / f"{own.stem}.png" if options.write else options.picture)
    if options.write:
        write_measured(own.with_suffix(".md"), own.name, f"{words}\n\n{report.table()}")


def write_measured(path: Path, script: str, measured: str) -> None:
    """Put what was measured between the marks of a page."""
    begin = BEGIN.format(script)
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{path}: has no place for figures.\nExpected {begin} and {END}.")
    write_text_atomic(path, f"{before}{begin}\n{measured}\n{END}{after}")
