"""``open_dataset``: layouts told or forced, own splits, descriptions, faulty files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from flawscope.data import open as open_module
from flawscope.data.dataset import Dataset
from flawscope.data.open import LAYOUTS, Layout, open_dataset
from flawscope.errors import DataError, LayoutError, UsageError

from .small import image_mask_set, photo, save, truth


def test_opens_and_reads(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path))
    assert dataset.layout == "image-mask"
    assert dataset.names == ("000", "001", "002", "003", "004", "005")
    assert [(info.id, info.name, info.kind) for info in dataset.classes] == [(1, "crack", "line")]
    assert dataset.task == "segmentation"
    sample = dataset["003"]
    assert sample.source == tmp_path.name
    assert np.array_equal(sample.image(), photo(3))
    assert np.array_equal(sample.mask, truth(3))


def test_samples_can_travel_to_other_processes(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path, 2))
    copy = pickle.loads(pickle.dumps(dataset.samples[1]))
    assert np.array_equal(copy.mask, truth(1))


def test_subset_part_and_unknown_names(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path))
    assert dataset.subset(["004", "001"]).names == ("004", "001")
    assert "004" in dataset
    assert dataset.class_named("crack").id == 1
    with pytest.raises(DataError, match="did you mean '004'"):
        dataset.subset(["0044"])
    with pytest.raises(DataError, match="no split of its own"):
        dataset.part("train")
    with pytest.raises(DataError, match="no class 'joint'"):
        dataset.class_named("joint")


def test_own_split_file(tmp_path: Path) -> None:
    image_mask_set(tmp_path)
    parts = {"train": ["000", "001"], "test": ["002", "gone"]}
    (tmp_path / "split.json").write_text(json.dumps({"schema": 1, "parts": parts}))
    dataset = open_dataset(tmp_path)
    assert dataset.part("test").names == ("002",)
    assert any("'gone'" in str(problem) for problem in dataset.problems)
    with pytest.raises(DataError, match="no part 'val'"):
        dataset.part("val")


def test_grouping_in_the_words_of_a_split_file(tmp_path: Path) -> None:
    for name in ("a_1_1", "a_1_2", "a_2_1"):
        save(tmp_path / f"images/{name}.png", photo(len(name)))
        save(tmp_path / f"masks/{name}.png", truth(1) * 255)
    words = "photograph: the name less its last field"
    (tmp_path / "split.json").write_text(json.dumps({"schema": 1, "parts": {}, "group_by": words}))
    assert [sample.group for sample in open_dataset(tmp_path)] == ["a_1", "a_1", "a_2"]


def test_description_names_classes_values_source_and_group(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", photo(number))
        save(tmp_path / f"masks/{number}.png", (truth(number, classes=2) * 100).astype(np.uint8))
    (tmp_path / "dataset.toml").write_text(
        """
source = "Tunnel"
group = "regex:^(.)"
[mask_values]
"100" = "crack"
"200" = "joint"
[[classes]]
name = "crack"
colour = "#112233"
[[classes]]
name = "joint"
kind = "line"
"""
    )
    dataset = open_dataset(tmp_path)
    assert [(info.id, info.name, info.kind) for info in dataset.classes] == [
        (1, "crack", "line"),
        (2, "joint", "line"),
    ]
    assert dataset.classes[0].colour == "#112233"
    assert dataset.classes_named
    assert dataset.sources == ("Tunnel",)
    assert [sample.group for sample in dataset] == ["0", "1", "2"]
    assert np.array_equal(dataset["2"].mask, truth(2, classes=2))


@pytest.mark.parametrize(
    ("text", "says"),
    [("clases = []", "clases"), ("[[classes", "TOML"), ('group = "nonsense"', "no grouping 'nonsense'")],
)
def test_bad_description(tmp_path: Path, text: str, says: str) -> None:
    (image_mask_set(tmp_path) / "dataset.toml").write_text(text)
    with pytest.raises((LayoutError, UsageError), match=says):
        open_dataset(tmp_path)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="does not exist"):
        open_dataset(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LayoutError, match="is a file"):
        open_dataset(tmp_path / "file")
    with pytest.raises(LayoutError, match="the folder holds file"):
        open_dataset(tmp_path)
    with pytest.raises(LayoutError, match=r"no layout 'image-msk'.*'image-mask'"):
        open_dataset(tmp_path, layout="image-msk")
    with pytest.raises(LayoutError, match="no image has a mask"):
        open_dataset(tmp_path, layout="image-mask")


def test_skip_bad_leaves_out_and_lists(tmp_path: Path) -> None:
    image_mask_set(tmp_path)
    (tmp_path / "images/001.png").write_bytes(b"")
    save(tmp_path / "masks/002.png", truth(2, (9, 9)) * 255)
    (tmp_path / "split.json").write_text(json.dumps({"schema": 1, "parts": {"train": ["000", "001"]}}))
    assert len(open_dataset(tmp_path)) == 6
    dataset = open_dataset(tmp_path, skip_bad=True)
    assert dataset.names == ("000", "003", "004", "005")
    assert {problem.path for problem in dataset.problems} == {"001", "002"}
    assert dataset.part("train").names == ("000",)


def test_third_party_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "theirs"

        @staticmethod
        def load() -> Layout:
            def read(root: Path, options: object) -> Dataset:
                return Dataset(root, "theirs", (), "segmentation", ())

            return Layout(lambda root: (root / "theirs").exists(), read, "a file called theirs")

    monkeypatch.setattr(open_module, "entry_points", lambda group: [Entry])
    (tmp_path / "theirs").write_bytes(b"")
    assert open_dataset(tmp_path).layout == "theirs"
    assert "theirs" not in LAYOUTS


@pytest.mark.parametrize(
    ("name", "count", "group"),
    [
        ("cfd", 118, ""),
        ("crack_sc", 197, ""),
        ("masonry", 240, "a_0"),
        ("kolektor_sdd", 40, "kos02"),
        ("neu_seg", 3630, ""),
        ("isbi2012_em", 30, "slices-0"),
    ],
)
def test_real_sets(data_root: Path, name: str, count: int, group: str) -> None:
    dataset = open_dataset(data_root / name)
    assert len(dataset) == count
    assert dataset.samples[0].group == group
    split = dataset.default_split
    assert split is not None
    assert set(split.names()) == set(dataset.names)
    mask = dataset.samples[0].mask
    assert mask is not None
    assert mask.shape == dataset.samples[0].image().shape[:2]
    assert set(np.unique(mask)) <= {0, *(info.id for info in dataset.classes)}
