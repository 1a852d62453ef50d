"""The recipes for labelled images: what they say, and two steps of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.data.open import open_dataset
from flawscope.inspection.inspector import Inspector
from flawscope.training.config_load import load_config, read_recipe, recipe_names, replace_in
from flawscope.training.progress import Silent
from flawscope.training.run import train

from .labelled import draw, write_idx, write_set

NAMES = [name for name in recipe_names() if load_config(name).task == "classification"]
DIGITS = ("mnist-best", "mnist-lab", "mnist-lenet5")
QUICK = (
    "train.batch=8", "train.device=cpu", "train.threads=1", "validation.share=0.2",
)  # fmt: skip
SMALL = {"classify-quick": ("input.size_hw=[48, 48]",)}


def test_they_are_all_there() -> None:
    assert {*DIGITS, "classify-quick"} <= set(NAMES)


@pytest.mark.parametrize("name", DIGITS)
def test_digits_are_never_mirrored_or_turned_far(name: str) -> None:
    config = load_config(name)
    augment = config.augment
    assert (augment.flip_horizontal, augment.flip_vertical, augment.rotate90) == (0, 0, 0)
    assert augment.four_flips == "off" and augment.affine.rotate_deg <= 15
    assert config.input.size_hw == (28, 28) and config.input.channels == "grey"
    assert config.expected_classes == 10 and config.input.activation == "softmax"


def test_the_labs_network_keeps_its_shape() -> None:
    options = load_config("mnist-lab").model.options
    assert load_config("mnist-lab").model.name == "lab-cnn"
    assert len(options["widths"]) == 2 and options.get("convs_per_stage", 1) == 1, "conv-pool-conv-pool"
    assert load_config("mnist-lab").train.minutes == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_says_what_it_is_for(name: str) -> None:
    assert len(read_recipe(name)[1]["description"].split()) > 6


@pytest.mark.parametrize("name", [*DIGITS, "classify-quick"])
def test_two_steps_make_a_bundle_that_inspects(name: str, tmp_path: Path) -> None:
    root = write_idx(tmp_path / "set") if name in DIGITS else write_set(tmp_path / "set", 24, (60, 50))
    config = load_config(name, (*QUICK, *SMALL.get(name, ())))
    config = replace_in(config, "train", steps=2, minutes=None)  # no clock: a busy machine is no fault
    run = train(config, open_dataset(root), tmp_path / "run", reporter=Silent())
    assert run.progress.step == 2 and np.isfinite(run.progress.history[-1]["train_loss"])
    found = Inspector(run.bundle).inspect(draw(0, 5, (70, 60)), name="a.png")
    assert sum(found.scores) == pytest.approx(1, abs=1e-5)
