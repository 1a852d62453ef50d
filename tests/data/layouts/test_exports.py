"""Exports of Label Studio and CVAT: read in their true form, and refused entry by entry."""

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

SIZE_HW = (24, 32)


def brush(mask: np.ndarray[Any, Any], name: str = "crack") -> dict[str, Any]:
    rle = json.loads(encode_rle(mask, "label-studio"))
    return {"type": "brushlabels", "value": {"format": "rle", "rle": rle, "brushlabels": [name]}}


def task(image: str, *results: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results)}]}


def studio(root: Path, *tasks: Any) -> Path:
    for number in range(2):
        save(root / "images" / f"a{number}.png", photo(number))
    (root / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    return root


def cvat(root: Path, body: str, labels: tuple[str, ...] = ("crack",)) -> Path:
    for number in range(2):
        save(root / "images" / f"a{number}.png", photo(number))
    names = "".join(f"<label><name>{name}</name></label>" for name in labels)
    head = f"<version>1.1</version><meta><task><labels>{names}</labels></task></meta>"
    (root / "annotations.xml").write_text(f"<annotations>{head}{body}</annotations>", encoding="utf-8")
    return root


def block() -> np.ndarray[Any, Any]:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[6:12, 8:16] = 1
    return mask


@pytest.mark.parametrize(
    "path",
    [
        "images/a0.png",
        "/data/upload/3/a0.png",
        "/data/local-files/?d=images%2Fa0.png",
        "s3://bucket/x/a0.png",
    ],
)
def test_label_studio_finds_images_by_any_of_its_paths(tmp_path: Path, path: str) -> None:
    data = open_dataset(studio(tmp_path, task(path, brush(block()))))
    assert data.layout == "label-studio"
    assert data.names == ("a0",)
    assert np.array_equal(data["a0"].mask, block())


def test_label_studio_polygons_and_rectangles_are_percent(tmp_path: Path) -> None:
    points = [[25, 25], [50, 25], [50, 50], [25, 50]]
    polygon = {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["spall"]}}
    rectangle = {"value": {"x": 25, "y": 25, "width": 25, "height": 25, "rectanglelabels": ["spall"]}}
    choice = {"type": "choices", "value": {"choices": ["wet"]}}
    data = open_dataset(studio(tmp_path, task("a0.png", choice, polygon), task("a1.png", rectangle)))
    assert [info.name for info in data.classes] == ["spall"]
    for sample in data:
        assert np.array_equal(sample.mask, block())


def test_label_studio_takes_the_first_annotation_that_stands(tmp_path: Path) -> None:
    one = task("a0.png", brush(block()))
    one["annotations"].insert(0, {"was_cancelled": True, "result": [brush(1 - block())]})
    assert np.array_equal(open_dataset(studio(tmp_path, one))["a0"].mask, block())


def test_label_studio_tasks_that_nobody_labelled_are_not_clean(tmp_path: Path) -> None:
    skipped = task("a1.png") | {"annotations": [{"was_cancelled": True, "result": [brush(block())]}]}
    for number, open_task in enumerate(
        (skipped, skipped | {"annotations": []}, skipped | {"annotations": None})
    ):
        data = open_dataset(studio(tmp_path / str(number), task("a0.png", brush(block())), open_task))
        assert data.names == ("a0",)
        assert "task 2: has no annotation of a1.png; left out" in str(data.problems[0])
    clean = open_dataset(studio(tmp_path / "clean", task("a0.png", brush(block())), task("a1.png")))
    assert not np.any(clean["a1"].mask)


def test_label_studio_names_the_data_after_long_annotations(tmp_path: Path) -> None:
    """In a full export the annotations of a task come before its data; brushed ones are long."""
    noise = np.random.default_rng(1).random((40, *SIZE_HW)) > 0.5
    long = {"id": 1, "annotations": [{"result": list(map(brush, noise))}], "data": {"image": "a0.png"}}
    root = studio(tmp_path, long)
    assert (root / "export.json").read_text().index('"data"') > 1 << 16
    data = open_dataset(root)
    assert data.layout == "label-studio"
    assert np.array_equal(data["a0"].mask, noise.any(axis=0))


