from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from flawscope.cli.app import main
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import dump_config, load_config, recipe_names


def test_the_list_has_a_line_for_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in recipe_names():
        assert any(line.startswith(f"{name} ") and len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize("name", recipe_names())
def test_a_printed_recipe_is_a_whole_configuration_with_its_cost(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", name]) == 0
    shown = capsys.readouterr().out
    TrainConfig.model_validate(tomllib.loads(shown))
    assert "GFLOP" in shown
    assert "parameters" in shown


@pytest.mark.parametrize(
    ("name", "whose", "count"),
    [
        ("severstal-unet", "ours, as Keras counts", (600_756, 600_756)),
        ("severstal-b0", "its like in Keras, derived", (10_115_936, 6_106_404)),
    ],
)
def test_a_recipe_of_steel_has_its_own_row_in_the_figure_of_parameters(
    name: str, whose: str, count: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", name]) == 0
    shown = capsys.readouterr().out
    assert f"# | {name} | {whose} | {count[0]} | {count[1]} |" in shown
    assert shown.count(f"# | {name} | ") == 1 and f"# | {name} | ours |" not in shown
    assert "# | ResNet-34 | printed figure 62 | 24456589 | 3167495 |" in shown
    assert main(["recipes", name, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["tables"]["thesis-62"][0]
    assert row == {"from": whose, "Encoder": name, "Total": count[0], "Trainable": count[1]}


@pytest.mark.parametrize("name", ["two-step", "two-step-capstone"])
def test_of_two_steps_both_networks_are_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", name]) == 0
    shown = capsys.readouterr().out
    gate, classes = shown.index("# Step gate, network"), shown.index("# Step classes, network")
    assert gate < classes and "px, one class:" in shown[gate:classes] and "px, 4 classes:" in shown[classes:]
    assert "a training step of " in shown[gate:classes] and "a training step of 16 " in shown[classes:]
    TrainConfig.model_validate(tomllib.loads(shown))
    assert main(["recipes", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    gate_rows, class_rows = told["gate_cost"]["layers"], told["cost"]["layers"]
    assert (gate_rows[-1]["output_shape"], class_rows[-1]["output_shape"]) == ([1], [4])
    assert told["gate_cost"]["size_hw"] == told["cost"]["size_hw"] == [256, 512]
    assert told["gate_cost"]["parameters"] < told["cost"]["parameters"]


def test_a_gate_has_keys_of_its_own_and_may_stand_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "gate.toml"
    sets = ["model.name=lenet5", "model.options={}", "input.size_hw=[32, 64]", "train.batch=7"]
    for steps in ("both", "gate"):
        own = [f"two_step.gate.{one}" for one in sets]
        recipe.write_text(dump_config(load_config("two-step", [f"two_step.steps={steps}", *own])))
        assert main(["recipes", str(recipe)]) == 0
        shown = capsys.readouterr().out
        assert "# Step gate, network lenet5, one image of 32 x 64 px, one class:" in shown
        assert "a training step of 7 with" in shown
        assert ("# Step classes, network timm" in shown) == (steps == "both")
        assert main(["recipes", str(recipe), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        gate = told["gate_cost"] if steps == "both" else told["cost"]
        assert gate["size_hw"] == [32, 64] and gate["layers"][0]["name"] == "c1"
        assert steps == "both" or told["gate_cost"] is None


def test_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == set(recipe_names())
    assert main(["recipes", "crack-quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"]["model"]["name"] == "unet"
    assert told["cost"]["parameters"] > 0 and told["tables"] == {} and told["gate_cost"] is None
    assert main(["recipes", "attention-full-cracks", "--json"]) == 0
    (rows,) = json.loads(capsys.readouterr().out)["tables"].values()
    assert 49.67 in [value for row in rows for value in row.values()]


def test_without_torch_the_recipe_is_printed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["recipes", "crack-quick"]) == 0
    shown = capsys.readouterr().out
    assert "flawscope[train]" in shown
    TrainConfig.model_validate(tomllib.loads(shown))


def test_an_unknown_recipe_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "crack-quik"]) == 2
    assert "crack-quick" in capsys.readouterr().err
