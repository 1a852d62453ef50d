"""Before a classifier's first step: who trains, who validates, and what is refused by name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split
from flawscope.errors import ConfigError, DataError, UsageError
from flawscope.training.classify_prepare import make_parts, prepare_labels
from flawscope.training.config import TrainConfig
from flawscope.training.prepare import Prepared, looked_at, names_sha256
from flawscope.training.progress import Silent

from .labelled import (
    CLASSES,
    KINDS,
    draw,
    samples,
    settings,
    several,
    sigmoid,
    write_idx,
    write_set,
    write_table,
)
from .small import write_set as write_masks


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def prepared(
    config: TrainConfig, dataset: Dataset | None, split: Split | None = None, skip_bad: bool = False
) -> Prepared:
    return prepare_labels(config, dataset, split, Silent(), skip_bad)


def memory(count: int = 12) -> Dataset:
    return Dataset(
        Path("stripes"), "none", CLASSES, "classification", tuple(samples(count)), classes_named=True
    )


def test_a_share_of_train_validates_and_every_class_is_in_both(tmp_path: Path) -> None:
    found = prepared(settings(), open_dataset(write_set(tmp_path / "set", 30)))
    assert (len(found.train), len(found.val)) == (24, 6)
    for part in (found.train, found.val):
        assert {sample.labels for sample in part} == {(0,), (1,), (2,)}
    assert {*found.split.part("train")}.isdisjoint(found.split.part("val"))


def test_groups_of_the_split_that_is_given_stay_on_one_side() -> None:
    data = memory(30)
    split = Split(parts={"train": data.names}, group_by="regex:.$")
    parts = prepared(settings(), data, split).split.parts
    assert {name[-1] for name in parts["train"]}.isdisjoint(name[-1] for name in parts["val"])


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 12)
    for path in sorted(root.rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy_{path.name}"))
    found = prepared(settings(validation={"share": 0.4}), open_dataset(root))
    trained = {name.replace("copy_", "") for name in found.split.part("train")}
    assert trained.isdisjoint(name.replace("copy_", "") for name in found.split.part("val"))


def test_digits_are_tied_without_reading_them_one_by_one(tmp_path: Path) -> None:
    root = write_idx(tmp_path / "set", 20)
    path = root / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[16 + 256 * 3 : 16 + 256 * 4] = content[16 : 16 + 256]  # the fourth image shows the first
    path.write_bytes(content)
    dataset = open_dataset(root)
    found = prepared(settings(validation={"share": 0.3}), dataset)
    sides = ["train/00000" in found.split.part("val"), "train/00003" in found.split.part("val")]
    assert sides[0] == sides[1]
    assert len(found.train) + len(found.val) == 20 and len(found.split.part("test")) == 9


def test_a_data_set_of_masks_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no labels of whole images"):
        prepared(settings(), open_dataset(write_masks(tmp_path / "masks", 4)))
    with pytest.raises(UsageError, match="nothing to train on"):
        prepared(settings(), None)


def test_one_class_only_is_refused() -> None:
    data = memory()
    names = [sample.name for sample in data if sample.labels == (1,)]
    split = Split(parts={"train": tuple(names), "val": ("000", "002")})
    with pytest.raises(DataError, match="one class only: along"):
        prepared(settings(), data, split)


def test_a_class_folder_without_images_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 9)
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: the class folder holds no image"):
        open_dataset(root)
    assert len(prepared(settings(validation={"share": 0.4}), open_dataset(root, skip_bad=True)).classes) == 3


def test_rows_without_a_label_are_named(tmp_path: Path) -> None:
    root = write_table(tmp_path / "set", 12)
    table = root / "labels.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("across;along", "", 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"names no class"):
        open_dataset(root)


def test_a_torn_image_is_refused_or_left_out(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 12)
    torn = root / "along" / "001.png"
    torn.write_bytes(torn.read_bytes()[:60])
    with pytest.raises(DataError, match="--skip-bad"):
        prepared(settings(), open_dataset(root))
    found = prepared(settings(), open_dataset(root), skip_bad=True)
    assert "along/001" not in found.split.names()


def test_names_that_are_no_text_have_a_hash() -> None:
    hashes = [names_sha256([replace(one, name=name) for one in samples(1)]) for name in ("\udce7", "\udce8")]
    assert hashes[0] != hashes[1]


def test_several_labels_need_a_sigmoid_head(tmp_path: Path) -> None:
    dataset = open_dataset(write_table(tmp_path / "set"))
    with pytest.raises(ConfigError, match="2 labels; a softmax head gives every image exactly one"):
        prepared(settings(), dataset)
    found = prepared(sigmoid(), dataset)
    assert found.multi_label
    parts = make_parts(sigmoid(), found)
    assert parts.items.labels.shape == (len(found.train), 3)


def test_no_label_at_all_is_refused() -> None:
    bare = replace(memory(), samples=tuple(replace(one, labels=()) for one in samples(12)))
    with pytest.raises(DataError, match="none of 10 images to train on has a label"):
        prepared(sigmoid(), bare)


def uneven() -> Prepared:
    every = samples(30)
    kept = tuple(one for one in every if one.labels != (2,) or one.name == "002")
    data = Dataset(Path("stripes"), "none", CLASSES, "classification", kept, classes_named=True)
    names = tuple(one.name for one in kept)
    return prepared(settings(), data, Split(parts={"train": names, "val": names[:6]}))


def test_rare_classes_weigh_more_or_are_drawn_more_often() -> None:
    found = uneven()  # 10, 10 and 1
    weighed = make_parts(settings(classify={"class_weights": "balanced"}), found)
    assert weighed.config.loss[0].options["class_weights"] == pytest.approx([0.7, 0.7, 7.0])
    again = make_parts(weighed.config, found)
    assert again.config == weighed.config, "a resumed run finds them written down"
    drawn = make_parts(settings(classify={"sampling": "balanced"}), found).items
    labels = drawn.labels[drawn.order(0) % len(drawn)]
    assert np.bincount(labels.numpy()) == pytest.approx([7, 7, 7], abs=2)
    copied = prepared(settings(data={"balance": {"target": 10}}), found.dataset, found.split)
    items = make_parts(settings(), copied).items
    assert np.bincount(items.labels.numpy()).tolist() == [10, 10, 10]
    sampled = prepared(settings(data={"balance": {"method": "sampler"}}), found.dataset, found.split)
    items = make_parts(settings(), sampled).items
    assert np.bincount(items.labels[items.order(0) % len(items)].numpy()) == pytest.approx([7, 7, 7], abs=2)


def test_a_sigmoid_weighs_presence_against_absence() -> None:
    balanced = {"class_weights": "balanced"}
    data = replace(
        memory(), samples=tuple(several(24))
    )  # each of two classes on half of them, the third none
    made = make_parts(sigmoid(classify=balanced), prepared(sigmoid(), data))
    options = made.config.loss[0].options
    assert set(options) == {"pos_weight"} and options["pos_weight"][2] == 1
    rows = made.items.labels
    absent = (1 - rows).sum(dim=0) / rows.sum(dim=0)
    assert options["pos_weight"][:2] == pytest.approx(absent[:2].tolist())
    given = [{"name": "bce", "options": {"pos_weight": 5.0}}]
    mine = settings(input={"activation": "sigmoid"}, loss=given, classify=balanced)
    assert make_parts(mine, prepared(mine, data)).config.loss[0].options == {"pos_weight": 5.0}


def test_two_ways_to_balance_exclude_each_other() -> None:
    found = uneven()
    copied = prepared(settings(data={"balance": {"target": 10}}), found.dataset, found.split)
    with pytest.raises(ConfigError, match="exclude each other"):
        make_parts(settings(classify={"sampling": "balanced"}), copied)
    with pytest.raises(ConfigError, match="focal weighs itself"):
        make_parts(settings(loss=[{"name": "focal"}], classify={"class_weights": "balanced"}), found)


def test_what_is_told_of_the_data() -> None:
    told = Told()
    found = prepare_labels(settings(data={"balance": {"target": 9}}), memory(30), None, told, False)
    assert any("balanced" in line for line in told.lines)
    facts = make_parts(settings(), found).facts
    assert facts["train_images"] == 24 and facts["shown_images"] == 27 and facts["sources"] == ["drawn"]
    assert sum(facts["images_per_class"].values()) == 24 and set(facts["images_per_class"]) == set(KINDS)
    few = make_parts(settings(validation={"max_images": 3}), found)
    assert len(few.validator.samples) == 3


def test_images_looked_at_while_training_reach_to_the_end_of_the_part() -> None:
    val = memory(60).samples
    for most in (1, 7, 31, 45, 59, 60):
        kept = looked_at(val, most)
        assert len({one.name for one in kept}) == most
        place = {one.name: number for number, one in enumerate(val)}
        places = [place[one.name] for one in (*kept, val[-1])]
        assert max(np.diff(places)) <= -(-60 // most)
    assert looked_at(val, 0) == looked_at(val, 100) == val
    found = prepared(settings(), memory(30))
    few = make_parts(settings(validation={"max_images": 4}), found).validator.samples
    assert len(few) == 4 < len(found.val) == 6 and few[-1] in found.val[-2:]


def test_images_of_other_sizes_are_brought_to_the_networks(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 12, (40, 24))
    Image.fromarray(draw(0, 77, (9, 30))).save(root / "across" / "small.png")
    parts = make_parts(settings(), prepared(settings(), open_dataset(root)))
    assert parts.items.pictures.batch([0, 1]).shape == (2, 1, 16, 16)


def test_labels_of_none_are_an_answer_for_sigmoid() -> None:
    data = replace(memory(), samples=tuple(several(12)))
    found = prepared(sigmoid(), data)
    assert any(not one.labels for one in found.train)
