"""The recipes of the Full Attention paper and of the FCNs take two steps, and say what the papers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.training.config_load import load_config, recipe_names
from flawscope.training.finish import working_input
from flawscope.training.loop import fit

from .small import make_job

ATTENTION = [name for name in recipe_names() if name.startswith("attention-")]
FCN = [name for name in recipe_names() if name.startswith("fcn-")]
QUICK = ("train.batch=2", "train.steps=2", "train.device=cpu", "train.workers=0", "train.threads=1")
SMALL = {
    "attention": ("model.options={ base_width = 4, depth = 5 }", "input.size_hw=[64, 97]"),
    "fcn": ("model.options={ encoder = 'mobilenet_v2', head_widths = [8, 8] }", "data.crop_px=64"),
}


def test_there_are_five_and_three() -> None:
    assert (len(ATTENTION), len(FCN)) == (5, 3)


@pytest.mark.parametrize("name", ATTENTION)
def test_the_papers_settings(name: str) -> None:
    config = load_config(name)
    assert (config.train.epochs, config.train.batch, config.optimiser.lr) == (50, 2, 1e-5)
    assert config.optimiser.name == "adam" and config.schedule.name == "constant"
    assert [term.name for term in config.loss] == ["bce"] and config.validation.threshold_rule == "half"
    assert config.augment.four_flips == "every" and config.augment.flip_horizontal == 0
    assert config.input.size_hw == ((256, 386) if "cracks" in name else (512, 512))
    assert working_input(config).size_hw == ((256, 682) if "cracks" in name else (512, 512))
    assert config.tables == (("attention-cracks",) if "cracks" in name else ("attention-1",))
    assert config.model.options == {"base_width": 64, "depth": 5}


@pytest.mark.parametrize("name", [*ATTENTION, *FCN])
def test_two_steps(name: str, tmp_path: Path) -> None:
    sets = (*SMALL[name.partition("-")[0]], *QUICK)
    progress = fit(make_job(tmp_path, load_config(name, sets)))
    assert progress.step == 2 and np.isfinite(progress.history[-1]["train_loss"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ATTENTION, *FCN])
def test_two_steps_at_full_size(name: str, tmp_path: Path) -> None:
    weights = ("model.options.encoder_weights=none",) if name in FCN else ()
    assert fit(make_job(tmp_path, load_config(name, (*QUICK, *weights)))).step == 2
