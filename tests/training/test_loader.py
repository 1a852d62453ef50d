"""The public data set and loader: each item once an epoch, the same for any number of workers."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split
from flawscope.errors import DataError, UsageError
from flawscope.manifest import InputSpec
from flawscope.training.augment_config import AugmentConfig
from flawscope.training.config import BalanceConfig, DataConfig
from flawscope.training.loader import PartDataset, loader_of_steps, make_loader
from flawscope.types import ClassInfo, Sample

from .small import draw, samples, write_set

CROPS = DataConfig(crop_px=32, crops_per_image=3)


def masks(count: int = 5) -> Dataset:
    """Return drawn samples as a data set, the last in the part ``val``."""
    found = samples(count)
    names = [sample.name for sample in found]
    split = Split(parts={"train": tuple(names[:-1]), "val": tuple(names[-1:])})
    return Dataset(Path("set"), "drawn", (ClassInfo(1, "crack"),), "segmentation", tuple(found), split)


def _grey(value: int) -> Any:
    return np.full((28, 28, 3), value, np.uint8)


def labels(rows: list[tuple[int, ...]]) -> Dataset:
    """Return plain grey images whose value is their number."""
    found = tuple(Sample(f"{n}", partial(_grey, n), None, row) for n, row in enumerate(rows))
    classes = tuple(ClassInfo(n, f"digit {n}", kind="image") for n in range(3))
    return Dataset(Path("set"), "drawn", classes, "classification", found)


def key_of(image: torch.Tensor) -> bytes:
    return image.numpy().tobytes()


def test_length_and_items() -> None:
    whole = PartDataset(masks())
    assert len(whole) == 5
    image, mask = whole[0]
    assert image.shape == (3, 48, 64) and image.dtype == torch.float32
    assert mask.shape == (48, 64) and mask.dtype == torch.uint8
    assert np.array_equal(mask.numpy(), draw(0)[1])
    assert torch.equal(whole[-1][0], whole[4][0])
    assert len(list(whole)) == 5, "a plain for loop ends"
    with pytest.raises(IndexError, match="item 5 of 5"):
        whole[5]
    crops = PartDataset(masks(), "train", data=CROPS, augment=AugmentConfig())
    assert len(crops) == 12
    assert crops[0][0].shape == (3, 32, 32)
    assert torch.equal(crops[3][0], crops[0, 3][0])
    assert not torch.equal(crops[3][0], crops[1, 3][0]), "each epoch shows other crops"


def test_parts_of_a_split() -> None:
    assert [sample.name for sample in PartDataset(masks(), "val").samples] == ["004"]
    other = Split(parts={"test": ("001", "000")})
    assert [sample.name for sample in PartDataset(masks(), "test", other).samples] == ["001", "000"]
    with pytest.raises(DataError, match="no part 'calibration'"):
        PartDataset(masks(), "calibration")
    with pytest.raises(DataError, match="part 'all' is empty"):
        PartDataset(masks().subset([]))


@given(count=st.integers(1, 9), batch=st.integers(1, 7), shuffle=st.booleans(), drop_last=st.booleans())
@hypothesis_settings(deadline=None, max_examples=40)
def test_every_item_once(count: int, batch: int, shuffle: bool, drop_last: bool) -> None:
    images = PartDataset(labels([(n % 3,) for n in range(count)]))
    loader = make_loader(images, batch, shuffle=shuffle, drop_last=drop_last)
    whole = {key_of(image): label for image, label in images}
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader)
        sizes = [len(image) for image, _ in batches]
        assert all(size == batch for size in sizes[: len(sizes) if drop_last else -1])
        seen = [(key_of(i), t) for image, label in batches for i, t in zip(image, label, strict=True)]
        assert all(whole[key] == label for key, label in seen)
        once = Counter(key for key, _ in seen)
        assert not once or max(once.values()) == 1, "no item twice"
        assert sum(once.values()) == (count // batch * batch if drop_last else count)
        if not shuffle:
            assert [key for key, _ in seen] == list(whole)[: len(seen)]


def test_a_shuffled_epoch_differs_from_the_next_and_repeats_for_a_seed() -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = make_loader(PartDataset(labels([(0,)] * 12), seed=seed), 4)
        return [[round(float(i[0, 0, 0]), 4) for image, _ in loader for i in image] for _ in range(2)]  # type: ignore[misc]

    first, second = epochs(1)
    assert first != second and sorted(first) == sorted(second)
    assert epochs(1) == [first, second]
    assert epochs(2)[0] != first
    loader = make_loader(PartDataset(labels([(0,)] * 12), seed=1), 4)
    loader.batch_sampler.epoch = 1  # type: ignore[union-attr]
    assert [round(float(i[0, 0, 0]), 4) for image, _ in loader for i in image] == second


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    def batches(count: int) -> list[torch.Tensor]:
        images = PartDataset(masks(), data=CROPS, augment=AugmentConfig(), seed=5)
        return [part for batch in make_loader(images, 4, workers=count) for part in batch]

    for one, two in zip(batches(0), batches(workers), strict=True):
        assert torch.equal(one, two)


def _note(value: int) -> Any:
    """Draw from every global generator, as a transform of one's own might."""
    numbers = (random.random(), np.random.random(), float(torch.rand(())))
    return np.full((8, 8, 3), np.array([int(255 * number) for number in numbers]), np.uint8)