def test_label_studio_json_min(tmp_path: Path) -> None:
    """An entry an annotation: the labels stand under the name of their control, beside the image."""
    size = {"original_width": SIZE_HW[1], "original_height": SIZE_HW[0]}
    rest = {"annotator": 1, "annotation_id": 7, "created_at": "2024-05-01T10:00:00Z", "lead_time": 1.5}
    first = {"image": "/data/upload/1/a0.png", "id": 1, "tag": [brush(block())["value"] | size]} | rest
    later = first | {"tag": [brush(1 - block())["value"] | size], "annotation_id": 8}
    clean = {"image": "/data/upload/1/a1.png", "id": 2, "quality": "good"} | rest
    data = open_dataset(studio(tmp_path, first, later, clean))
    assert data.layout == "label-studio"
    assert data.names == ("a0", "a1")
    assert np.array_equal(data["a0"].mask, block())
    assert not np.any(data["a1"].mask)


def test_label_studio_images_by_the_name_they_had_before_the_upload(tmp_path: Path) -> None:
    root = studio(tmp_path, task("/data/upload/1/8f2e0a3b-a0.png", brush(block())))
    assert open_dataset(root).names == ("a0",)


def test_label_studio_regions_of_two_labels_and_of_plain_labels(tmp_path: Path) -> None:
    both = brush(block())
    both["value"]["brushlabels"] = ["crack", "rust"]
    points = {"points": [[25, 25], [50, 25], [50, 50], [25, 50]]}
    plain = [{"type": "polygon", "value": points}, {"type": "labels", "value": points | {"labels": ["rust"]}}]
    text = {"type": "labels", "value": {"start": 1, "end": 4, "text": "wet", "labels": ["word"]}}
    data = open_dataset(studio(tmp_path, task("a0.png", both), task("a1.png", *plain, text)))
    assert [info.name for info in data.classes] == ["crack", "rust"]
    assert np.array_equal(data["a0"].mask, np.stack([block(), block()], axis=2))
    assert np.array_equal(data["a1"].mask[..., 1], block())
    assert "result 3: is left out" in str(data.problems[0])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"image_rotation": 90}, "drawn on the picture turned by 90 degrees"),
        ({"original_width": 320, "original_height": 100}, "drawn on 320 x 100 px, but the image has 32 x 24"),
        ({"value": {"rle": 10**12, "brushlabels": ["crack"]}}, "is no list of bytes"),
        ({"value": {"x": 300, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["x"]}}, "lies outside"),
    ],
)
def test_label_studio_regions_of_another_picture(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=rf"result 1: .*{says}"):
        open_dataset(studio(tmp_path, task("a0.png", brush(block()) | more)))


def test_label_studio_smaller_copies_have_the_proportions_of_their_originals(tmp_path: Path) -> None:
    rectangle = {"value": {"x": 25, "y": 25, "width": 25, "height": 25, "rectanglelabels": ["spall"]}}
    data = open_dataset(
        studio(tmp_path, task("a0.png", rectangle | {"original_width": 4000, "original_height": 3010}))
    )
    assert np.array_equal(data["a0"].mask, block())


def test_label_studio_image_beside_other_fields(tmp_path: Path) -> None:
    one = task("a0.png", brush(block())) | {"data": {"inspector": "Bob", "image": "/data/upload/1/a0.png"}}
    assert open_dataset(studio(tmp_path, one)).names == ("a0",)


@pytest.mark.parametrize("name", ["#1", "a%20b", "x?d=y"])
def test_label_studio_names_that_look_like_addresses(tmp_path: Path, name: str) -> None:
    save(tmp_path / "images" / f"{name}.png", photo(5))
    root = studio(tmp_path, task(f"images/{name}.png", brush(block())))
    assert open_dataset(root).names == (name,)


