"""COCO files as Roboflow, CVAT and Label Studio write them, and what no tool should write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawscope.data.open import open_dataset
from flawscope.errors import DataError, LayoutError
from flawscope.images.rle import encode_rle

from ..small import photo, save

SQUARE = [4.0, 6.0, 12.0, 6.0, 12.0, 10.0, 4.0, 10.0]
BLOCK = np.zeros((24, 32), bool)
BLOCK[6:10, 4:12] = True


def export(path: Path, file: str = "a.png", drawn: object = None, **more: Any) -> None:
    """A JSON file of one image of 32 x 24 px with one object of the category 1."""
    drawn = [SQUARE] if drawn is None else drawn
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": drawn, "bbox": [4, 6, 8, 4]}
    content = {
        "categories": [{"id": 1, "name": "crack", "supercategory": ""}],
        "images": [{"id": 1, "width": 32, "height": 24, "file_name": file}],
        "annotations": [annotation | more.pop("annotation", {})],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | more), encoding="utf-8")


ROBOFLOW = [
    {"id": 0, "name": "cracks", "supercategory": "none"},
    {"id": 1, "name": "crack", "supercategory": "cracks"},
]


def test_roboflow(tmp_path: Path) -> None:
    """Images beside their JSON file, a folder a part; the first category is the project's name."""
    for number, part in enumerate(("train", "valid", "test")):
        name = f"{part[0]}_jpg.rf.0123abc.jpg"
        save(tmp_path / part / name, photo(number))
        export(tmp_path / part / "_annotations.coco.json", name, categories=ROBOFLOW)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "coco"
    assert [info.name for info in dataset.classes] == ["crack"]
    assert [len(dataset.part(part)) for part in ("train", "val", "test")] == [1, 1, 1]
    for sample in dataset:
        assert np.array_equal(sample.mask, BLOCK)
    assert "the category 'cracks' groups the others; left out" in str(dataset.problems[0])


@pytest.mark.parametrize(
    ("categories", "used"),
    [
        (ROBOFLOW, 0),
        ([ROBOFLOW[0] | {"supercategory": "walls"}, ROBOFLOW[1]], 1),
        ([*ROBOFLOW, {"id": 2, "name": "rust", "supercategory": "none"}], 1),
        (ROBOFLOW[:1], 0),
    ],
    ids=["used", "grouped itself", "no group of all", "alone"],
)
def test_a_first_category_that_may_be_a_class_stays(
    tmp_path: Path, categories: list[dict[str, Any]], used: int
) -> None:
    save(tmp_path / "train/a.png", photo(1))
    path = tmp_path / "train/_annotations.coco.json"
    export(path, categories=categories, annotation={"category_id": used})
    assert open_dataset(tmp_path).classes[0].name == "cracks"


def test_cvat_marks_brushed_masks_as_crowds(tmp_path: Path) -> None:
    """CVAT writes each of them as plain counts with iscrowd 1; they are what the annotator brushed."""
    save(tmp_path / "images/default/a.png", photo(1))
    counts = json.loads(encode_rle(BLOCK, "coco-counts"))
    drawn = {"counts": counts, "size": [24, 32]}
    export(tmp_path / "annotations/instances_default.json", drawn=drawn, annotation={"iscrowd": 1})
    dataset = open_dataset(tmp_path)
    assert np.array_equal(dataset["a"].mask, BLOCK)
    assert "1 annotations are marked iscrowd; they count as marks of their class" in str(dataset.problems[0])


def test_cvat_subsets_of_any_name(tmp_path: Path) -> None:
    """Samples of one stem were two of one name; a subset with an underscore was looked for in half of it."""
    for number, subset in enumerate(("east_wall", "west_wall")):
        save(tmp_path / "images" / subset / "a.png", photo(number))
        drawn = [SQUARE] if number else {"size": [24, 32], "counts": [24 * 32]}
        export(tmp_path / f"annotations/instances_{subset}.json", drawn=drawn)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("east_wall/a.png", "west_wall/a.png")
    assert not np.any(dataset["east_wall/a.png"].mask)
    assert np.array_equal(dataset["west_wall/a.png"].mask, BLOCK)


def test_label_studio_with_paths_of_windows_and_objects_of_two_parts(tmp_path: Path) -> None:
    save(tmp_path / "images/8f2e0a3b-a.png", photo(1))
    drawn = [SQUARE, [20.0, 2.0, 24.0, 2.0, 24.0, 5.0, 20.0, 5.0]]
    export(tmp_path / "result.json", "images\\8f2e0a3b-a.png", drawn, annotation={"ignore": 0})
    expected = BLOCK.copy()
    expected[2:5, 20:24] = True
    assert np.array_equal(open_dataset(tmp_path)["8f2e0a3b-a"].mask, expected)


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        ({"size": [24, 32], "counts": [10**30]}, "sum to more than any image has"),
        ({"size": [24, 32], "counts": "o" * 20_000 + "0"}, "sum to more than any image has"),
        ([[10**400, 0, 1, 1, 2, 2]], "no number"),
        ([[True, False, 3, 4, 5, 1]], "no number"),
        ([[100, 100, 110, 100, 110, 110]], "lies outside its image of 32 x 24 px"),
        ([SQUARE, [-9, 0, -3, 0, -3, 5]], "lies outside its image"),
    ],
    ids=["count", "compressed", "coordinate", "truth values", "outside", "part outside"],
)
def test_numbers_beyond_the_image_are_refused(tmp_path: Path, drawn: object, says: str) -> None:
    save(tmp_path / "images/a.png", photo(1))
    export(tmp_path / "annotations/instances.json", drawn=drawn)
    with pytest.raises(DataError, match=rf"annotations\[0\].*{says}"):
        open_dataset(tmp_path)


def test_a_polygon_may_touch_the_edge(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", photo(1))
    export(tmp_path / "annotations/instances.json", drawn=[SQUARE, [32, 3, 32.5, 3, 32.5, 9]])
    assert np.array_equal(open_dataset(tmp_path)["a"].mask, BLOCK)


@pytest.mark.parametrize(
    ("categories", "says"),
    [
        ([{"id": 1, "name": "crack"}, {"id": 1, "name": "rust"}], r"categories\[1\] has the id 1 of 'crack'"),
        ([{"id": 1}], r"categories\[0\] has no name"),
    ],
)
def test_categories_need_an_id_and_a_name(tmp_path: Path, categories: list[Any], says: str) -> None:
    save(tmp_path / "images/a.png", photo(1))
    export(tmp_path / "annotations/instances.json", categories=categories)
    with pytest.raises(LayoutError, match=says):
        open_dataset(tmp_path)


@pytest.mark.parametrize("start", ['{"images": "file_name", "annotations": ', '[{"annotations": "data"}, '])
def test_json_of_endless_depth(tmp_path: Path, start: str) -> None:
    save(tmp_path / "images/a.png", photo(1))
    (tmp_path / "deep.json").write_text(start + "[" * 200_000)
    with pytest.raises(LayoutError, match=r"deep\.json: cannot be read as JSON"):
        open_dataset(tmp_path)
