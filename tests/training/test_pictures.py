"""Images on the network's grid: the same pixels as the one preprocessing gives, from memory or from files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from flawscope.data.open import open_dataset
from flawscope.errors import ConfigError
from flawscope.inspection.preprocess import preprocess, resize_for
from flawscope.manifest import InputSpec
from flawscope.training.pictures import Pictures, image_size_hw, normalise
from flawscope.types import Sample

from .labelled import SPEC, samples, write_idx


def _coloured(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (20 + number, 26, 3), dtype=np.uint8)


COLOURED = [Sample(str(n), partial(_coloured, n), labels=(0,)) for n in range(3)]


@pytest.mark.parametrize("limit_bytes", [0, 10**8])
@pytest.mark.parametrize("channels", ["rgb", "grey", "grey3"])
def test_batches_are_what_the_preprocessing_makes(channels: str, limit_bytes: int) -> None:
    count = 1 if channels == "grey" else 3
    spec = InputSpec(
        mode="resize", size_hw=(16, 24), channels=channels, mean=(0.4, 0.5, 0.6)[:count],
        std=(0.2, 0.3, 0.25)[:count],
    )  # fmt: skip
    pictures = Pictures(COLOURED, spec, limit_bytes)
    assert len(pictures) == 3 and pictures.channels == (3 if channels == "rgb" else 1)
    batch = normalise(pictures.batch([2, 0]).float(), spec)
    expected = np.stack([preprocess(resize_for(COLOURED[n].image(), spec), spec) for n in (2, 0)])
    # Half a grey level is what rounding luma to bytes costs.
    atol = 1e-5 if channels == "rgb" else 0.6 / 255 / 0.2
    assert batch.shape == expected.shape
    np.testing.assert_allclose(batch.numpy(), expected, atol=atol)


@pytest.mark.parametrize("size_hw", [(16, 16), (12, 20)])
@pytest.mark.parametrize("limit_bytes", [0, 10**8])
def test_digits_come_straight_out_of_their_files(
    size_hw: tuple[int, int], limit_bytes: int, tmp_path: Path
) -> None:
    dataset = open_dataset(write_idx(tmp_path))
    spec = SPEC.model_copy(update={"size_hw": size_hw})
    some = [dataset["test/00003"], dataset["train/00001"], dataset["test/00000"]]
    pictures = Pictures(some, spec, limit_bytes)
    batch = normalise(pictures.batch(np.array([0, 1, 2])).float(), spec)
    expected = np.stack([preprocess(resize_for(one.image(), spec), spec) for one in some])
    np.testing.assert_allclose(batch.numpy(), expected, atol=1e-4)


def test_what_is_handed_out_may_be_changed() -> None:
    pictures = Pictures(samples(2), SPEC, 10**6)
    first = pictures.batch([0])
    first.zero_()
    assert not torch.equal(pictures.batch([0]), first)


def test_a_size_is_needed() -> None:
    with pytest.raises(ConfigError, match="images of one size"):
        image_size_hw(InputSpec())
    with pytest.raises(ConfigError, match="images of one size"):
        image_size_hw(InputSpec(mode="resize", factor=0.5))