def test_a_file_name_that_two_folders_hold_tells_neither(tmp_path: Path) -> None:
    for folder in "ab":
        save(tmp_path / "images" / folder / "1.png", photo(ord(folder)))
    with pytest.raises(DataError, match=r"there is no image 'c/1\.png'"):
        open_dataset(studio(tmp_path, task("c/1.png", brush(block()))))


def test_turned_boxes(tmp_path: Path) -> None:
    """A box 6 x 8 px turned by a right angle is a box 8 x 6 px: about its corner, or about its centre."""
    rectangle = {
        "x": 50,
        "y": 25,
        "width": 18.75,
        "height": 100 / 3,
        "rotation": 90,
        "rectanglelabels": ["s"],
    }
    data = open_dataset(studio(tmp_path / "a", task("a0.png", {"value": rectangle})))
    assert np.array_equal(data["a0"].mask, block())
    box = '<box label="crack" xtl="9" ytl="5" xbr="15" ybr="13" rotation="90"/>'
    data = open_dataset(cvat(tmp_path / "b", f'<image name="a0.png">{box}</image>'))
    assert np.array_equal(data["a0"].mask, block())


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    ellipse = {"value": {"x": 1, "y": 1, "radiusX": 2, "radiusY": 3, "ellipselabels": ["crack"]}}
    data = open_dataset(studio(tmp_path / "a", task("a0.png", brush(block()), ellipse)))
    assert [str(problem).partition(": ")[2] for problem in data.problems] == [
        "is left out; brush, polygon and rectangle labels are read",
        "has no entry for 1 images; left out, e.g. a1.png",
    ]
    body = (
        f'<image name="a0.png">{MASK}<polyline label="crack" points="1,1;2,2"/><tag label="crack"/></image>'
    )
    data = open_dataset(cvat(tmp_path / "b", body))
    assert ["polyline 2" in data.problems[0].path, data.problems[1].kind] == [True, "no-label"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (task("b9.png", brush(block())), "there is no image 'b9.png'"),
        ({"data": {}, "annotations": []}, "names no image"),
        ("text", "names no image"),
        (task("a0.png"), "repeats the image a0.png"),
        (task("a1.png", "crack"), "result 1: is no object"),
        (task("a1.png", brush(np.ones((3, 3), np.uint8))), "result 1"),
        (task("a1.png", {"value": {"points": [[1, 2]], "polygonlabels": ["x"]}}), "three points"),
        (task("a1.png", {"value": {"x": 1, "rectanglelabels": ["x"]}}), "three points"),
    ],
)
def test_label_studio_names_what_it_cannot_use(tmp_path: Path, bad: Any, words: str) -> None:
    root = studio(tmp_path, task("a0.png", brush(block())), bad)
    with pytest.raises(DataError, match=words):
        open_dataset(root)
    data = open_dataset(root, skip_bad=True)
    assert "a0" in data
    assert len([problem for problem in data.problems if problem.kind != "no-label"]) == 1
    assert "task 2" in str(data.problems[0])


def test_label_studio_needs_a_list_of_tasks(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photo(1))
    with pytest.raises(LayoutError, match="label-studio"):
        open_dataset(tmp_path, "label-studio")
    (tmp_path / "export.json").write_text('[{"data": 1, "annotations": ', encoding="utf-8")
    with pytest.raises(LayoutError, match="cannot be read as JSON"):
        open_dataset(tmp_path, "label-studio")
    (tmp_path / "export.json").write_text('[{"data": {}, "annotations": []}]', encoding="utf-8")
    with pytest.raises(DataError, match="names no image"):
        open_dataset(tmp_path, "label-studio")


MASK = '<mask label="crack" rle="0, 48" left="8" top="6" width="8" height="6"/>'


