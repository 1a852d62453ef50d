"""What a fold reached: figures of its training, of the test part, and how far its validation images leak."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.images.atomic import write_text_atomic
from flawscope.training.config import TrainConfig
from flawscope.training.finish import trained_network
from flawscope.training.fold_copies import original
from flawscope.training.grid_validate import GridValidator
from flawscope.training.losses import build_loss
from flawscope.training.run import Run

FIGURES = "fold.json"

Row = dict[str, Any]


@dataclass
class Measured:
    """Measures fold after fold, and knows what the folds before were trained on."""

    config: TrainConfig
    dataset: Dataset
    resume: bool = False
    seen: set[str] = field(default_factory=set)
    """Photographs that the weights a fold starts from were trained on."""
    before: Run | None = None

    def row(self, run: Run, split: Split, number: int) -> Row:
        """Return the row of one fold, from its folder where it was measured before."""
        kept = run.folder / FIGURES
        if self.resume and kept.is_file():
            row: Row = json.loads(kept.read_text(encoding="utf-8"))
        else:
            row = {"fold": number, **training_figures(run), **self._probes(run, split)}
            row |= {name: figure.get("value") for name, figure in run.metrics.get("figures", {}).items()}
            write_text_atomic(kept, json.dumps(row, indent=1) + "\n")
        if self.config.folds.weights == "carried":
            self.seen |= {original(name) for name in split.part("train")}
        self.before = run
        return row

    def _probes(self, run: Run, split: Split) -> Row:
        """Loss and Dice on the test part, and on validation images that leak and those that do not."""
        if self.config.validation.figures != "dice":
            return {}
        trained = {original(name) for name in split.part("train")}
        val = split.part("val")
        twins = [name for name in val if original(name) in trained]
        alone = [name for name in val if original(name) not in trained]
        row: Row = {}
        test = self._on(run.folder, split.parts.get("test", ()))
        row |= {"test_loss": test["val_loss"], "test_dice": test["val_dice"]}
        plan = self.config.folds
        if plan.copies == "before":
            row["val_twins"] = len(twins) / max(len(val), 1)
            row["val_dice_twins"] = self._on(run.folder, twins)["val_dice"]
            row["val_dice_alone"] = self._on(run.folder, alone)["val_dice"]
        if plan.weights == "carried":
            row["val_seen"] = sum(original(name) in self.seen for name in val) / max(len(val), 1)
            start = {"val_dice": None} if self.before is None else self._on(self.before.folder, val)
            row["val_dice_start"] = start["val_dice"]
        return row

    def _on(self, folder: Path, names: Sequence[str]) -> dict[str, float | None]:
        if not names:
            return {"val_loss": None, "val_dice": None}
        config, classes = self.config, self.dataset.classes
        network = trained_network(folder, config, classes)
        if config.train.device == "auto" and torch.cuda.is_available():
            network = network.cuda()
        loss = build_loss(config.loss, config.input.activation, config.train.side_weight)
        samples = self.dataset.subset(names).samples
        found = GridValidator(samples, config.input, classes, loss, config.train.batch, 0)(network)
        return dict(found)


def training_figures(run: Run) -> Row:
    """Steps, epochs, time, and loss and Dice of the epoch whose weights were kept."""
    progress, history = run.progress, run.progress.history
    row: Row = {
        "steps": progress.step,
        "epochs": len(history),
        "seconds": progress.elapsed_s,
        "minutes": round(progress.elapsed_s / 60, 4),
    }
    best = [one for one in history if one["epoch"] == progress.best_epoch]
    kept = best if run.config.train.keep == "best" and best else history[-1:]
    for name in ("train_loss", "val_loss", "train_dice", "val_dice"):
        values = [one[name] for one in kept if one.get(name) is not None]
        if values:
            row[name] = values[0]
    return row
