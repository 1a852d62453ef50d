from __future__ import annotations

import json
import sys
import tomllib

import pytest

from flawscope.cli.app import main
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import recipe_names


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
    ("name", "count"),
    [("severstal-unet", "600756 | 600756"), ("severstal-b0", "10115936 | 6106404")],
)
def test_a_recipe_of_steel_has_its_own_row_in_the_figure_of_parameters(
    name: str, count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", name]) == 0
    shown = capsys.readouterr().out
    assert f"# | {name} | ours | {count} |" in shown and shown.count(f"# | {name} | ours |") == 1


def test_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == set(recipe_names())
    assert main(["recipes", "crack-quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"]["model"]["name"] == "unet"
    assert told["cost"]["parameters"] > 0 and told["tables"] == {}
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
