"""Training crops: which picture, where, how varied. Every crop follows from (seed, epoch, number) alone.

So neither the number of worker processes, nor the order of work, nor a resumed run changes what is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from flawscope.inspection.preprocess import preprocess
from flawscope.manifest import InputSpec
from flawscope.training.augment import build_augment
from flawscope.training.augment_config import AugmentConfig, StochasticWidthConfig
from flawscope.training.config import DataConfig, TrainLoopConfig
from flawscope.training.stochastic_width import reach_px, widen
from flawscope.training.store import Picture, PictureStore
from flawscope.types import Mask

_ORDER, _CROP, _DRAW = 1, 2, 5
"""Streams of random numbers, apart from each other."""


FLIPS = 4
"""As it is, left for right, top for bottom, both."""


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How crops are laid; see DataConfig."""

    seed: int
    crop_px: int
    """0 = whole pictures."""
    crops_per_image: int
    positive_share: float
    balance_sources: bool = False
    margin_px: int = 0
    """Cut so much more on each side, and taken off again after augmentation."""

    @classmethod
    def of(cls, data: DataConfig, seed: int) -> CropPlan:
        """Take the plan from a configuration."""
        per_image = data.crops_per_image if data.crop_px else 1
        return cls(seed, data.crop_px, per_image, data.positive_share, data.balance_sources, data.margin_px)


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Crop ``key`` = epoch * items + item. Image C x h x w float32; mask h x w uint8 or K x h x w uint8.

    Every picture has its turn once an epoch; where the sources have weights, as many times as its share of
    them, rounded up or down by chance.
    """

    def __init__(
        self, store: PictureStore, plan: CropPlan, spec: InputSpec, augment: AugmentConfig | None = None
    ) -> None:
        self.store = store
        self.plan = plan
        self.spec = spec
        self._config = augment
        self._augment = build_augment(augment) if augment else None
        self._width = augment.stochastic_width if augment else StochasticWidthConfig()
        self._flips = augment.four_flips if augment else "off"
        self._versions = self._width.versions if self._width.mode == "every" else 1
        self._versions *= FLIPS if self._flips == "every" else 1
        self._per_picture = plan.crops_per_image * self._versions
        weights = np.array([source.weight for source in store.sources])
        self._weights = weights if len(np.unique(weights)) > 1 else None
        self._drawn: tuple[int, npt.NDArray[np.int64]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Chains of functions do not travel to a worker process; their configuration does.
        return {**self.__dict__, "_augment": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._augment = build_augment(self._config) if self._config else None

    def __len__(self) -> int:
        """Crops in one epoch."""
        return len(self.store) * self._per_picture

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the keys of an epoch in the order of work: each crop once.

        Where not all pictures fit into memory, crops are shuffled within blocks of pictures that do, so that
        each picture is decoded once an epoch.
        """
        rng = np.random.default_rng([self.plan.seed, _ORDER, epoch])
        pictures = rng.permutation(len(self.store))
        block, per = self.store.block_size(), self._per_picture
        keys = []
        for start in range(0, len(pictures), block):
            items = (pictures[start : start + block, None] * per + np.arange(per)[None, :]).ravel()
            keys.append(rng.permutation(items))
        return np.concatenate(keys) + epoch * len(self)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        epoch, item = divmod(int(key), len(self))
        rng = np.random.default_rng([self.plan.seed, _CROP, epoch, item])
        number, version = self._picture_of(epoch, item)
        picture = self.store[number]
        if self.plan.crop_px:
            top, left, size = self._place(picture, rng)
            image = cut(picture.image, top, left, size)
        else:
            image = picture.image
        flip = 0
        if self._flips == "every":
            version, flip = divmod(version, FLIPS)
        elif self._flips == "random":
            flip = int(rng.integers(FLIPS))
        if self._width.mode == "random":
            version = int(rng.integers(self._width.versions))
        kernels = self._width.kernels_px[:version]
        whole = picture.mask
        mask = cut_wide(whole, top, left, size, kernels) if self.plan.crop_px else widen(whole, kernels)
        image, mask = flipped(image, flip), flipped(mask, flip)
        if self._augment is not None:
            image, mask = self._augment(image, mask, rng)
        if self.plan.crop_px and self.plan.margin_px:
            inner = slice(self.plan.margin_px, -self.plan.margin_px)
            image, mask = image[inner, inner], mask[inner, inner]
        target = mask if mask.ndim == 2 else np.moveaxis(mask, -1, 0).astype(np.uint8)
        return torch.from_numpy(preprocess(image, self.spec)), torch.from_numpy(np.ascontiguousarray(target))

    def picture_of(self, epoch: int, item: int) -> int:
        """Number of the picture in the store that item ``item`` of an epoch shows."""
        return self._picture_of(epoch, item)[0]

    def _picture_of(self, epoch: int, item: int) -> tuple[int, int]:
        """Number of the picture, and which of its versions (0 = as it is) where each has its turn."""
        if not self.plan.balance_sources:
            return self._in_turn(epoch, item // self._per_picture), item % self._versions
        # Item numbers are dealt to the sources in turn, and within a source to its pictures in turn.
        groups = self._groups()
        group = groups[item % len(groups)]
        turn = item // len(groups) + epoch * (-(-len(self) // len(groups)))
        return group[turn // self._versions % len(group)], turn % self._versions

    def _in_turn(self, epoch: int, turn: int) -> int:
        """Number of the picture that has this turn of an epoch."""
        if self._weights is None:
            return turn
        if self._drawn is None or self._drawn[0] != epoch:
            rng = np.random.default_rng([self.plan.seed, _DRAW, epoch])
            self._drawn = (epoch, draw_by_weight(self._weights, rng))
        return int(self._drawn[1][turn])

    def _groups(self) -> list[list[int]]:
        by_source: dict[str, list[int]] = {}
        for index, source in enumerate(self.store.sources):
            by_source.setdefault(source.source, []).append(index)
        return [by_source[name] for name in sorted(by_source)]

    def _place(self, picture: Picture, rng: np.random.Generator) -> tuple[int, int, int]:
        """Top, left and edge of a crop in px."""
        size = self.plan.crop_px + 2 * self.plan.margin_px
        height, width = picture.image.shape[:2]
        top, left = rng.integers(0, max(height - size, 0) + 1), rng.integers(0, max(width - size, 0) + 1)
        if picture.positives and rng.random() < self.plan.positive_share:
            pixels = picture.positives[int(rng.integers(len(picture.positives)))]
            row, column = divmod(int(pixels[int(rng.integers(len(pixels)))]), width)
            top, left = _around(row, size, height, rng), _around(column, size, width, rng)
        return int(top), int(left), size


def draw_by_weight(weights: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw as many items as there are, each as often as its share of the weights, rounded up or down.

    Systematic sampling: equal steps along the heaped weights from a random start, items in random order.
    """
    order = rng.permutation(len(weights))
    heaped = np.cumsum(weights[order])
    points = (rng.random() + np.arange(len(weights))) * (heaped[-1] / len(weights))
    places = np.searchsorted(heaped, points, side="right")
    drawn: npt.NDArray[np.int64] = order[np.minimum(places, len(weights) - 1)]
    return drawn


def flipped(array: npt.NDArray[Any], flip: int) -> npt.NDArray[Any]:
    """H x W (x C) as it is (0), left for right (1), top for bottom (2), or both (3)."""
    if not flip:
        return array
    return np.ascontiguousarray(array[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1])


def _around(position: int, size: int, extent: int, rng: np.random.Generator) -> int:
    """Return a start such that ``position`` lies in the middle half of the crop, where the border lets it."""
    start = position - size // 2 + int(rng.integers(-(size // 4), size // 4 + 1))
    return int(np.clip(start, 0, max(extent - size, 0)))


def cut(array: npt.NDArray[Any], top: int, left: int, size: int) -> npt.NDArray[Any]:
    """Cut a ``size`` x ``size`` window; a smaller picture is mirrored at its borders, mask and all."""
    window = array[top : top + size, left : left + size]
    missing = (size - window.shape[0], size - window.shape[1])
    if max(missing) <= 0:
        return np.ascontiguousarray(window)
    pads = [(m // 2, m - m // 2) for m in missing] + [(0, 0)] * (array.ndim - 2)
    return np.pad(window, pads, mode="symmetric")


def cut_wide(mask: Mask, top: int, left: int, size: int, kernels_px: Sequence[int]) -> Mask:
    """Cut a window out of the mask that :func:`widen` gives, without widening all of it."""
    if not kernels_px:
        return cut(mask, top, left, size)
    reach = reach_px(kernels_px)
    above, before = min(top, reach), min(left, reach)
    around = mask[top - above : top + size + reach, left - before : left + size + reach]
    return cut(widen(around, kernels_px), above, before, size)


@dataclass(frozen=True, slots=True)
class Step:
    """The crops of one optimiser step on this process."""

    micro: tuple[tuple[int, ...], ...]
    """Keys of each batch; gradients of the batches are summed."""
    shares: tuple[float, ...]
    """Weight of each batch's mean loss, so that every crop of the step weighs the same everywhere."""


def deal(
    keys: npt.NDArray[np.int64],
    batch: int,
    accumulate: int = 1,
    world: int = 1,
    rank: int = 0,
    drop_last: bool = False,
) -> list[Step]:
    """Deal an epoch's keys to ``world`` processes: ``accumulate`` batches of ``batch`` a step on each.

    No key is dealt twice; the last step may be smaller, and with ``drop_last`` is left out then, unless it is
    the only one. Otherwise only a rest with fewer keys than processes is left out, since every process has to
    take part in a step.
    """
    steps = []
    full = len(keys) // (batch * accumulate * world) * (batch * accumulate * world)
    if drop_last and full:
        keys = keys[:full]
    for start in range(0, len(keys), batch * accumulate * world):
        chunk = keys[start : start + batch * accumulate * world]
        rounds = [chunk[i : i + batch * world] for i in range(0, len(chunk), batch * world)]
        rounds = [r for r in rounds if len(r) >= world]
        total = sum(len(r) for r in rounds)
        mine = [np.array_split(r, world)[rank] for r in rounds]
        if mine:
            micro = tuple(tuple(int(key) for key in part) for part in mine)
            steps.append(Step(micro, tuple(len(part) * world / total for part in mine)))
    return steps


def deal_for(
    train: TrainLoopConfig, keys: npt.NDArray[np.int64], world: int = 1, rank: int = 0
) -> list[Step]:
    """Deal an epoch's keys as a configuration says; see ``deal``."""
    return deal(keys, train.batch, train.accumulate, world, rank, train.drop_last)
