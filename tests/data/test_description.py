"""``dataset.toml``: class ids count, and what does not fit together is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flawscope.data.description import Description, described_classes
from flawscope.data.open import open_dataset
from flawscope.errors import DataError

from .small import image_mask_set, photo, save, truth


def _describe(root: Path, *entries: str) -> Path:
    (root / "dataset.toml").write_text("".join(f"[[classes]]\n{entry}\n" for entry in entries))
    return root


def _numbered(root: Path, *pairs: tuple[int, str]) -> Path:
    return _describe(root, *(f'id = {number}\nname = "{name}"' for number, name in pairs))


def _indexed(root: Path) -> Path:
    for number in range(2):
        save(root / f"images/{number}.png", photo(number))
        save(root / f"masks/{number}.png", truth(number, classes=3))
    return root


def _classified(root: Path) -> Path:
    for name in ("a", "b"):
        save(root / f"{name}/0.jpg", photo(ord(name)))
    return root


def _coco(root: Path) -> Path:
    save(root / "images/1.jpg", photo(1))
    content = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [],
        "categories": [{"id": 7, "name": "crack"}, {"id": 3, "name": "spall"}],
    }
    (root / "instances.json").write_text(json.dumps(content))
    return root


def _severstal(root: Path) -> Path:
    save(root / "train_images/a.jpg", photo(1))
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,3,1 4\n")
    return root


def test_masks_get_their_names_by_id_whatever_the_order(tmp_path: Path) -> None:
    _numbered(_indexed(tmp_path), (3, "rust"), (1, "crack"), (2, "spall"))
    dataset = open_dataset(tmp_path)
    assert [(info.id, info.name) for info in dataset.classes] == [(1, "crack"), (2, "spall"), (3, "rust")]
    assert np.array_equal(dataset["1"].mask, truth(1, classes=3))


def test_every_layout_holds_to_the_ids(tmp_path: Path) -> None:
    found = {}
    for make in (_coco, _severstal):
        _numbered(make(tmp_path / make.__name__), (2, "crack"), (1, "spall"))
        found[make] = [(info.id, info.name) for info in open_dataset(tmp_path / make.__name__).classes]
    assert found[_coco] == [(1, "spall"), (2, "crack")]
    assert found[_severstal] == [(1, "spall"), (2, "crack"), (3, "class-3")]
    _numbered(_classified(tmp_path / "folders"), (1, "a"), (0, "b"))
    dataset = open_dataset(tmp_path / "folders")
    assert [(info.id, info.name) for info in dataset.classes] == [(0, "b"), (1, "a")]
    assert dataset["a/0"].labels == (1,)


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ((1, 1, 2), r"ids 1, 1, 2\.\nExpected 1 to 3"),
        ((1, 2, 4), r"ids 1, 2, 4\.\nExpected 1 to 3"),
        ((2, 3, 4), r"ids 2, 3, 4\.\nExpected 1 to 3"),
        ((0, 1, 2), r"'rust' the id 0; the layout image-mask has 1 = rust(.|\n)*0 is the background"),
    ],
)
def test_ids_that_leave_no_sense(tmp_path: Path, ids: tuple[int, int, int], says: str) -> None:
    _numbered(_indexed(tmp_path), *zip(ids, ("rust", "crack", "spall"), strict=True))
    with pytest.raises(DataError, match=says):
        open_dataset(tmp_path)


def test_ids_of_classified_images_start_at_0(tmp_path: Path) -> None:
    _numbered(_classified(tmp_path), (1, "a"), (2, "b"))
    with pytest.raises(DataError, match=r"'a' the id 1(.|\n)*from 0 where images are classified"):
        open_dataset(tmp_path)


def test_ids_of_some_classes_and_names_given_twice(tmp_path: Path) -> None:
    _describe(image_mask_set(tmp_path, 2), 'name = "crack"\nid = 1', 'name = "spall"')
    with pytest.raises(DataError, match="'spall' has none"):
        open_dataset(tmp_path)
    _describe(tmp_path, 'name = "crack"', 'name = "crack"')
    with pytest.raises(DataError, match=r"two .* called 'crack'"):
        open_dataset(tmp_path)


def test_classes_take_kind_and_colour_by_name() -> None:
    entries = [{"name": "vein", "kind": "line", "colour": "#112233"}, {"name": "pit"}]
    description = Description.model_validate({"classes": entries})
    pit, vein, other = described_classes(
        description, {1: "pit", 2: "vein", 3: "else"}, colours=("#aaaaaa", "#bbbbbb")
    )
    assert (pit.id, pit.kind, pit.colour) == (1, "area", "#aaaaaa")
    assert (vein.id, vein.kind, vein.colour) == (2, "line", "#112233")
    assert (other.id, other.name) == (3, "else")
    assert described_classes(description, {0: "vein"}, "image")[0].kind == "image"
