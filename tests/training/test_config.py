"""The configuration refuses what it does not know and says what was meant."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from flawscope.errors import ConfigError
from flawscope.manifest import InputSpec
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import dump_config, load_config, parse_config, recipe_names, replace_in


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid_and_round_trips(name: str) -> None:
    config = load_config(name)
    assert config.recipe == name
    assert parse_config(tomllib.loads(dump_config(config))) == config


def test_defaults_round_trip() -> None:
    assert parse_config(tomllib.loads(dump_config(TrainConfig()))) == TrainConfig()


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("train.batchs=4", "Did you mean 'batch'"),
        ("trian.batch=4", "Did you mean 'train'"),
        ("optimiser.learning_rate=1", "Known here: name, lr"),
        ("data.synth.image=4", "Did you mean 'images'"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(key: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="unknown key") as caught:
        load_config("crack-quick", [key])
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("train.batch=0", "greater than or equal to 1"),
        ("train.precision=fp64", "'fp32', 'bf16' or 'fp16'"),
        ("optimiser.lr=nan", "finite"),
        ("validation.share=1.5", "less than 1"),
        ("input.channels=grey", "need 1 values"),
        ("loss.0.weight=0", "greater than 0"),
        ("data.synth={ground='photographs', kind='steel'}", "expected 'concrete'"),
        ("data.synth={ground='photographs', validation_images=2}", "expected 0"),
        ("data.synth={ground='photographs', cache_dir='x'}", "expected none"),
        ("data.synth={distractors={cable=0.5}}", "expected data.synth.options.always"),
        (
            "data.synth={ground='photographs', distractors={cable=2}}",
            "distractors.cable is 2; expected a number from 0 to 1",
        ),
        ("bundle.working_scales=[0.0]", "greater than or equal to 0.015625"),
        ("bundle.working_scales=[]", "at least 1 item"),
        ("bundle.size_hw=[64, 96]", "goes with masks and input.size_hw"),
        ("validation.min_area_px=[-5]", "greater than or equal to 0"),
        ("validation.min_area_px=[]", "at least 1 item"),
        ("validation.presence_px=-1", "expected 1 px or more, or 'tuned' (found -1)"),
        ("data.synth.size_hw=[0,0]", "greater than or equal to 32"),
        ("data.synth.options.clean_share=2", "options.clean_share is 2; expected a number from 0 to 1"),
        (
            "data.synth.options.cracks.width_px=[9,1]",
            "cracks.width_px is [9, 1]; expected smallest and largest",
        ),
        ("model.prior=[1.5]", "expected shares above 0 and below 1"),
        ("schedule.options.rise=-3", "options.rise is -3; expected a number from 0 to 1"),
        ("schedule.options.rise=much", "options.rise is 'much'; expected a number from 0 to 1"),
        (
            "loss.0.options.hard_negative_ratio=-1",
            "options.hard_negative_ratio is -1; expected a number from 0 on",
        ),
        ("optimiser.options.betas=[0.9]", "options.betas is [0.9]; expected two numbers"),
        ("augment.blur.sigma_px=[1,1e6]", "smallest <= largest <= 100"),
        ("input.mean=[123,117,104]", "input.mean is [123.0, 117.0, 104.0]; expected values from 0 to 1"),
        ("input.std=[58,57,57]", "input.std is [58.0, 57.0, 57.0]; expected values above 0"),
    ],
)
def test_values_out_of_range_name_key_and_expectation(key: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("crack-quick", [key])
    text = str(caught.value)
    assert expected in text and len(text.splitlines()) <= 2
    assert key.split(".")[0] in text


def test_keys_are_held_against_each_other() -> None:
    plateau = {"name": "plateau", "options": {"min_lr": 0.1}}
    with pytest.raises(ConfigError, match=r"min_lr is 0.1; expected at most optimiser.lr, 0.001"):
        parse_config({"schedule": plateau, "optimiser": {"lr": 1e-3}})
    with pytest.raises(ConfigError, match=r"input.*size_hw is .*; expected 1 to 16384"):
        parse_config({"input": {"mode": "resize", "size_hw": [10**6, 64]}})
    rising = {"name": "plateau", "options": {"mode": "max"}}
    with pytest.raises(ConfigError, match=r"mode = 'max' watches train.monitor, and 'loss' falls"):
        parse_config({"schedule": rising, "train": {"monitor": "loss"}})


def test_sets_read_toml_and_plain_words() -> None:
    config = load_config(
        "crack-quick",
        ["train.batch=3", "model.options.widths=[4, 8]", "bundle.name=my model", "loss.1.weight=0.5"],
    )
    assert config.train.batch == 3
    assert config.model.options["widths"] == [4, 8]
    assert config.bundle.name == "my model"
    assert config.loss[1].weight == 0.5


@pytest.mark.parametrize(
    "pair", ["train.batch", "=3", "train..batch=3", "loss.9.weight=1", "train.batch.x=1"]
)
def test_malformed_sets_are_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_config("crack-quick", [pair])


@pytest.mark.parametrize("pair", ["loss.0.weight=2", "loss.terms.0.weight=2", "input.mean.0=0.5"])
def test_items_of_a_list_that_the_recipe_has_not_are_refused(pair: str, tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text("[train]\nbatch = 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"is a list, and the recipe has none.\nGive it as a whole"):
        load_config(path, [pair])


@pytest.mark.parametrize(
    ("recipe", "sets", "steps", "minutes"),
    [
        ("crack-quick", ["train.epochs=3"], None, None),
        ("crack-quick", ["train.steps=3"], 3, None),
        ("crack-quick", ["train.steps=3", " train.minutes = 2"], 3, 2),
        ("crack-quick", ["train.batch=3"], None, 8),
        ("crack-default", ["train.epochs=3"], None, None),
        ("crack-default", ["train.minutes=2"], None, 2),
    ],
)
def test_a_length_that_is_set_takes_the_place_of_the_recipe_s(
    recipe: str, sets: list[str], steps: int | None, minutes: float | None
) -> None:
    train = load_config(recipe, sets).train
    assert (train.steps, train.minutes) == (steps, minutes)


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'crack-quick'"):
        load_config("crack-quik")


def test_files_are_read_and_broken_ones_named(tmp_path: Path) -> None:
    good = tmp_path / "mine.toml"
    good.write_text("[train]\nbatch = 2\n", encoding="utf-8")
    assert load_config(good).recipe == "mine"
    bad = tmp_path / "bad.toml"
    bad.write_text("[train\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(bad)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="Cannot read"):
        load_config(binary)


def test_length_is_needed() -> None:
    with pytest.raises(ConfigError, match="epochs, steps or minutes"):
        parse_config({"train": {"epochs": None}})


def test_replace_checks_again() -> None:
    assert replace_in(TrainConfig(), "train", steps=7).train.steps == 7
    with pytest.raises(ConfigError):
        replace_in(TrainConfig(), "train", steps=0)


def test_every_field_is_described() -> None:
    def visit(model: type) -> None:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            assert field.description, f"{model.__name__}.{name} has no description"

    from flawscope.training import config

    visit(InputSpec)
    for item in vars(config).values():
        if isinstance(item, type) and issubclass(item, config.Section) and item is not config.Section:
            visit(item)