def test_cvat_masks_polygons_and_boxes(tmp_path: Path) -> None:
    polygon = '<polygon label="crack" points="8,6;16,6;16,12;8,12"/><points label="crack" points="1,1"/>'
    box = '<box label="crack" xtl="8" ytl="6" xbr="16" ybr="12"/>'
    for number, drawn in enumerate((MASK, polygon, box)):
        root = cvat(tmp_path / str(number), f'<image name="a0.png" width="32" height="24">{drawn}</image>')
        data = open_dataset(root)
        assert data.layout == "cvat"
        assert np.array_equal(data["a0"].mask, block())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (f'<image name="b.png">{MASK}</image>', "no such file"),
        (f'<image name="a0.png">{MASK}</image>', "listed twice"),
        (f'<image name="a1.png" width="9" height="9">{MASK}</image>', "says 9 x 9 px"),
        ('<image name="a1.png"><mask label="rust" rle="1"/></image>', "unknown label 'rust'"),
        ('<image name="a1.png"><mask label="crack" rle="0, 4"/></image>', "no whole left"),
        (f'<image name="a1.png">{MASK.replace("48", "47")}</image>', "counts sum to 47"),
        ('<image name="a1.png"><box label="crack" xtl="x"/></image>', "no number"),
        (
            '<image name="a1.png"><box label="crack" xtl="40" ytl="5" xbr="50" ybr="9"/></image>',
            "box 1: lies outside its image of 32 x 24 px",
        ),
        ('<image name="a1.png"><polygon label="crack" points="1,1;2,2"/></image>', "three points"),
        ('<image name="a1.png"><polygon label="crack" points="0,0;9,9;9,0;0,9"/></image>', "crosses itself"),
    ],
)
def test_cvat_names_what_it_cannot_use(tmp_path: Path, bad: str, words: str) -> None:
    root = cvat(tmp_path, f'<image name="a0.png">{MASK}</image>{bad}')
    with pytest.raises(DataError, match=words):
        open_dataset(root)
    data = open_dataset(root, skip_bad=True)
    assert "a0" in data
    assert len([problem for problem in data.problems if problem.kind != "no-label"]) == 1


@pytest.mark.parametrize("names", [("Train", "Test"), ("east", "default")])
def test_cvat_subsets_of_a_project(tmp_path: Path, names: tuple[str, str]) -> None:
    """Images of a project lie in folders of their subsets, which the names in the file leave out."""
    for number, subset in enumerate(names):
        save(tmp_path / "images" / subset / "b.png", photo(number))
    first, second = (
        f'<image id="0" name="b.png" subset="{name}" task_id="3" width="32" height="24">' for name in names
    )
    data = open_dataset(cvat(tmp_path, f"{first}{MASK}</image>{second}</image>"))
    assert data.names == tuple(f"{subset}/b" for subset in names)
    assert np.array_equal(data[f"{names[0]}/b"].mask, block())
    assert not np.any(data[f"{names[1]}/b"].mask)
    parts = data.default_split.parts if data.default_split else None
    assert parts == ({"train": ("Train/b",), "test": ("Test/b",)} if names[0] == "Train" else None)


def test_cvat_refuses_entities_and_broken_files(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photo(1))
    with pytest.raises(LayoutError, match="cvat"):
        open_dataset(tmp_path, "cvat")
    file = tmp_path / "annotations.xml"
    file.write_text('<!DOCTYPE x [<!ENTITY a "b">]><annotations>&a;</annotations>', encoding="utf-8")
    with pytest.raises(LayoutError, match="declares entities"):
        open_dataset(tmp_path)
    file.write_text("<annotations><image>", encoding="utf-8")
    with pytest.raises(LayoutError, match="cannot be read as XML"):
        open_dataset(tmp_path)
    file.write_text("<annotations></annotations>", encoding="utf-8")
    with pytest.raises(LayoutError, match="no image can be used"):
        open_dataset(tmp_path)
