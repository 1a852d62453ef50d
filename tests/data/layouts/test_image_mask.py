"""Every arrangement of images and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.data.open import open_dataset
from flawscope.data.split import split
from flawscope.errors import ImageError, LayoutError

from ..small import image_mask_set, photo, save, truth


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("image", "label"),
        ("train_img", "train_lab"),
        ("brick_224_images", "brick_224_masks"),
        ("JPEGImages", "SegmentationClass"),
        ("images/training", "annotations/training"),
        ("train/image", "train/label"),
    ],
)
def test_folder_pairs(tmp_path: Path, images: str, masks: str) -> None:
    dataset = open_dataset(image_mask_set(tmp_path, 3, images, masks))
    assert dataset.names == ("000", "001", "002")
    assert np.array_equal(dataset["001"].mask, truth(1))
    assert dataset.default_split is None


@pytest.mark.parametrize(
    ("images", "masks"), [("images/{}", "annotations/{}"), ("{}/images", "{}/masks"), ("{}_img", "{}_lab")]
)
def test_part_folders_are_the_default_split(tmp_path: Path, images: str, masks: str) -> None:
    image_mask_set(tmp_path, 3, images.format("train"), masks.format("train"))
    for number in (7, 8):
        save(tmp_path / images.format("validation") / f"{number}.png", photo(number))
        save(tmp_path / masks.format("validation") / f"{number}.png", truth(number) * 255)
    dataset = open_dataset(tmp_path)
    assert dataset.part("train").names == ("000", "001", "002")
    assert dataset.part("val").names == ("7", "8")


def test_part_stays_in_the_name_where_stems_repeat(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2, "images/train", "masks/train")
    image_mask_set(tmp_path, 2, "images/test", "masks/test")
    assert set(open_dataset(tmp_path).names) == {"train/000", "train/001", "test/000", "test/001"}


def test_subfolders_are_part_of_the_name(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2, "images/bridge 1", "masks/bridge 1")
    image_mask_set(tmp_path, 2, "images/Straße", "masks/Straße")
    assert "Straße/001" in open_dataset(tmp_path)


@pytest.mark.parametrize("end", ["_label", "_mask", "_gt", "-mask"])
def test_side_by_side_with_an_ending(tmp_path: Path, end: str) -> None:
    for number in range(4):
        save(tmp_path / f"item{number // 2}/P{number}.jpg", photo(number))
        save(tmp_path / f"item{number // 2}/P{number}{end}.png", truth(number) * 255)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("item0/P0", "item0/P1", "item1/P2", "item1/P3")
    assert [sample.group for sample in dataset] == ["item0", "item0", "item1", "item1"]


def test_side_by_side_in_one_folder_is_no_group(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"photos 2024/a{number}.jpg", photo(number))
        save(tmp_path / f"photos 2024/a{number}.png", truth(number) * 255)
    dataset = open_dataset(tmp_path)
    assert {sample.group for sample in dataset} == {""}
    assert {len(names) for names in split(dataset, ties={}).parts.values()} == {4, 1}


def test_sets_side_by_side_are_the_sources(tmp_path: Path) -> None:
    for name in ("CFD", "DeepCrack"):
        image_mask_set(tmp_path, 2, f"{name}/images", f"{name}/masks")
    dataset = open_dataset(tmp_path)
    assert [(sample.name, sample.source) for sample in dataset] == [
        ("CFD/000", "CFD"),
        ("CFD/001", "CFD"),
        ("DeepCrack/000", "DeepCrack"),
        ("DeepCrack/001", "DeepCrack"),
    ]
    image_mask_set(tmp_path, 1, "train/images", "train/masks")
    assert open_dataset(tmp_path).sources == tuple(sorted(("CFD", "DeepCrack", tmp_path.name)))
    (tmp_path / "dataset.toml").write_text('source = "walls"')
    assert open_dataset(tmp_path).sources == ("walls",)


@pytest.mark.parametrize("folder", ["{}/images {}/masks", "{}_images {}_masks", "images/{} masks/{}"])
def test_one_folder_or_parts_are_no_sources(tmp_path: Path, folder: str) -> None:
    for number, names in enumerate((("brick",), ("train", "test"))):
        root = tmp_path / f"set{number}"
        for name in names:
            image_mask_set(root, 1, *folder.format(name, name).split())
        assert open_dataset(root).sources == (f"set{number}",)


def test_side_by_side_by_suffix(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.jpg", photo(number))
        save(tmp_path / f"{number}.png", truth(number) * 255)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("0", "1", "2")
    assert dataset["1"].image_path.endswith("1.jpg")


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 3)
    save(tmp_path / "images/extra.png", photo(9))
    save(tmp_path / "masks/lost.png", truth(9))
    save(tmp_path / "more/x.png", photo(9))
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 3
    kinds = {problem.kind: Path(problem.path).name for problem in dataset.problems}
    assert kinds == {"no-mask": "extra.png", "no-image": "lost.png", "unused-folder": "more"}


def test_two_images_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 1)
    save(tmp_path / "images/000.jpg", photo(5))
    assert set(open_dataset(tmp_path).names) == {"000.jpg", "000.png"}


def test_mask_of_another_size(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2)
    save(tmp_path / "masks/001.png", truth(1, (30, 30)) * 255)
    with pytest.raises(ImageError, match="30 x 30 px, its image 32 x 24"):
        _ = open_dataset(tmp_path)["001"].mask


def test_all_masks_unreadable(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 1)
    (tmp_path / "masks/000.png").write_bytes(b"no image")
    with pytest.raises(LayoutError, match="not one mask can be read"):
        open_dataset(tmp_path)


def test_cfd_notes_the_images_without_truth(data_root: Path) -> None:
    problems = open_dataset(data_root / "cfd").problems
    assert ["37 images without masks" in str(problem) for problem in problems] == [True]
