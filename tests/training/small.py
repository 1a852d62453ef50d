"""A small world for tests of training: dark lines on grey noise, and a network of a few weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flawscope.inspection.options import PredictOptions
from flawscope.training.budget import Clock
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import parse_config
from flawscope.training.crops import CropDataset, CropPlan
from flawscope.training.loop import Job
from flawscope.training.losses import build_loss
from flawscope.training.progress import Silent
from flawscope.training.session import build_network, make_accelerator, start_session
from flawscope.training.store import PictureStore, sample_source
from flawscope.training.validate import Validator
from flawscope.types import ClassInfo, Sample

CRACK = (ClassInfo(1, "crack"),)

SETTINGS: dict[str, Any] = {
    "model": {"name": "unet", "options": {"widths": [4, 8]}},
    "input": {"size_px": 64, "halo_px": 8, "blend_px": 8, "stride_multiple": 2},
    "data": {"crop_px": 32, "crops_per_image": 2},
    "optimiser": {"name": "adamw", "lr": 0.01},
    "train": {"batch": 3, "steps": 8, "ema_decay": 0.9, "device": "cpu"},
    "bundle": {"name": "small"},
}


def draw(number: int, size_hw: tuple[int, int] = (48, 64)) -> tuple[Any, Any]:
    """Draw a grey noisy picture with one dark line, and its mask 0 / 1."""
    rng = np.random.default_rng(number)
    image = rng.integers(150, 200, (*size_hw, 3), dtype=np.uint8)
    mask = np.zeros(size_hw, np.uint8)
    rows = np.clip(np.cumsum(rng.integers(-1, 2, size_hw[1])) + size_hw[0] // 2, 1, size_hw[0] - 2)
    for column, row in enumerate(rows):
        mask[row : row + 2, column] = 1
    image[mask == 1] = rng.integers(20, 60, (int(mask.sum()), 3), dtype=np.uint8)
    return image, mask


def _part(number: int, part: int) -> Any:
    return draw(number)[part]


def samples(count: int, first: int = 0) -> list[Sample]:
    """Return drawn samples."""
    return [
        Sample(f"{n:03d}", image=partial(_part, n, 0), read_mask=partial(_part, n, 1), source="drawn")
        for n in range(first, first + count)
    ]


def write_set(root: Path, count: int = 10) -> Path:
    """Write drawn samples as a data set in the layout ``image-mask``."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        image, mask = draw(n)
        Image.fromarray(image).save(root / "images" / f"{n:03d}.png")
        Image.fromarray(mask * 255).save(root / "masks" / f"{n:03d}.png")
    return root


def settings(**sections: dict[str, Any]) -> TrainConfig:
    """Return the small configuration with changes by section."""
    table = {name: dict(section) for name, section in SETTINGS.items()}
    for name, section in sections.items():
        table.setdefault(name, {}).update(section)
    return parse_config(table)


def make_job(out: Path, config: TrainConfig | None = None, **changes: Any) -> Job:
    """Return a job over five training and two validation pictures."""
    config = config or settings()
    accelerator = make_accelerator(config)
    network = build_network(config, CRACK)
    session = start_session(config, network, accelerator, config.train.steps or 1)
    store = PictureStore([sample_source(s, config.input) for s in samples(5)], 10**8)
    crops = CropDataset(store, CropPlan.of(config.data, config.train.seed), config.input, config.augment)
    loss = build_loss(config.loss, config.input.activation)
    validator = Validator(samples(2, 90), config.input, CRACK, loss, PredictOptions())
    fields = {"clock": Clock(time.time()), "validator": validator, "reporter": Silent(), **changes}
    return Job(config, out, session, crops, CRACK, **fields)


def weights_equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Return whether two states are bitwise the same."""
    names: Sequence[str] = list(a)
    return names == list(b) and all(bool((a[name] == b[name]).all()) for name in names)
