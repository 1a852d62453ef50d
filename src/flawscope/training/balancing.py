"""What the network is shown of a training part whose classes are balanced (``[data.balance]``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flawscope.data.balance import TARGET, balanced, sampling_weights
from flawscope.errors import ConfigError
from flawscope.training.config import BalanceConfig
from flawscope.types import ClassInfo, Sample


@dataclass(frozen=True, slots=True)
class Shown:
    """A training image, or a copy of one, and how often it is drawn against others."""

    sample: Sample
    weight: float = 1.0


def balance_part(
    config: BalanceConfig,
    samples: Sequence[Sample],
    classes_of: Mapping[str, tuple[int, ...]],
    classes: Sequence[ClassInfo],
    seed: int,
) -> tuple[Shown, ...]:
    """Balance a training part as configured; empty where nothing is to be balanced.

    :param samples: the training part, and nothing else.
    :param classes_of: sample name -> ids of the classes it shows; none = clean.
    :param classes: the classes of the data set, for their names.
    :param seed: the same seed gives the same copies.
    Images that show only classes which are not to be balanced stay as they are.
    Raises ConfigError for an unknown class, DataError where no sample shows any of the classes.
    """
    if config.method == "none":
        return ()
    wanted = _wanted(config, classes)
    counted = {name: tuple(one for one in ids if one in wanted) for name, ids in classes_of.items()}
    others = [s for s in samples if classes_of.get(s.name) and not counted[s.name]]
    apart = {sample.name for sample in others}
    mine = [sample for sample in samples if sample.name not in apart]
    target = config.target or TARGET
    if config.method == "sampler":
        weights = sampling_weights(mine, counted, target, config.clean)
        shown = [Shown(sample, weight) for sample, weight in zip(mine, weights, strict=True)]
    else:
        made = balanced(mine, counted, target, config.clean, config.transforms, seed)
        shown = [Shown(sample) for sample in made]
    return (*shown, *(Shown(sample) for sample in others))


def balance_in_words(shown: Sequence[Shown], samples: Sequence[Sample]) -> str:
    """Say what became of the training images ``samples``."""
    if any(one.weight != 1.0 for one in shown):
        return f"balanced: {len(samples)} training images are drawn by the weight of their classes"
    originals = {sample.name for sample in samples}
    kept = sum(one.sample.name in originals for one in shown)
    copies = len(shown) - kept
    return f"balanced: {kept} of {len(samples)} training images are shown, and {copies} copies of them"


def _wanted(config: BalanceConfig, classes: Sequence[ClassInfo]) -> set[int]:
    ids = {info.name: info.id for info in classes}
    for name in config.classes:
        if name not in ids:
            raise ConfigError(
                f"data.balance.classes names '{name}'; the data set has {', '.join(ids)}.\n"
                "Name some of these, or leave the key out for all."
            )
    return {ids[name] for name in config.classes} or set(ids.values())
