"""The thesis's folds: rare classes are copied first, and copies and originals are dealt to folds alike.

So copies of one photograph train and validate on each other. That is what the paper did, and it is kept only
to show what comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flawscope.data.balance import COPY
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.data.units import classes_and_shares
from flawscope.errors import ConfigError, DataError
from flawscope.training.balancing import balance_part
from flawscope.training.config import TrainConfig
from flawscope.types import Sample


def original(name: str) -> str:
    """Name of the photograph that a copy shows (``NAME#VIEW``), or the name itself."""
    return name.partition(COPY)[0]


def with_copies(config: TrainConfig, dataset: Dataset, cut: Split, folds: int) -> tuple[Dataset, Split]:
    """Return the data set with the copies in it, and a split whose folds hold them like any other image.

    Classes are dealt evenly. Raises ConfigError unless balancing makes copies, DataError for fewer images
    than folds.
    """
    if config.data.balance.method != "copies":
        raise ConfigError(
            f"folds.copies = 'before' and data.balance.method = '{config.data.balance.method}': there are no "
            "copies to be made.\nSet data.balance.target, or folds.copies = 'inside'."
        )
    names = cut.part("train") if "train" in cut.parts else dataset.names
    chosen = dataset.subset(names).samples
    shows = {
        sample.name: tuple(classes)
        for sample, (classes, _) in zip(chosen, classes_and_shares(chosen), strict=True)
    }
    shown = balance_part(config.data.balance, chosen, shows, dataset.classes, config.train.seed)
    # Without a group, as if nobody knew that they show the same.
    samples = [replace(one.sample, group="") for one in shown]
    if len(samples) < folds:
        raise DataError(f"{len(samples)} images and copies cannot be cut into {folds} folds.\nTake fewer.")
    parts = _deal(samples, shows, folds, config.train.seed)
    rest = [dataset[name] for part, some in cut.parts.items() if part != "train" for name in some]
    every = tuple(name for part in parts for name in part)
    made = cut.model_copy(update={"parts": {**cut.parts, "train": every}, "folds": parts})
    return dataset.with_samples([*samples, *rest]), made


def _deal(
    samples: list[Sample], shows: Mapping[str, tuple[int, ...]], folds: int, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Names a fold: images of each kind in random order, to the folds in turn."""
    rng = np.random.default_rng([seed, folds])
    shuffled = [samples[int(k)].name for k in rng.permutation(len(samples))]
    shuffled.sort(key=lambda name: shows[original(name)])  # stable: random within a kind
    return tuple(tuple(sorted(shuffled[start::folds])) for start in range(folds))
