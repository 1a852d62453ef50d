"""From the bytes of an IDX file to batches: file, samples, Dataset, DataLoader, folder of images."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.datasets import ImageFolder

from flawscope.data.convert import convert
from flawscope.data.dataset import Dataset
from flawscope.data.layouts.idx import load_images
from flawscope.data.open import open_dataset
from flawscope.training.loader import PartDataset, make_loader
from lesson import GREY, Report, Room, main, page

FIELDS = ("magic number: 8 = unsigned bytes, 3 = dimensions", "images", "rows", "columns")


def header_rows(content: bytes) -> list[list[str]]:
    """The sixteen bytes at the head of a file of images: place, bytes, number, meaning."""
    rows = []
    for number, meaning in enumerate(FIELDS):
        four = content[4 * number : 4 * number + 4]
        (value,) = struct.unpack(">I", four)
        rows.append([f"{4 * number} to {4 * number + 3}", f"`{four.hex(' ')}`", f"{value:,}", meaning])
    return rows


def as_folder(dataset: Dataset, out: Path) -> tuple[Dataset, ImageFolder]:
    """The same images as PNG, a folder a class: opened by flawscope, and by torchvision."""
    convert([dataset], "image-folder", out)
    return open_dataset(out), ImageFolder(str(out))


def same_images(pixels: np.ndarray, labels: Tensor, folder: Dataset, theirs: ImageFolder) -> bool:
    """Whether both readers of the folder give the images of the file, each with its class."""
    # A folder keeps no order of its own: compare what is there, image by image.
    of_file = sorted((label, one.tobytes()) for label, one in zip(labels.tolist(), pixels, strict=True))
    ours = sorted((int(folder.classes[one.labels[0]].name), one.image()[..., 0].tobytes()) for one in folder)
    names = theirs.classes
    read = sorted((int(names[label]), np.asarray(image)[..., 0].tobytes()) for image, label in theirs)
    return of_file == ours == read


def epochs(images: PartDataset, batch: int) -> list[list[tuple[Tensor, Tensor]]]:
    """Two passes through one loader."""
    loader = make_loader(images, batch=batch, shuffle=True)
    return [list(loader), list(loader)]


def run(room: Room) -> Report:
    """Follow the same images from the file to a batch, and compare at every stop."""
    whole = room.dataset.part("train")
    part = whole.subset(whole.names[: room.pick(600, 120)])
    file = Path(part[0].image_path.partition("[")[0])
    pixels = load_images(str(file))[: len(part)]
    content = struct.pack(">4I", 2051, len(load_images(str(file))), *pixels.shape[1:])
    images = PartDataset(part, spec=GREY)
    item, label = images[0]
    expected = (torch.from_numpy(pixels[0] / 255.0).float() - GREY.mean[0]) / GREY.std[0]
    first, second = epochs(images, 32)
    (in_order,) = make_loader(images, batch=len(images), shuffle=False)
    with tempfile.TemporaryDirectory() as folder:
        same = same_images(pixels, in_order[1], *as_folder(part, Path(folder) / "folder"))
    return Report(
        ["bytes", "as stored", "as a number", "meaning"],
        header_rows(content),
        {
            "an item is the image of the file, less the mean, over the deviation": torch.allclose(
                item[0], expected, atol=1e-6
            )
            and int(label) == part[0].labels[0],
            "in every pass each image comes once": all(
                torch.equal(_sorted(passed), _sorted([in_order])) for passed in (first, second)
            ),
            "the second pass has another order": not torch.equal(first[0][0], second[0][0]),
            "the last batch holds what is left": len(first[-1][1]) == (len(part) - 1) % 32 + 1,
            "a folder of PNG files gives the same images, through flawscope and through torchvision": same,
        },
        {"rows": [in_order, first[0], second[0]]},
    )


def _sorted(batches: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean of every image, sorted: a pass in another order gives the same numbers."""
    return torch.cat([images.double().mean(dim=(1, 2, 3)) for images, _ in batches]).sort().values


def draw(report: Report) -> Figure:
    """The first images of a loader in order, and of two shuffled passes."""
    figure = page(9, 3.2)
    names = ("in order", "shuffled, first pass", "shuffled, second pass")
    cells: Any = figure.subplots(3, 12)
    for row, name, (images, labels) in zip(cells, names, report.shown["rows"], strict=True):
        for cell, image, label in zip(row, images[:12, 0], labels[:12].tolist(), strict=True):
            cell.imshow(image, cmap="gray")
            cell.set_title(str(label), fontsize=9)
            cell.set_xticks([])
            cell.set_yticks([])
        row[0].set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center", fontsize=9)
    return figure


if __name__ == "__main__":
    main(__file__, run, draw)
