"""Before the first step: groups stay together, rare pixels are found, and drawn cracks fit the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import DataError, UsageError
from flawscope.training.config import TrainConfig
from flawscope.training.folds import train_folds
from flawscope.training.prepare import Prepared, positive_shares, prepare, synth_pool
from flawscope.training.progress import Silent
from flawscope.training.store import PictureStore, Source
from flawscope.types import ClassInfo, Sample

from .small import CRACK, samples, settings


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def patches(photographs: str = "abcdef", each: int = 3) -> Dataset:
    """Patches of photographs, which the set itself does not tell apart."""
    some = samples(len(photographs) * each)
    names = [f"{letter}_{k}" for letter in photographs for k in range(each)]
    named = tuple(replace(one, name=name, source="") for one, name in zip(some, names, strict=True))
    return Dataset(Path("patches"), "none", CRACK, "segmentation", named, classes_named=True)


def photographs(names: tuple[str, ...]) -> set[str]:
    return {name.partition("_")[0] for name in names}


def prepared(config: TrainConfig, dataset: Dataset, split: Split | None = None, told: Any = None) -> Prepared:
    return prepare(config, dataset, split, told or Silent(), 1)


def test_validation_is_carved_by_the_groups_of_the_split_that_is_given() -> None:
    data = patches()
    split = Split(parts={"train": data.names}, group_by="prefix")
    for seed in range(3):
        parts = prepared(settings(train={"seed": seed}), data, split).split.parts
        assert photographs(parts["train"]).isdisjoint(photographs(parts["val"]))


def test_folds_are_cut_by_the_groups_and_take_the_place_of_val(tmp_path: Path) -> None:
    data, told = patches(), Told()
    parts = {"train": data.names[:9], "val": data.names[9:15], "test": data.names[15:]}
    split = Split(parts=parts, folds=(data.names[:3], data.names[3:6], data.names[6:9]), group_by="prefix")
    runs = train_folds(settings(train={"steps": 1}), data, tmp_path / "run", 2, split=split, reporter=told)
    held = [run.folder / "split.json" for run in runs]
    folds = [Split.model_validate_json(path.read_bytes()).part("val") for path in held]
    assert sorted(name for fold in folds for name in fold) == list(data.names[:15])
    assert photographs(folds[0]).isdisjoint(photographs(folds[1]))
    assert "note: the split has 3 folds; 2 are cut anew" in told.lines
    assert "note: the 6 images of the part 'val' are dealt to the folds as well" in told.lines


def rare_store(marked: int, count: int = 12) -> PictureStore:
    """Pictures of which one alone shows a class."""

    def load(number: int) -> Any:
        mask = np.zeros((8, 8), np.uint8)
        mask[0] = number == marked
        return np.zeros((8, 8, 3), np.uint8), mask

    sources = [Source(str(k), lambda k=k: load(k)) for k in range(count)]  # type: ignore[misc]
    return PictureStore(sources, 10**6)


def test_a_rare_class_is_found_where_few_masks_were_looked_at() -> None:
    assert positive_shares(rare_store(6), CRACK, most=4) == [8 / (4 * 64)]
    assert positive_shares(rare_store(7), CRACK, most=4) == [8 / (12 * 64)], "all of them, then"
    with pytest.raises(DataError, match="No pixel of crack in 12 training masks"):
        positive_shares(rare_store(-1), CRACK, most=4)


SYNTH = {"crop_px": 32, "synth": {"images": 2, "size_hw": [64, 64]}}


def test_one_class_by_any_name_is_that_of_drawn_cracks() -> None:
    data = replace(patches(), classes=(ClassInfo(1, "fissure"),))
    assert [info.name for info in prepared(settings(data=SYNTH), data).classes] == ["fissure"]
    two = replace(data, classes=(*data.classes, ClassInfo(2, "rust")))
    with pytest.raises(UsageError, match=r"draws crack \(1\); this data set has fissure \(1\), rust \(2\)"):
        prepared(settings(data=SYNTH), two)


def on_photographs(small: int) -> tuple[TrainConfig, Prepared]:
    """Nine photographs to train on; ``small`` of them have no 32 px a side."""

    def cut(one: Sample) -> Sample:
        image, mask = one.image, one.read_mask
        assert mask is not None
        return replace(one, image=lambda: image()[:, :30], read_mask=lambda: mask()[:, :30])

    data = patches("abcd")
    some = tuple(cut(one) if k < small else one for k, one in enumerate(data.samples))
    config = settings(data={"crop_px": 16, "synth": {**SYNTH["synth"], "images": 9, "ground": "photographs"}})  # type: ignore[dict-item]
    split = Split(parts={"train": data.names[:9], "val": data.names[9:]})
    return config, prepared(config, replace(data, samples=some), split)


def test_photographs_that_are_too_small_are_not_drawn_on() -> None:
    told = Told()
    config, found = on_photographs(1)
    pool = synth_pool(config, found, told)
    assert pool is not None and len(pool.sources(0, 1)) == 9
    assert told.lines == [
        "note: 1 training photographs of less than 32 px a side get no cracks drawn on them, e.g. a_0"
    ]
    with pytest.raises(DataError, match="None of 9 training photographs has 32 px a side"):
        synth_pool(*on_photographs(9), told)
