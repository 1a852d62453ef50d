"""Data sets as torch takes them: ``PartDataset`` and ``make_loader``, for training loops of one's own too.

::

    images = PartDataset(open_dataset("cfd"), "train", data=DataConfig(crop_px=256), augment=AugmentConfig())
    for image, mask in make_loader(images, batch=8, workers=2):
        ...

What an item shows follows from seed, epoch and its number alone: neither the number of worker processes nor
the order of work changes it. ``flawscope train`` reads through the same crops (``loader_of_steps``).
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torch.utils.data import Dataset as TorchDataset

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.data.units import classes_and_shares
from flawscope.errors import DataError, UsageError
from flawscope.manifest import InputSpec
from flawscope.training.augment_config import AugmentConfig
from flawscope.training.balancing import Shown, balance_part
from flawscope.training.classify_data import LabelledImages, label_rows
from flawscope.training.config import DataConfig
from flawscope.training.crops import CropDataset, CropPlan, Step
from flawscope.training.store import PictureStore, image_source, sample_source
from flawscope.types import Sample

WHOLE = DataConfig(crop_px=0, crops_per_image=1)
"""Whole images, each once."""

Key = int | tuple[int, int]


class PartDataset(TorchDataset[tuple[Tensor, Tensor]]):
    """The images of a part of a data set, with their truth, as a network takes them.

    An item is (image, mask) or (image, label): the image C x h x w float32, preprocessed as ``spec`` says;
    the mask h x w uint8 class ids (255 = ignore) or K x h x w uint8 where classes overlap; the label an int64
    number (the place of the class in ``dataset.classes``), or K float32 0 / 1 where images have several or
    none.
    """

    def __init__(
        self,
        dataset: Dataset,
        part: str | None = None,
        split: Split | None = None,
        *,
        data: DataConfig = WHOLE,
        spec: InputSpec | None = None,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Make items of a data set; nothing is decoded yet.

        :param dataset: an opened data set, with masks or with labels.
        :param part: ``train``, ``val``, ...; None = all of it.
        :param split: where the part comes from; None = the set's own split.
        :param data: crops, how many of each image, memory, balancing; whole images as they are by default.
        :param spec: channels, mean, deviation, and the size where images are resized.
        :param augment: how items are varied; None = not at all.
        :param seed: the same seed gives the same crops, variations and order.
        Raises DataError for a part that is not there or empty, UsageError where anything but a training part
        is to be balanced.
        """
        chosen = dataset.part(part, split) if part else dataset
        if not len(chosen):
            raise DataError(
                f"{dataset.root}: the part '{part or 'all'}' is empty.\nExpected at least one image."
            )
        shown = _shown(chosen, part, data, seed)
        self.samples: tuple[Sample, ...] = tuple(one.sample for one in shown)
        """The images, copies included, in order."""
        self.labels = label_rows(self.samples, chosen.classes) if chosen.task == "classification" else None
        """A row an image, where images have labels instead of masks."""
        spec = spec or InputSpec()
        make = image_source if self.labels is not None else sample_source
        sources = [replace(make(one.sample, spec), weight=one.weight) for one in shown]
        store = PictureStore(sources, data.cache_mb * 2**20)
        self.crops = CropDataset(store, CropPlan.of(data, seed), spec, augment)

    def __len__(self) -> int:
        """Items in one epoch."""
        return len(self.crops)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Return item ``key`` of the first epoch, or of another: (epoch, item).

        Raises IndexError beyond the end, DataError or ImageError where a file cannot be used.
        """
        epoch, item = key if isinstance(key, tuple) else (0, key)
        if not -len(self) <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        item %= len(self)
        image, mask = self.crops[epoch * len(self) + item]
        if self.labels is None:
            return image, mask
        return image, self.labels[self.crops.picture_of(epoch, item)]


class EpochBatches:
    """Batches of (epoch, item); each time it is gone through is the next epoch, each item once."""

    def __init__(
        self, images: PartDataset, batch: int, shuffle: bool = True, drop_last: bool = False
    ) -> None:
        if batch < 1:
            raise UsageError(f"The batch is {batch}.\nExpected at least 1.")
        self.images = images
        self.batch = batch
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.epoch = 0
        """Number of the next epoch; set it to go on where another run ended."""

    def __len__(self) -> int:
        """Batches in one epoch."""
        full, rest = divmod(len(self.images), self.batch)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, count = self.epoch, len(self.images)
        self.epoch += 1
        items: npt.NDArray[np.int64] = (
            self.images.crops.order(epoch) - epoch * count if self.shuffle else np.arange(count)
        )
        for number in range(len(self)):
            yield [(epoch, int(item)) for item in items[number * self.batch : (number + 1) * self.batch]]


def make_loader(
    images: PartDataset,
    batch: int = 8,
    *,
    shuffle: bool = True,
    workers: int = 0,
    drop_last: bool = False,
    seed: int | None = None,
) -> DataLoader[Any]:
    """Return a loader over a part: batches of images N x C x h x w and their masks or labels.

    :param batch: items in a batch; the last one may be smaller.
    :param shuffle: a new order each epoch; False = in order.
    :param workers: processes that load; 0 = in the loop itself.
    :param drop_last: leave out the last batch where it is smaller.
    :param seed: of the random generators (``random``, NumPy, torch) of each worker, for transforms of one's
        own; None = the data set's.
    Each time the loader is gone through shows every item once. Raises DataError for images of different
    sizes in one batch, UsageError for a batch below 1.
    """
    batches = EpochBatches(images, batch, shuffle, drop_last)
    generator = torch.Generator().manual_seed(images.crops.plan.seed if seed is None else seed)
    return _loader(images, batches, min(workers, len(batches)), generator, torch.cuda.is_available())


Items = CropDataset | LabelledImages
"""What a run learns from: crops with their masks, or whole images with their labels."""


def loader_of_steps(
    crops: Items, steps: Sequence[Step], workers: int, device: torch.device
) -> Iterable[tuple[Tensor, Tensor]]:
    """Return the batches of ``steps``, in order. Those of whole images are made in the loop itself."""
    if isinstance(crops, LabelledImages):
        return crops.batches(steps)
    keys = [list(part) for step in steps for part in step.micro]
    # The loader draws a number when it starts; from torch's global state it would shift every later draw.
    return _loader(crops, keys, min(workers, len(keys)), torch.Generator(), device.type == "cuda")


def _loader(
    items: TorchDataset[Any], batches: Any, workers: int, generator: torch.Generator, pinned: bool
) -> DataLoader[Any]:
    return DataLoader(
        items,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pinned,
        generator=generator,
        worker_init_fn=_quiet_worker,
        collate_fn=_stack,
    )


def _quiet_worker(_number: int) -> None:
    """Leave Ctrl-C to the loop: a worker that dies of it would tear the step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stack(items: Sequence[tuple[Tensor, Tensor]]) -> Any:
    sizes = {tuple(image.shape[-2:]) for image, _ in items}
    if len(sizes) > 1:
        shown = ", ".join(f"{width} x {height}" for height, width in sorted(sizes)[:3])
        raise DataError(
            f"Images of {shown} px cannot be one batch.\n"
            "Set data.crop_px, or input.mode = 'resize' with input.size_hw, or a batch of 1."
        )
    return default_collate(list(items))


def _shown(part: Dataset, name: str | None, data: DataConfig, seed: int) -> tuple[Shown, ...]:
    plain = tuple(Shown(sample) for sample in part)
    if data.balance.method == "none":
        return plain
    if name not in (None, "train"):
        raise UsageError(
            f"The part '{name}' is not trained on and must not be balanced.\nLeave data.balance out."
        )
    found = classes_and_shares(part.samples)
    classes_of = {sample.name: classes for sample, (classes, _) in zip(part, found, strict=True)}
    return balance_part(data.balance, part.samples, classes_of, part.classes, seed)
