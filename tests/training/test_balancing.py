"""Balanced classes in a run: by copies or by weights, in the training part only, with any recipe."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from flawscope.bundle import Bundle
from flawscope.data import balance
from flawscope.data.dataset import Dataset
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, load_split
from flawscope.errors import ConfigError, DataError
from flawscope.manifest import InputSpec
from flawscope.training.balancing import balance_in_words, balance_part
from flawscope.training.config import BalanceConfig, Transform
from flawscope.training.config_load import dump_config, load_config, parse_config, recipe_names
from flawscope.training.crops import CropDataset, CropPlan, draw_by_weight
from flawscope.training.prepare import fold_splits, make_store, prepare
from flawscope.training.progress import Silent
from flawscope.training.run import train
from flawscope.training.store import PictureStore, Source
from flawscope.types import ClassInfo, Sample

from .small import draw, settings, write_set

CLASSES = (ClassInfo(1, "crack"), ClassInfo(2, "stain"))


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def _mask(number: int, class_id: int) -> Any:
    return draw(number)[1] * class_id


def two_classes() -> Dataset:
    """Twelve images with cracks, three with stains, five clean."""
    ids = [1] * 12 + [2] * 3 + [0] * 5
    samples = [
        Sample(f"{n:02d}", lambda n=n: draw(n)[0], partial(_mask, n, class_id))
        for n, class_id in enumerate(ids)
    ]
    return Dataset(Path("set"), "drawn", CLASSES, "segmentation", tuple(samples), classes_named=True)


def given_split() -> Split:
    names = two_classes().names
    return Split(
        parts={"val": (names[0], names[12]), "train": (*names[1:12], *names[13:19]), "test": names[19:]}
    )


@pytest.mark.parametrize("recipe", recipe_names())
def test_one_key_switches_it_on_with_any_recipe(recipe: str) -> None:
    config = load_config(recipe, ["data.balance.target=40"])
    assert (config.data.balance.method, config.data.balance.target) == ("copies", 40)
    assert parse_config_again(config) == config
    own = "copies" if recipe.startswith("severstal-") else "none"  # the thesis balances by itself
    assert load_config(recipe).data.balance.method == own


def parse_config_again(config: Any) -> Any:
    import tomllib

    return parse_config(tomllib.loads(dump_config(config)))


def test_keys() -> None:
    assert get_args(Transform) == tuple(balance.TRANSFORMS) == BalanceConfig().transforms
    assert BalanceConfig(method="copies").target == balance.TARGET == 1291
    assert BalanceConfig(method="none", target=3).method == "none"
    off = settings()
    assert parse_config_again(off) == off
    with pytest.raises(ConfigError, match="Did you mean 'target'"):
        settings(data={"balance": {"targets": 3}})
    with pytest.raises(ConfigError, match="exclude each other"):
        settings(data={"balance": {"method": "sampler"}, "balance_sources": True})
    with pytest.raises(ConfigError, match=r"data\.balance\.transforms"):
        settings(data={"balance": {"target": 3, "transforms": ["shear"]}})


def test_one_source_is_nothing_to_balance() -> None:
    config = settings(data={"crop_px": 32, "balance_sources": True})
    listener = Listener()
    prepare(config, two_classes(), given_split(), listener, 1)
    assert "balance_sources changes nothing" in listener.said[-1]
    two = two_classes()
    two = two.with_samples(replace(sample, source=sample.name[0]) for sample in two)
    listener = Listener()
    prepare(config, two, given_split(), listener, 1)
    assert not any("balance_sources" in text for text in listener.said)


def test_only_the_training_part_gets_copies() -> None:
    config = settings(data={"crop_px": 32, "balance": {"target": 6, "clean": 1}})
    listener = Listener()
    prepared = prepare(config, two_classes(), given_split(), listener, 1)
    assert len(prepared.train) == 17 and len(prepared.val) == 2
    assert not any("#" in sample.name for sample in (*prepared.train, *prepared.val))
    assert prepared.split.parts == given_split().parts
    store = make_store(config, prepared, None, 1)
    of = Counter(int(store[number].mask.max()) for number in range(len(store)))
    assert of == {1: 6, 2: 6, 0: 1}
    names = {source.name.partition("#")[0] for source in store.sources}
    assert names <= set(given_split().parts["train"])
    assert listener.said[-1] == "balanced: 9 of 17 training images are shown, and 4 copies of them"
    again = make_store(config, prepare(config, two_classes(), given_split(), Silent(), 1), None, 1)
    assert [one.name for one in again.sources] == [one.name for one in store.sources]
    seeded = settings(data={"balance": {"target": 6}}, train={"seed": 1})
    other = prepare(seeded, two_classes(), given_split(), Silent(), 1)
    assert [one.sample.name for one in other.shown] != [one.sample.name for one in prepared.shown]


def test_no_copy_of_a_validation_image_in_any_fold() -> None:
    names = two_classes().names
    folds = tuple(names[number::3] for number in range(3))
    config = settings(data={"crop_px": 32, "balance": {"target": 12}})
    whole = Split(parts={"train": names}, folds=folds)
    for number, one in enumerate(fold_splits(two_classes(), whole)):
        prepared = prepare(config, two_classes(), one, Silent(), 1)
        shown = {one.sample.name.partition("#")[0] for one in prepared.shown}
        assert len(prepared.shown) > len(prepared.train)
        assert not shown & set(folds[number])
        assert {sample.name for sample in prepared.val} == set(folds[number])


def test_sampler_shows_classes_alike() -> None:
    config = settings(
        data={"crop_px": 32, "crops_per_image": 1, "balance": {"method": "sampler", "target": 10}}
    )
    prepared = prepare(config, two_classes(), given_split(), Silent(), 1)
    store = make_store(config, prepared, None, 1)
    assert len(store) == 17
    crops = CropDataset(store, CropPlan.of(config.data, 0), config.input)
    of: Counter[int] = Counter()
    epochs = 12
    for epoch in range(epochs):
        turns = [crops._picture_of(epoch, item)[0] for item in range(len(crops))]
        of.update(int(store[number].mask.max()) for number in turns)
    # 10 crack, 10 stain and 4 clean of 24 weights, over 17 turns an epoch
    assert of[1] / epochs == pytest.approx(17 * 10 / 24, abs=0.6)
    assert of[2] / epochs == pytest.approx(17 * 10 / 24, abs=0.6)
    assert of[0] / epochs == pytest.approx(17 * 4 / 24, abs=0.6)
    assert "by the weight of their classes" in balance_in_words(prepared.shown, prepared.train)


def test_drawing_by_weight_is_even_and_repeats() -> None:
    weights = np.array([1.0, 0.0, 3.0, 1.0, 5.0])
    counts = np.zeros(5)
    for seed in range(200):
        drawn = draw_by_weight(weights, np.random.default_rng(seed))
        now = np.bincount(drawn, minlength=5)
        assert len(drawn) == 5 and now[1] == 0
        assert (np.abs(now - weights / 2) < 1).all()
        counts += now
    assert np.allclose(counts / 200, weights / 2, atol=0.15)
    sources = [Source(f"{n}", partial(draw, n), weight=1.0 + n) for n in range(4)]
    crops = CropDataset(PictureStore(sources, 10**8), CropPlan(1, 16, 2, 0.5), InputSpec())
    epoch = [crops._picture_of(3, item)[0] for item in range(8)]
    backwards = [crops._picture_of(3, item)[0] for item in reversed(range(8))]
    assert epoch == backwards[::-1]
    assert epoch[::2] == epoch[1::2], "the crops of one turn are of one picture"


def test_only_named_classes_are_balanced() -> None:
    samples = two_classes().samples
    classes_of = {
        sample.name: tuple(sorted({int(_k) for _k in np.unique(sample.mask)} - {0})) for sample in samples
    }
    config = BalanceConfig(target=5, classes=("stain",), clean=0)
    shown = [one.sample.name for one in balance_part(config, samples, classes_of, CLASSES, 0)]
    assert sum(name.partition("#")[0] in ("12", "13", "14") for name in shown) == 5
    assert [name for name in shown if name < "12"] == [f"{n:02d}" for n in range(12)]
    with pytest.raises(ConfigError, match="names 'rust'; the data set has crack, stain"):
        balance_part(BalanceConfig(target=5, classes=("rust",)), samples, classes_of, CLASSES, 0)
    with pytest.raises(DataError, match="shows a class that shall be balanced"):
        balance_part(config, samples[:12], classes_of, CLASSES, 0)


def test_a_balanced_run_and_its_resumption(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "set"))
    config = settings(
        data={"crop_px": 32, "crops_per_image": 1, "balance": {"target": 20}}, train={"steps": 3}
    )
    run = train(config, dataset, tmp_path / "run", reporter=Silent())
    parts = load_split(run.folder / "split.json").parts
    assert sorted(name for names in parts.values() for name in names) == sorted(dataset.names)
    facts = Bundle.load(run.folder).manifest.fingerprint
    assert facts["train_images"] == 8 and facts["balance"]["target"] == 20
    again = train(config, dataset, tmp_path / "run", resume=True, reporter=Silent())
    assert again.progress.step == 3
    epochs = settings(
        data={"crop_px": 32, "crops_per_image": 1, "balance": {"target": 20}},
        train={"steps": None, "epochs": 1, "batch": 6, "drop_last": True},
    )
    assert train(epochs, dataset, tmp_path / "b", reporter=Silent()).progress.step == 3, (
        "20 crops, 2 left out"
    )


def test_train_says_what_it_tied_and_what_crosses(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    for name, first in (("003", "001"), ("009", "005")):
        (root / f"images/{name}.png").write_bytes((root / f"images/{first}.png").read_bytes())
    dataset = open_dataset(root)
    listener = Listener()
    names = dataset.names
    prepared = prepare(settings(), dataset, Split(parts={"train": names[:8], "test": names[8:]}), listener, 1)
    said = "\n".join(listener.said)
    assert "note: tied 2 images that show 1 photograph" in said
    assert (
        "1 groups of copies or near-copies (2 images) cross the parts of the split, e.g. 005 (train), 009"
        in said
    )
    side = {name: part for part, part_names in prepared.split.parts.items() for name in part_names}
    assert side["001"] == side["003"]
