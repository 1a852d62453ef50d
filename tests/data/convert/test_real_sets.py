"""Real sets through every target that can hold them, and back."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.convert import ConvertOptions, convert
from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset

from .test_convert import DRAWN_TARGETS, index_of


@cache
def every(root: Path, count: int) -> Dataset:
    """About so many samples of a set, spread evenly."""
    data = open_dataset(root)
    return data.subset(data.names[:: max(1, len(data) // count)])


ONE_CLASS = ["kaggle-cracks", "crackforest"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *(("severstal_10", target) for target in ("image-mask", *DRAWN_TARGETS)),
        *(("neu_seg", target) for target in ("image-mask", *DRAWN_TARGETS)),
        *(("cfd", target) for target in ("image-mask", *ONE_CLASS, *DRAWN_TARGETS)),
        *(("kolektor_sdd", target) for target in ("image-mask", *ONE_CLASS, *DRAWN_TARGETS)),
        *(("isbi2012_em", target) for target in ("image-mask", "cvat")),
    ],
)
def test_masks_come_back(name: str, target: str, data_root: Path, tmp_path: Path) -> None:
    data = every(data_root / name, 6)
    result = convert([data], target, tmp_path / "set")
    back = open_dataset(tmp_path / "set")
    assert back.layout == target
    assert [info.name for info in back.classes] == [info.name for info in data.classes]
    assert len(back) == len(data) == result.images
    assert not [problem for problem in back.problems if problem.kind == "split"]
    for entry in result.plan.entries:
        found, own_mask = back[entry.name].mask, entry.sample.mask
        assert found is not None
        assert own_mask is not None
        assert np.array_equal(index_of(found), index_of(own_mask))
        if target not in ONE_CLASS:
            assert np.array_equal(back[entry.name].image(), entry.sample.image()) or target == "severstal"


@pytest.mark.parametrize(
    ("name", "target"), [("neu_cls", "image-folder"), ("neu_cls", "csv-labels"), ("mnist", "idx")]
)
def test_labels_come_back(name: str, target: str, data_root: Path, tmp_path: Path) -> None:
    data = every(data_root / name, 40)
    convert([data], target, tmp_path / "set")
    back = open_dataset(tmp_path / "set")
    assert [info.name for info in back.classes] == [info.name for info in data.classes]
    assert sorted(sample.labels for sample in back) == sorted(sample.labels for sample in data)
    own = data.default_split
    assert own is not None
    assert back.default_split is not None
    for part, names in back.default_split.parts.items():
        pictures = {data[name].image().tobytes() for name in own.parts[part] if name in data}
        assert {back[name].image().tobytes() for name in names} == pictures
        assert len(names) == len(pictures)


def test_crack_sets_merge(data_root: Path, tmp_path: Path) -> None:
    sets = [open_dataset(data_root / name) for name in ("cfd", "masonry")]
    sets = [one.subset(one.names[:3] + one.names[-3:]) for one in sets]
    convert(sets, "kaggle-cracks", tmp_path / "set", ConvertOptions(size_hw=(224, 224)))
    back = open_dataset(tmp_path / "set")
    assert len(back) == 12
    assert set(back.sources) == {"cfd", "masonry"}
    assert all(sample.image().shape == (224, 224, 3) for sample in back)
