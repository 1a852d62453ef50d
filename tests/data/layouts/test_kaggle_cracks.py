"""Kaggle's merged crack set: parts, source prefixes, clean images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.layouts.kaggle_cracks import photograph_of, source_of
from flawscope.data.open import open_dataset
from flawscope.errors import LayoutError

from ..small import photo, save, truth


def _write(root: Path) -> Path:
    for number, name in enumerate(("CFD_001", "CFD_002", "DeepCrack_1", "noncrack_wall_1")):
        save(root / f"train/images/{name}.jpg", photo(number))
        clean = name.startswith("noncrack")
        save(root / f"train/masks/{name}.jpg", truth(number) * (0 if clean else 255), quality=90)
    save(root / "test/images/CFD_003.jpg", photo(5))
    save(root / "test/masks/CFD_003.jpg", truth(5) * 255, quality=90)
    save(root / "test/images/noncrack_2.jpg", photo(6))
    return root


def _write_downloaded(root: Path) -> Path:
    """As ``_write``, and all of it again in the root, as the set is downloaded."""
    for file in sorted(_write(root).glob("*/*/*.jpg")):
        copy = root / file.parent.name / file.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return root


@pytest.mark.parametrize("layout", [None, "kaggle-cracks"])
def test_images_in_the_root_repeat_the_parts_and_are_not_read(tmp_path: Path, layout: str | None) -> None:
    dataset = open_dataset(_write_downloaded(tmp_path), layout)
    assert dataset.layout == "kaggle-cracks" and len(dataset) == 6
    assert set(dataset.part("test").names) == {"CFD_003", "noncrack_2"}
    told = [problem for problem in dataset.problems if problem.kind == "unused-folder"]
    assert [Path(problem.path).name for problem in told] == ["images"]


def test_one_part_beside_images_in_the_root_is_no_kaggle_set(tmp_path: Path) -> None:
    shutil.rmtree(_write_downloaded(tmp_path) / "test")
    assert open_dataset(tmp_path).layout == "image-mask"


def test_sources_parts_and_clean_images(tmp_path: Path) -> None:
    dataset = open_dataset(_write(tmp_path))
    assert dataset.layout == "kaggle-cracks"
    assert dataset.sources == ("CFD", "DeepCrack", "noncrack")
    assert set(dataset.part("train").names) == {"CFD_001", "CFD_002", "DeepCrack_1", "noncrack_wall_1"}
    assert set(dataset.part("test").names) == {"CFD_003", "noncrack_2"}
    assert not np.any(dataset["noncrack_2"].mask)
    assert dataset["noncrack_2"].mask.shape == (24, 32)
    assert not np.any(dataset["noncrack_wall_1"].mask)
    assert (dataset["CFD_003"].mask != truth(5)).mean() < 0.05
    assert not [problem for problem in dataset.problems if problem.kind == "no-mask"]


def test_crack_image_without_mask_is_left_out_and_told(tmp_path: Path) -> None:
    save(_write(tmp_path) / "train/images/CFD_009.jpg", photo(9))
    dataset = open_dataset(tmp_path)
    assert "CFD_009" not in dataset
    assert [problem.kind for problem in dataset.problems if problem.kind == "no-mask"] == ["no-mask"]


def test_names_without_a_source_are_another_layout(tmp_path: Path) -> None:
    for part in ("train", "test"):
        save(tmp_path / part / "images/1.png", photo(1))
        save(tmp_path / part / "masks/1.png", truth(1) * 255)
    assert open_dataset(tmp_path).layout == "image-mask"
    assert set(open_dataset(tmp_path, layout="kaggle-cracks").names) == {"train/1", "test/1"}


def test_forced_on_something_else(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no kaggle-cracks set"):
        open_dataset(tmp_path, layout="kaggle-cracks")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("CFD_001", "CFD"),
        ("cracktree200_6192", "cracktree200"),
        ("noncrack_noncrack_concrete_wall_1", "noncrack"),
        ("Noncrack-3", "noncrack"),
        ("train/Volker_DSC01", "Volker"),
        ("001", ""),
    ],
)
def test_source_of(name: str, source: str) -> None:
    assert source_of(name) == source


@pytest.mark.parametrize(
    ("name", "photograph"),
    [
        ("CRACK500_20160222_081011_1_361", "CRACK500_20160222_081011"),
        ("CRACK500_20160222_081011_1281_721", "CRACK500_20160222_081011"),
        ("Rissbilder_for_Florian_9S6A2811_769_576_3408_3375", "Rissbilder_for_Florian_9S6A2811"),
        ("Volker_DSC01609_157_44_1184_1458", "Volker_DSC01609"),
        ("GAPS384_train_0004_541_1", "GAPS384_train_0004"),
        ("CFD_001", ""),
        ("DeepCrack_11215-5", ""),
        ("noncrack_noncrack_concrete_wall_10_13", ""),
    ],
)
def test_crops_belong_to_their_photograph(name: str, photograph: str) -> None:
    assert photograph_of(name) == photograph


def test_crops_of_one_photograph_are_one_group(tmp_path: Path) -> None:
    for stem in ("CRACK500_20160222_081011_1_361", "CRACK500_20160222_081011_641_361", "CFD_001", "CFD_002"):
        save(tmp_path / "train" / "images" / f"{stem}.png", np.zeros((8, 8, 3), np.uint8))
        save(tmp_path / "train" / "masks" / f"{stem}.png", np.eye(8, dtype=np.uint8) * 255)
    groups = {sample.name: sample.group for sample in open_dataset(tmp_path, "kaggle-cracks")}
    assert set(groups.values()) == {"CRACK500_20160222_081011", ""}
    assert [name for name, group in groups.items() if not group] == ["CFD_001", "CFD_002"]
