"""What cannot be built is refused before any image is read; what can be leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flawscope.data.dataset import Dataset
from flawscope.errors import ConfigError, FlawscopeError
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import load_config, recipe_names
from flawscope.training.folds import train_folds
from flawscope.training.progress import Silent
from flawscope.training.run import train
from flawscope.training.try_parts import try_parts

from .small import CRACK, samples, settings


def _unread() -> Any:
    raise AssertionError("an image was read")


@pytest.fixture
def untouched() -> Dataset:
    """Six samples that must not be read."""
    some = tuple(replace(one, image=_unread, read_mask=_unread) for one in samples(6))
    return Dataset(Path("set"), "drawn", CRACK, "segmentation", some)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_built(name: str) -> None:
    try_parts(load_config(name))


@pytest.mark.parametrize(
    "config",
    [
        settings(model={"options": {"widths": [0, 8]}}),
        settings(model={"options": {"widths": [1.5, 8]}}),
        settings(model={"options": {"widths": [4, 8], "up_widths": [0]}}),
        settings(model={"prior": (0.1, 0.1)}),
        settings(model={"name": "smp-unet", "options": {"decoder_channels": [-3]}}),
        settings(schedule={"name": "linear"}),
        settings(optimiser={"options": {"beta": 1}}),
        settings(data={"protocol": "thesis-test", "protocol_options": {"per_class": 0}}),
        settings(data={"protocol": "coredeep", "protocol_options": {"val": 1.5}}),
        settings(data={"protocol": "coredeep", "protocol_options": {"val": "half"}}),
        settings(data={"synth": {"images": 2, "kind": "steel", "size_hw": [32, 32]}}),
        settings(data={"synth": {"images": 2, "options": {"materials": {"gold": 1.0}}}}),
        settings(data={"synth": {"images": 2, "options": {"cracks": {"path": "spiral"}}}}),
        settings(data={"synth": {"images": 2, "ground": "photographs", "distractors": {"crazed-pint": 0.5}}}),
    ],
)
def test_what_cannot_be_built_is_refused_before_an_image_is_read(
    config: TrainConfig, untouched: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(FlawscopeError):
        train(config, untouched, tmp_path / "run", reporter=Silent())
    with pytest.raises(FlawscopeError):
        train_folds(config, untouched, tmp_path / "run", 2, reporter=Silent())
    assert not (tmp_path / "run").exists()


def test_weights_of_classes_are_counted(untouched: Dataset) -> None:
    table = settings().model_dump(mode="json")
    table["loss"] = [{"name": "bce", "options": {"class_weights": [1.0, 2.0]}}]
    config = TrainConfig.model_validate(table)
    with pytest.raises(ConfigError, match="2 class weights; expected one or 1"):
        try_parts(config, untouched)
    try_parts(config)  # which classes there are is not known yet