def test_each_worker_has_seeds_of_its_own_that_repeat() -> None:
    found = tuple(Sample(f"{n}", partial(_note, n), None, (0,)) for n in range(4))
    dataset = Dataset(Path("set"), "drawn", (ClassInfo(0, "a"),), "classification", found)

    def colours(seed: int) -> list[bytes]:
        loader = make_loader(PartDataset(dataset), 2, shuffle=False, workers=2, seed=seed)
        return [key_of(image[:, 0, 0]) for batch, _ in loader for image in batch]

    first = colours(1)
    assert len(set(first)) == 4, "workers do not repeat each other"
    assert colours(1) == first != colours(2)


def test_labels() -> None:
    one = PartDataset(labels([(2,), (0,), (1,)]))
    assert [int(label) for _, label in one] == [2, 0, 1]
    assert one[0][1].dtype == torch.int64
    several = PartDataset(labels([(2, 0), (), (1,)]))
    _, batch = next(iter(make_loader(several, 3, shuffle=False)))
    assert batch.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert batch.dtype == torch.float32
    crops = PartDataset(labels([(2,), (0,)]), data=DataConfig(crop_px=16, crops_per_image=2))
    assert [int(label) for _, label in crops] == [2, 2, 0, 0]
    assert crops[0][0].shape == (3, 16, 16)
    grey = InputSpec(mode="resize", size_hw=(14, 20), channels="grey", mean=(0.5,), std=(0.5,))
    assert PartDataset(labels([(1,)]), spec=grey)[0][0].shape == (1, 14, 20)


def test_balance_in_the_training_part_only() -> None:
    data = DataConfig(crop_px=0, crops_per_image=1, balance=BalanceConfig(target=4))
    images = PartDataset(labels([(0,)] * 9 + [(1,)]), data=data)
    assert Counter(int(label) for _, label in images) == {0: 4, 1: 4}
    drawn = data.model_copy(update={"balance": BalanceConfig(method="sampler", target=4)})
    weighted = PartDataset(labels([(0,)] * 9 + [(1,)]), data=drawn)
    seen = Counter(int(label) for _, labels_ in make_loader(weighted, 5) for label in labels_)
    assert seen == {0: 5, 1: 5}
    with pytest.raises(UsageError, match="part 'val' is not trained on"):
        PartDataset(masks(), "val", data=data)


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match="batch is 0"):
        make_loader(PartDataset(masks()), 0)
    uneven = masks().with_samples([Sample("a", partial(_grey, 1), None), *samples(1)])
    with pytest.raises(DataError, match="has no mask"):
        PartDataset(uneven)[0]
    sizes = labels([(0,)]).with_samples(
        [Sample("a", partial(_grey, 1), None, (0,)), Sample("b", partial(_part, 1), None, (0,))]
    )
    with pytest.raises(DataError, match="28 x 28, 64 x 48 px cannot be one batch"):
        next(iter(make_loader(PartDataset(sizes), 2)))


def _part(number: int) -> Any:
    return draw(number)[0]


def test_a_set_on_disk(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "set", 4))
    image, mask = next(iter(make_loader(PartDataset(dataset), 4, workers=1)))
    assert image.shape == (4, 3, 48, 64) and int(mask.max()) == 1


def test_training_reads_through_the_same_items() -> None:
    images = PartDataset(masks(), data=CROPS, augment=AugmentConfig(), seed=3)
    from flawscope.training.crops import deal

    steps = deal(images.crops.order(0), 4)
    trained = list(loader_of_steps(images.crops, steps, 0, torch.device("cpu")))
    for (one, _), (two, _) in zip(trained, make_loader(images, 4), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("name", "part", "shape"), [("cfd", "train", (3, 320, 480)), ("neu_cls", "test", (3, 200, 200)),
                                ("severstal_10", None, (3, 256, 1600)), ("mnist", "test", (3, 28, 28))]
)  # fmt: skip
def test_real_sets(data_root: Path, name: str, part: str | None, shape: tuple[int, ...]) -> None:
    images = PartDataset(open_dataset(data_root / name), part)
    image, truth = next(iter(make_loader(images, 2)))
    assert image.shape == (2, *shape)
    assert truth.shape[0] == 2
