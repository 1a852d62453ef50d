"""Every target gives back the same masks, names, classes and parts; what it cannot hold is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from flawscope.data.convert import TARGETS, ConvertOptions, convert
from flawscope.data.dataset import Dataset, make_class
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split
from flawscope.errors import DataError, OutputError, UsageError
from flawscope.types import Sample

MASK_TARGETS = [name for name, target in TARGETS.items() if target.task == "segmentation"]
EXACT_TARGETS = [name for name in MASK_TARGETS if name != "voc"]
DRAWN_TARGETS = ["coco", "severstal", "yolo", "label-studio", "cvat"]
LABEL_TARGETS = [name for name, target in TARGETS.items() if target.task == "classification"]
SIZE_HW = (12, 17)


def picture(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


def made(
    masks: list[npt.NDArray[np.generic]],
    root: Path = Path("made"),
    classes: tuple[str, ...] = ("crack",),
    split: Split | None = None,
) -> Dataset:
    """A data set in memory."""
    samples = tuple(
        Sample(
            f"img{number}",
            lambda number=number, mask=mask: picture(number, mask.shape[:2]),
            lambda mask=mask: mask,
            source=root.name,
        )
        for number, mask in enumerate(masks)
    )
    infos = tuple(make_class(number, name) for number, name in enumerate(classes, 1))
    several = any(mask.ndim == 3 for mask in masks)
    return Dataset(root, "made", infos, "segmentation", samples, split, (), True, several)


def index_of(mask: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """A stack as class index; index masks as they are."""
    if mask.ndim == 2:
        return mask.astype(np.uint8)
    return np.where(mask.any(axis=2), mask.argmax(axis=2) + 1, 0).astype(np.uint8)


some_masks = st.lists(hnp.arrays(np.uint8, SIZE_HW, elements=st.integers(0, 2)), min_size=1, max_size=3)


@pytest.mark.parametrize("target", ["image-mask", *DRAWN_TARGETS])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_masks)
def test_masks_of_two_classes_come_back(
    target: str, tmp_path_factory: pytest.TempPathFactory, masks: list[npt.NDArray[np.uint8]]
) -> None:
    masks[0][0, :2] = (1, 2)
    out = tmp_path_factory.mktemp("x") / "set"
    result = convert([made(masks, classes=("crack", "spall"))], target, out)
    back = open_dataset(out)
    assert result.images == len(back) == len(masks)
    assert back.layout == target
    assert [info.name for info in back.classes] == ["crack", "spall"]
    assert back.names == tuple(f"img{number}" for number in range(len(masks)))
    for number, mask in enumerate(masks):
        found = back[f"img{number}"]
        assert found.mask is not None
        assert np.array_equal(index_of(found.mask), mask)
        if target != "severstal":  # JPEG
            assert np.array_equal(found.image(), picture(number))


@pytest.mark.parametrize("target", EXACT_TARGETS)
def test_one_class_and_clean_images_come_back(target: str, tmp_path: Path) -> None:
    masks = [np.zeros(SIZE_HW, np.uint8) for _ in range(3)]
    masks[0][3:5, 2:9] = 1
    masks[2][:, 4] = 1
    split = Split(parts={"train": ("img0", "img1"), "test": ("img2",)})
    convert([made(masks, Path("walls 2"), split=split)], target, tmp_path / "set")
    back = open_dataset(tmp_path / "set")
    assert len(back) == 3
    names = {sample.name.rpartition("img")[2]: sample for sample in back}
    for number, mask in enumerate(masks):
        found = names[str(number)].mask
        assert found is not None
        assert np.array_equal(index_of(found), mask)
    assert back.default_split is not None
    parts = {part: {n.rpartition("img")[2] for n in own} for part, own in back.default_split.parts.items()}
    assert parts == {"train": {"0", "1"}, "test": {"2"}}
    if target == "kaggle-cracks":
        assert set(back.names) == {"noncrack_walls2_img1", "walls2_img0", "walls2_img2"}
        assert set(back.sources) == {"walls2", "noncrack"}


@pytest.mark.parametrize("target", DRAWN_TARGETS)
def test_overlapping_classes_come_back(target: str, tmp_path: Path) -> None:
    stack = np.zeros((*SIZE_HW, 2), np.bool_)
    stack[2:8, 2:9, 0] = True
    stack[5:9, 5:12, 1] = True
    convert([made([stack], classes=("a", "b"))], target, tmp_path / "set")
    back = open_dataset(tmp_path / "set")
    assert back.multi_label
    mask = back["img0"].mask
    assert mask is not None
    assert np.array_equal(mask, stack)


@pytest.mark.parametrize("target", ["image-mask", "kaggle-cracks", "crackforest"])
def test_overlap_is_refused_where_a_pixel_has_one_class(target: str, tmp_path: Path) -> None:
    stack = np.ones((*SIZE_HW, 2), np.bool_)
    with pytest.raises(DataError, match=r"overlap|one class"):
        convert([made([stack], classes=("a", "b"))], target, tmp_path / "set")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["image-mask", "kaggle-cracks", "crackforest"])
def test_ignored_pixels_are_kept_by_mask_files(target: str, tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[1, 1:5], mask[4, 4:9] = 1, 255
    convert([made([mask])], target, tmp_path / "set")
    (sample,) = open_dataset(tmp_path / "set")
    assert np.array_equal(sample.mask, mask)


@pytest.mark.parametrize("target", DRAWN_TARGETS)
def test_ignored_pixels_are_refused_or_become_background(target: str, tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[1, 1:5], mask[4, 4:9] = 1, 255
    with pytest.raises(DataError, match="5 pixels are marked 'ignore'"):
        convert([made([mask])], target, tmp_path / "set")
    assert not list(tmp_path.iterdir())
    convert([made([mask])], target, tmp_path / "set", ConvertOptions(ignored="background"))
    (sample,) = open_dataset(tmp_path / "set")
    assert sample.mask is not None
    assert np.array_equal(index_of(sample.mask), np.where(mask == 255, 0, mask))


def test_several_sets_become_one(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[6] = 1
    one = made([mask, mask], Path("CFD"), split=Split(parts={"train": ("img0",), "test": ("img1",)}))
    two = made([mask, np.zeros_like(mask)], Path("wall_x"))
    options = ConvertOptions(size_hw=(24, 30))
    result = convert([one, two], "kaggle-cracks", tmp_path / "set", options)
    back = open_dataset(tmp_path / "set")
    assert back.layout == "kaggle-cracks"
    assert set(back.names) == {"CFD_img0", "CFD_img1", "wallx_img0", "noncrack_wallx_img1"}
    assert back.default_split is not None
    assert back.default_split.parts["test"] == ("CFD_img1",)
    assert result.plan.source == "CFD+wallx"
    for sample in back:
        assert sample.image().shape == (24, 30, 3)
        found = sample.mask
        assert found is not None
        assert found.shape == (24, 30)
        assert found.any() == ("noncrack" not in sample.name)


def test_classes_unite_by_name_and_map(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[0], mask[5] = 1, 2
    one = made([mask], Path("a"), ("crack", "spall"))
    two = made([mask], Path("b"), ("spall", "rust"))
    convert([one, two], "coco", tmp_path / "set", ConvertOptions(class_map={"rust": "crack"}))
    back = open_dataset(tmp_path / "set")
    assert [info.name for info in back.classes] == ["crack", "spall"]
    first, second = back["a_img0"].mask, back["b_img0"].mask
    assert first is not None
    assert second is not None
    assert np.array_equal(first, mask)
    assert np.array_equal(second, np.array([0, 2, 1], np.uint8)[mask])


def test_hairlines_outlive_halving(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    np.fill_diagonal(mask, 1)
    mask[:, 40] = 1
    convert([made([mask])], "image-mask", tmp_path / "set", ConvertOptions(size_hw=(32, 32)))
    (sample,) = open_dataset(tmp_path / "set")
    assert sample.mask is not None
    assert sample.mask[:, 20].all()
    assert np.diagonal(sample.mask).all()


def test_image_files_are_copied_byte_for_byte(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "from" / folder).mkdir(parents=True)
    Image.fromarray(picture(1)).save(tmp_path / "from" / "images" / "größe a.jpg", quality=71)
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[4] = 255
    Image.fromarray(mask).save(tmp_path / "from" / "masks" / "größe a.png")
    for target in EXACT_TARGETS:
        convert([open_dataset(tmp_path / "from")], target, tmp_path / target)
        (copied,) = (tmp_path / target).rglob("*.jpg")
        assert copied.read_bytes() == (tmp_path / "from" / "images" / "größe a.jpg").read_bytes()
        (sample,) = open_dataset(tmp_path / target)
        assert sample.mask is not None
        assert np.array_equal(index_of(sample.mask), mask // 255)


def classified(
    labels: list[tuple[int, ...]], classes: tuple[str, ...] = ("rust", "clean, dry"), grey: bool = False
) -> Dataset:
    """Classified images in memory, in colour or grey."""
    read = grey_picture if grey else picture
    samples = tuple(
        Sample(f"img{number}", lambda number=number: read(number), None, own)
        for number, own in enumerate(labels)
    )
    infos = tuple(make_class(number, name, "image") for number, name in enumerate(classes))
    return Dataset(Path("s"), "made", infos, "classification", samples, None, (), True)


def grey_picture(seed: int) -> npt.NDArray[np.uint8]:
    return np.repeat(picture(seed)[..., :1], 3, axis=2)


@pytest.mark.parametrize("target", LABEL_TARGETS)
def test_labels_come_back(target: str, tmp_path: Path) -> None:
    data = classified([(0,), (1,), (0,)], grey=target == "idx")
    convert([data], target, tmp_path / "set")
    back = open_dataset(tmp_path / "set")
    names = {info.id: info.name for info in back.classes}
    ours = {info.id: info.name for info in data.classes}
    assert len(back) == 3
    for sample in back:
        stem = sample.name.rpartition("/")[2]
        own = data[f"img{int(stem)}" if target == "idx" else stem]
        assert [names[i] for i in sample.labels] == [ours[i] for i in own.labels]
        assert np.array_equal(sample.image(), own.image())


def test_several_labels_need_a_table(tmp_path: Path) -> None:
    data = classified([(0, 1), (1,)])
    with pytest.raises(DataError, match="2 classes"):
        convert([data], "image-folder", tmp_path / "set")
    convert([data], "csv-labels", tmp_path / "set")
    assert open_dataset(tmp_path / "set")["img0"].labels == (0, 1)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    mask = np.ones(SIZE_HW, np.uint8)
    data = made([mask])
    out = tmp_path / "set"
    with pytest.raises(UsageError, match="Did you mean 'coco'"):
        convert([data], "cocoa", out)
    with pytest.raises(UsageError, match="image-mask"):
        convert([data], "csv-labels", out)
    with pytest.raises(UsageError, match="no set has a class 'rust'"):
        convert([data], "coco", out, ConvertOptions(class_map={"rust": "x"}))
    with pytest.raises(UsageError, match="one a set"):
        convert([data], "coco", out, ConvertOptions(prefixes=("a", "b")))
    with pytest.raises(UsageError, match="letters and digits"):
        convert([data], "coco", out, ConvertOptions(prefixes=("a b",)))
    with pytest.raises(UsageError, match="stands for 2"):
        convert([data, data], "coco", out, ConvertOptions(prefixes=("a", "a")))
    with pytest.raises(UsageError, match="No data set"):
        convert([], "coco", out)
    with pytest.raises(DataError, match="different tasks"):
        convert([data, classified([(0,)])], "coco", out)
    with pytest.raises(DataError, match=r"--map spall=crack"):
        convert([made([mask], classes=("crack", "spall"))], "kaggle-cracks", out)
    out.mkdir()
    (out / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already"):
        convert([data], "coco", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_bad_images_stop_or_are_listed(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "from" / folder).mkdir(parents=True)
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[4] = 255
    for name in ("a", "b"):
        Image.fromarray(picture(1)).save(tmp_path / "from" / "images" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "from" / "masks" / f"{name}.png")
    data = open_dataset(tmp_path / "from")
    Image.fromarray(mask[:5]).save(tmp_path / "from" / "masks" / "b.png")
    for target in MASK_TARGETS:
        with pytest.raises(DataError, match="--skip-bad"):
            convert([data], target, tmp_path / target)
        assert not (tmp_path / target).exists()
        result = convert([data], target, tmp_path / target, ConvertOptions(skip_bad=True))
        assert result.images == len(open_dataset(tmp_path / target)) == 1
        assert [Path(problem.path).name for problem in result.left_out] == ["b.png"]


@pytest.mark.parametrize("target", MASK_TARGETS)
def test_images_that_break_off_are_refused_though_their_files_are_copied(target: str, tmp_path: Path) -> None:
    """A header that reads well was enough for a copy."""
    for folder in ("images", "masks"):
        (tmp_path / "from" / folder).mkdir(parents=True)
    for name in ("a", "b"):
        Image.fromarray(picture(1, (80, 90))).save(tmp_path / "from" / "images" / f"{name}.jpg")
        Image.fromarray(np.eye(80, 90, dtype=np.uint8) * 255).save(
            tmp_path / "from" / "masks" / f"{name}.png"
        )
    whole = (tmp_path / "from" / "images" / "b.jpg").read_bytes()
    (tmp_path / "from" / "images" / "b.jpg").write_bytes(whole[: len(whole) // 2])
    data = open_dataset(tmp_path / "from")
    with pytest.raises(DataError, match=r"b\.jpg: truncated or damaged JPEG(.|\n)*--skip-bad"):
        convert([data], target, tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["from"]
    result = convert([data], target, tmp_path / "set", ConvertOptions(skip_bad=True))
    assert (result.images, len(result.left_out)) == (1, 1)


def test_idx_holds_one_byte_a_label(tmp_path: Path) -> None:
    data = classified([(0,), (256,)], tuple(f"c{number}" for number in range(257)), grey=True)
    with pytest.raises(DataError, match="here are 257 classes"):
        convert([data], "idx", tmp_path / "set")


def test_yolo_names_no_path_that_depends_on_where_a_trainer_runs(tmp_path: Path) -> None:
    convert([made([np.ones(SIZE_HW, np.uint8)])], "yolo", tmp_path / "set")
    text = (tmp_path / "set" / "data.yaml").read_text(encoding="utf-8")
    assert text == 'train: images\nval: images\nnames:\n  0: "crack"\n'


def test_a_bad_image_takes_no_other_with_it(tmp_path: Path) -> None:
    """The truth of all images may stand in one file."""
    (tmp_path / "from" / "train_images").mkdir(parents=True)
    for name in ("a", "b", "c"):
        Image.fromarray(picture(1)).save(tmp_path / "from" / "train_images" / f"{name}.jpg")
    table = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 5\n"
    (tmp_path / "from" / "train.csv").write_text(table, encoding="utf-8")
    (tmp_path / "from" / "split.json").write_text('{"parts": {"train": ["a", "b"], "test": ["c"]}}')
    data = open_dataset(tmp_path / "from")
    (tmp_path / "from" / "train_images" / "b.jpg").write_bytes(b"gone")
    for target in ("image-mask", "kaggle-cracks", "coco"):
        options = ConvertOptions(class_map={f"class-{n}": "crack" for n in range(1, 5)}, skip_bad=True)
        result = convert([data], target, tmp_path / target, options)
        assert (result.images, len(result.left_out)) == (2, 1)
        back = open_dataset(tmp_path / target)
        assert len(back.part("train")) == len(back.part("test")) == 1


def test_run_lengths_longer_than_a_field_of_the_csv_module(tmp_path: Path) -> None:
    """A name with a comma is quoted, and quoted tables are read by that module."""
    mask = np.indices((420, 420)).sum(axis=0).astype(np.uint8) % 2
    data = made([mask])
    data = replace(data, samples=(replace(data.samples[0], name="wall, north"),))
    convert([data], "severstal", tmp_path / "set")
    assert (tmp_path / "set" / "train.csv").stat().st_size > 1 << 17
    assert np.array_equal(index_of(open_dataset(tmp_path / "set")["wall, north"].mask), mask)


def test_sizes_beyond_memory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of memory, but only"):
        convert([made([np.ones(SIZE_HW, np.uint8)])], "coco", tmp_path / "x", ConvertOptions((10**6, 10**6)))


def test_one_name_in_two_cases_stays_two_images(tmp_path: Path) -> None:
    mask = np.ones(SIZE_HW, np.uint8)
    data = made([mask, mask])
    samples = (replace(data.samples[0], name="A/x"), replace(data.samples[1], name="a_X"))
    result = convert([replace(data, samples=samples)], "severstal", tmp_path / "set")
    assert [entry.name for entry in result.plan.entries] == ["A_x", "a_X-2"]
    assert len(open_dataset(tmp_path / "set")) == 2


def test_coco_instances_are_connected_pieces(tmp_path: Path) -> None:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[1:3, 1:3], mask[8:10, 10:14] = 1, 1
    convert([made([mask])], "coco", tmp_path / "set")
    content = json.loads((tmp_path / "set" / "annotations" / "instances.json").read_text(encoding="utf-8"))
    assert [one["bbox"] for one in content["annotations"]] == [[1, 1, 2, 2], [10, 8, 4, 2]]
    assert [one["area"] for one in content["annotations"]] == [4, 8]
