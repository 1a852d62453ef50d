"""The pool of procedural images follows from the seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.errors import ConfigError
from flawscope.training.config import SynthConfig
from flawscope.training.store import PictureStore
from flawscope.training.synth_pool import SynthPool, concrete_options, generation, place_seed


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
