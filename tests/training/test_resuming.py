"""A run that goes on does so as it began: what is asked for otherwise is refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flawscope.cli.app import main
from flawscope.data.dataset import Dataset
from flawscope.errors import ConfigError, UsageError
from flawscope.training.config_load import load_config, parse_config, replace_in
from flawscope.training.folds import train_folds
from flawscope.training.progress import Silent
from flawscope.training.resuming import LABELS, check_asked, check_same_labels, write_labels
from flawscope.training.run import train
from flawscope.training.toml_writer import to_toml
from flawscope.types import Sample

from . import labelled
from .small import CRACK, samples, settings, write_set


def inverted(sample: Sample) -> Sample:
    """The same picture with all but the line marked."""
    read = sample.read_mask
    assert read is not None
    return replace(sample, read_mask=lambda: 1 - read())


def drawn(pictures: Sequence[Sample]) -> Dataset:
    return Dataset(Path("drawn"), "none", CRACK, "segmentation", tuple(pictures), classes_named=True)


# --- what was asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "key", "told"),
    [
        ({"train": {"steps": 9}}, "train.steps", "train.steps is 9 here and 8 in the run here/run"),
        ({"train": {"seed": 3}}, "train.seed", "3 here and 0"),
        ({"train": {"steps": None, "minutes": 5}}, "train.minutes", "5.0 here and not set"),
        ({"model": {"options": {"widths": [4, 4]}}}, "model.options.widths", r"\[4, 4\] here and \[4, 8\]"),
        ({"train": {"init": "b"}}, "train.init", '"b" here and not set'),
    ],
)
def test_a_named_key_that_differs_is_refused(sections: dict[str, Any], key: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        check_asked(Path("here/run"), settings(), settings(**sections), [key])
    assert "Leave it out, or begin a new run" in str(caught.value)
    check_asked(Path("here/run"), settings(), settings(**sections), [])


def test_items_of_lists_are_compared() -> None:
    table = settings().model_dump(mode="json")
    table["loss"][0]["weight"] = 2.0
    with pytest.raises(ConfigError, match=r"loss.0.weight is 2.0 here and 1.0"):
        check_asked(Path("run"), settings(), parse_config(table), ["loss.0.weight"])
    check_asked(Path("run"), settings(), parse_config(table), ["loss.1.weight"])


def test_what_the_run_fixed_itself_is_not_held_against_the_same_call() -> None:
    asked = settings(
        model={"prior": "data"},
        train={"steps": None, "minutes": 5, "init": "x/../bundle"},
        encoder={"freeze": True, "lr_factor": 0.5},
    )
    begun = replace_in(asked, "train", steps=70, validate_every=3, init=str(Path("bundle").resolve()))
    begun = replace_in(replace_in(begun, "model", prior=[0.1]), "encoder", freeze=False)
    keys = ["train.steps", "train.minutes", "train.validate_every", "train.init", "model.prior", "recipe"]
    check_asked(Path("run"), begun, asked, keys)
    unfrozen = replace_in(begun, "train", init="")
    check_asked(Path("run"), unfrozen, replace_in(asked, "train", init=""), ["encoder.freeze"])


def test_counted_class_weights_are_the_run_s_own() -> None:
    asked = labelled.settings(classify={"class_weights": "balanced"})
    table = asked.model_dump(mode="json")
    table["loss"][0]["options"]["class_weights"] = [1.0, 2.0, 1.0]
    check_asked(Path("run"), parse_config(table), asked, ["loss.0.options", "classify.class_weights"])


# --- what its labels were read as ------------------------------------------------------------------------


def test_masks_that_are_read_otherwise_are_refused(tmp_path: Path) -> None:
    check_same_labels(tmp_path, CRACK, samples(3))  # a run that did not write them down
    write_labels(tmp_path, CRACK, samples(3))
    check_same_labels(tmp_path, CRACK, samples(3)[::-1])
    with pytest.raises(UsageError, match=r"crack 384 pixels then, crack \d+ pixels now") as caught:
        check_same_labels(tmp_path, CRACK, [inverted(one) for one in samples(3)])
    assert "--mask-value" in str(caught.value)
    with pytest.raises(UsageError, match="crack 384 pixels then, scratch 384 pixels now"):
        check_same_labels(tmp_path, (replace(CRACK[0], name="scratch"),), samples(3))


def test_labels_of_images_are_counted(tmp_path: Path) -> None:
    write_labels(tmp_path, labelled.CLASSES, labelled.samples(4))
    assert json.loads((tmp_path / LABELS).read_text(encoding="utf-8"))["classes"][0]["images"] == 2
    check_same_labels(tmp_path, labelled.CLASSES, labelled.samples(4))
    with pytest.raises(UsageError, match="across 2 images, along 1 images"):
        check_same_labels(tmp_path, labelled.CLASSES, labelled.samples(5))


# --- runs ------------------------------------------------------------------------------------------------


def test_a_run_goes_on_with_what_it_has(tmp_path: Path) -> None:
    config = settings(train={"steps": 2})
    train(config, drawn(samples(8)), tmp_path / "run", seed=3, reporter=Silent())
    other = settings(train={"steps": 5, "batch": 2})
    again = train(other, drawn(samples(8)), tmp_path / "run", seed=3, resume=True, reporter=Silent())
    assert (again.config.train.steps, again.config.train.batch) == (2, 3)
    with pytest.raises(ConfigError, match=r"train.seed is 4 here and 3 in the run"):
        train(config, drawn(samples(8)), tmp_path / "run", seed=4, resume=True, reporter=Silent())
    with pytest.raises(ConfigError, match=r"train.batch is 2 here and 3 in the run"):
        train(
            other, drawn(samples(8)), tmp_path / "run", resume=True, named=["train.batch"], reporter=Silent()
        )
    with pytest.raises(UsageError, match="labels are not those that the run began with"):
        wrong = drawn([inverted(one) for one in samples(8)])
        train(config, wrong, tmp_path / "run", resume=True, reporter=Silent())


def test_folds_that_are_left_go_on_as_the_run_began(tmp_path: Path) -> None:
    config, root = settings(train={"steps": 1}), tmp_path / "run"
    train_folds(config, drawn(samples(6)), root, 2, seed=3, reporter=Silent())
    shutil.rmtree(root / "fold-1")
    other = settings(train={"steps": 2}, model={"options": {"widths": [4, 4]}})

    def resume(data: Dataset, folds: int = 2, **options: Any) -> Any:
        return train_folds(other, data, root, folds, resume=True, reporter=Silent(), **options)

    with pytest.raises(UsageError, match="a run of 2 folds; 3 are asked for"):
        resume(drawn(samples(6)), 3)
    with pytest.raises(ConfigError, match=r"train.steps is 2 here and 1 in the run"):
        resume(drawn(samples(6)), named=["train.steps"])
    with pytest.raises(UsageError, match="labels are not those"):
        resume(drawn([inverted(one) for one in samples(6)]))
    assert not (root / "fold-1" / "config.toml").exists()
    for run in resume(drawn(samples(6))):
        assert (run.config.train.steps, run.config.train.seed) == (1, 3)
        assert run.config.model.options["widths"] == [4, 8]


def test_one_run_does_not_go_on_as_folds(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(to_toml(settings().model_dump(mode="json")), encoding="utf-8")
    with pytest.raises(UsageError, match="holds one run and none of folds"):
        train_folds(settings(), drawn(samples(6)), tmp_path, 2, resume=True, reporter=Silent())


def test_the_command_takes_the_same_options_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, recipe, out = write_set(tmp_path / "set", 6), tmp_path / "small.toml", tmp_path / "run"
    recipe.write_text(to_toml(settings(train={"steps": 1}).model_dump(mode="json")), encoding="utf-8")
    call = ["train", str(recipe), "--data", str(data), "--out", str(out)]
    options = ["--set", "train.batch=2", "--seed", "5", "--folds", "2"]
    assert main([*call, *options]) == 0
    assert main([*call, *options, "--resume"]) == 0
    assert main([*call, "--resume"]) == 0
    assert load_config(out / "fold-1" / "config.toml").train.batch == 2
    capsys.readouterr()
    assert main([*call, "--set", "train.batch=4", "--resume"]) == 2
    assert "train.batch is 4 here and 2 in the run" in capsys.readouterr().err
    other = tmp_path / "other.toml"
    shutil.copy(recipe, other)
    assert main(["train", str(other), *call[2:], "--resume"]) == 2
    assert 'recipe is "other" here and "small" in the run' in capsys.readouterr().err
