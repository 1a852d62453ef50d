"""A small world for tests of classifiers: stripes along, stripes across, and plain grey."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.manifest import InputSpec
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import parse_config
from flawscope.types import ClassInfo, Sample

KINDS = ("across", "along", "plain")
CLASSES = tuple(ClassInfo(number, name, kind="image") for number, name in enumerate(KINDS))
SPEC = InputSpec(
    mode="resize", size_hw=(16, 16), channels="grey", mean=(0.5,), std=(0.25,), activation="softmax"
)
SETTINGS: dict[str, Any] = {
    "task": "classification",
    "model": {"name": "lab-cnn", "options": {"widths": [4, 6], "hidden": 8, "kernel_px": 3}},
    "input": SPEC.model_dump(mode="json"),
    "augment": {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0},
    "loss": [{"name": "cross_entropy"}],
    "optimiser": {"name": "adamw", "lr": 0.02},
    "train": {"batch": 8, "steps": 24, "monitor": "accuracy", "device": "cpu"},
    "bundle": {"name": "stripes"},
}


def draw(kind: int, number: int, size_hw: tuple[int, int] = (16, 16)) -> npt.NDArray[np.uint8]:
    """Draw a noisy grey picture H x W x 3 of a kind."""
    rng = np.random.default_rng([kind, number])
    grey = rng.normal(120, 12, size_hw)
    place = np.arange(size_hw[kind]) if kind < 2 else np.zeros(1)
    wave = 70 * np.sign(np.sin(place * np.pi / 2.5 + rng.uniform(0, 6)))
    if kind < 2:
        grey += wave[:, None] if kind == 0 else wave[None]
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def samples(count: int, first: int = 0) -> list[Sample]:
    """Draw ``count`` samples, the kinds in turn."""
    return [
        Sample(f"{n:03d}", partial(draw, n % 3, n), labels=(n % 3,), source="drawn")
        for n in range(first, first + count)
    ]


def several(count: int) -> list[Sample]:
    """Samples with none, one or two labels: stripes along and across may lie over each other."""
    every = ((), (0,), (1,), (0, 1))

    def picture(number: int) -> npt.NDArray[np.uint8]:
        parts = [draw(kind, number).astype(int) - 120 for kind in every[number % 4]]
        return np.clip(draw(2, number) + sum(parts, np.zeros((16, 16, 3), int)), 0, 255).astype(np.uint8)

    return [Sample(f"{n:03d}", partial(picture, n), labels=every[n % 4]) for n in range(count)]


def write_set(root: Path, count: int = 24, size_hw: tuple[int, int] = (16, 16)) -> Path:
    """Write a folder a class."""
    for n in range(count):
        folder = root / KINDS[n % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(n % 3, n, size_hw)).save(folder / f"{n:03d}.png")
    return root


def write_table(root: Path, count: int = 24) -> Path:
    """Write ``labels.csv`` whose images have one label or two; the clean ones have the label ``ok``."""
    lines = ["file,class"]
    (root / "images").mkdir(parents=True)
    for one in several(count):
        Image.fromarray(one.image()).save(root / "images" / f"{one.name}.png")
        lines.append(f"images/{one.name}.png,{';'.join(KINDS[k] for k in one.labels) or 'ok'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_idx(root: Path, train: int = 24, test: int = 9) -> Path:
    """Write MNIST's files, with the kinds for digits."""
    root.mkdir(parents=True, exist_ok=True)
    for prefix, first, count in (("train", 0, train), ("t10k", 100, test)):
        pixels = np.stack([draw(n % 3, n)[..., 0] for n in range(first, first + count)])
        labels = np.array([n % 3 for n in range(first, first + count)], np.uint8)
        head = struct.pack(">4I", 2051, *pixels.shape)
        (root / f"{prefix}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels.tobytes())
    return root


def settings(**sections: Any) -> TrainConfig:
    """Return the small configuration with changes by section; a value that is no table takes its place."""
    table = {name: dict(part) if isinstance(part, dict) else part for name, part in SETTINGS.items()}
    for name, part in sections.items():
        table[name] = {**table.get(name, {}), **part} if isinstance(part, dict) else part
    return parse_config(table)


def sigmoid(**sections: Any) -> TrainConfig:
    """The same with a sigmoid head."""
    head = {"activation": "sigmoid"}
    return settings(input=head, loss=[{"name": "bce"}], **sections)
