"""The pool of procedural images follows from the seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.errors import ConfigError
from flawscope.training.config import SynthConfig
from flawscope.training.store import PictureStore, Source
from flawscope.training.synth_pool import (
    SynthPool,
    concrete_options,
    crack_options,
    generation,
    part_of,
    place_seed,
)
from flawscope.types import Mask, RgbImage


def test_places_are_renewed_in_turn() -> None:
    assert [generation(p, 0, 0.5, 4) for p in range(4)] == [0, 0, 0, 0]
    assert [generation(p, 1, 0.5, 4) for p in range(4)] == [1, 1, 0, 0]
    assert [generation(p, 3, 0.5, 4) for p in range(4)] == [2, 2, 1, 1]
    assert [generation(p, 9, 0.0, 4) for p in range(4)] == [0, 0, 0, 0]
    assert [generation(p, 2, 1.0, 4) for p in range(4)] == [2, 2, 2, 2]


def test_seeds_differ_by_place_generation_stream_and_run() -> None:
    seeds = {place_seed(s, p, g, k) for s in range(2) for p in range(20) for g in range(3) for k in (3, 4)}
    assert len(seeds) == 2 * 20 * 3 * 2


def _config(**changes: object) -> SynthConfig:
    return SynthConfig(images=3, validation_images=1, size_hw=(64, 64), **changes)  # type: ignore[arg-type]


def test_advancing_equals_starting_there() -> None:
    pool = SynthPool(_config(renew=0.4), seed=5)
    store = PictureStore(pool.sources(0, 1), 10**9)
    first = store[0].image.copy()
    assert pool.advance(store, 0, 1, 1) == 1
    assert pool.advance(store, 0, 2, 1) == 1
    there = PictureStore(pool.sources(2, 1), 10**9)
    for index in range(3):
        assert np.array_equal(store[index].image, there[index].image)
        assert np.array_equal(store[index].mask, there[index].mask)
    assert not np.array_equal(store[0].image, first)


def test_processes_and_cache_change_nothing(tmp_path: Path) -> None:
    config = SynthConfig(images=5, size_hw=(64, 64))
    plain = [source.load() for source in SynthPool(config, 1).sources(0, 1)]
    cached = SynthPool(config.model_copy(update={"cache_dir": str(tmp_path / "pool")}), 1)
    spread = [source.load() for source in cached.sources(0, 2)]
    again = [source.load() for source in cached.sources(0, 1)]
    assert len(list((tmp_path / "pool").iterdir())) == 5
    for a, b, c in zip(plain, spread, again, strict=True):
        assert all(np.array_equal(x, y) and np.array_equal(x, z) for x, y, z in zip(a, b, c, strict=True))


def test_validation_is_never_trained_on() -> None:
    pool = SynthPool(_config(), seed=0)
    val = pool.validation_samples(1)[0]
    assert val.mask is not None and val.image().shape == (64, 64, 3)
    assert all(not np.array_equal(val.image(), source.load()[0]) for source in pool.sources(0, 1))


def test_options_reach_the_generator_and_unknown_ones_do_not() -> None:
    built = concrete_options({"clean_share": 1.0})
    assert built.clean_share == 1.0
    with pytest.raises(ConfigError, match=r"data\.synth\.options"):
        concrete_options({"cleanshare": 1.0})
    with pytest.raises(ConfigError, match=r"options\.cracks"):
        concrete_options({"cracks": {"nonsense": 1}})


def test_steel_is_drawn_for_training() -> None:
    pool = SynthPool(_config(kind="steel"), seed=1)
    drawn = [source.load() for source in pool.sources(0, 1)]
    assert [image.shape for image, _ in drawn] == [(64, 64, 3)] * 3
    assert all(set(np.unique(mask)) <= {0, 1, 2, 3, 4} for _, mask in drawn)


class _Photograph:
    """A grey photograph with grain and one labelled corner; can be sent to a process."""

    def __init__(self, seed: int, size_hw: tuple[int, int] = (80, 96)) -> None:
        rng = np.random.default_rng(seed)
        self.image = np.repeat(rng.integers(110, 150, (*size_hw, 1), dtype=np.uint8), 3, axis=2)
        self.mask = np.zeros(size_hw, np.uint8)
        self.mask[:4, :4] = 1

    def __call__(self) -> tuple[RgbImage, Mask]:
        return self.image, self.mask


def _grounds(count: int = 3) -> list[Source]:
    return [Source(f"p{i}", _Photograph(i)) for i in range(count)]


def test_every_photograph_has_its_turn_as_a_ground() -> None:
    config = SynthConfig(images=4, size_hw=(64, 64), renew=0.5, ground="photographs")
    pool = SynthPool(config, 1, _grounds())
    assert [recipe.ground for recipe in pool.recipes(0)] == [0, 1, 2, 0]
    assert [recipe.ground for recipe in pool.recipes(2)] == [1, 2, 0, 1]
    assert all(recipe.ground is None for recipe in SynthPool(_config(), 1, _grounds()).recipes(0))


def test_pictures_on_photographs_follow_from_the_seed_in_any_number_of_processes() -> None:
    config = SynthConfig(images=5, size_hw=(64, 64), renew=0.4, ground="photographs")
    pool = SynthPool(config, 1, _grounds())
    alone, spread = (list(pool.sources(0, processes)) for processes in (1, 2))
    for one, other in zip(alone, spread, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.load(), other.load(), strict=True))
        image, mask = one.load()
        assert image.shape == (64, 64, 3) and mask.shape == (64, 64)
    store = PictureStore(alone, 10**9)
    assert pool.advance(store, 0, 1, 1) == 2
    there = PictureStore(pool.sources(1, 1), 10**9)
    assert all(np.array_equal(store[i].image, there[i].image) for i in range(5))
    assert any((source.load()[1] == 1).any() for source in alone)


def test_a_part_of_a_photograph_is_cut_with_its_mask() -> None:
    ground = _Photograph(0)()
    image, mask = part_of(ground, (40, 500), seed=3)
    assert image.shape == (40, 96, 3) and mask.shape == (40, 96)
    places = [y for y in range(41) if np.array_equal(ground[0][y : y + 40], image)]
    assert len(places) == 1 and np.array_equal(ground[1][places[0] : places[0] + 40], mask)
    image[:] = 0
    assert ground[0].any()


def test_options_of_cracks_on_photographs() -> None:
    built = crack_options({"width_px": [3.0, 5.0]})
    assert built is not None and built.width_px == (3.0, 5.0)
    assert crack_options({}) is None
    with pytest.raises(ConfigError, match=r"data\.synth\.options"):
        crack_options({"clean_share": 0.5})


def test_distractors_reach_the_photographs() -> None:
    def pictures(shares: dict[str, float]) -> list[tuple[RgbImage, Mask]]:
        config = SynthConfig(images=3, size_hw=(64, 64), ground="photographs", distractors=shares)
        return [source.load() for source in SynthPool(config, 1, _grounds()).sources(0, 1)]

    painted, plain = pictures({"crazed-paint": 1.0}), pictures({})
    assert all(not np.array_equal(one[0], other[0]) for one, other in zip(painted, plain, strict=True))
    assert np.mean([image.mean() for image, _ in painted]) > np.mean([image.mean() for image, _ in plain])
