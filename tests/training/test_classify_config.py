"""What goes with labels of whole images, and what does not; refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from flawscope.errors import ConfigError
from flawscope.training.config_load import parse_config

from .labelled import SETTINGS, settings, sigmoid


def test_both_heads_with_their_losses() -> None:
    assert settings().input.activation == "softmax"
    assert sigmoid().input.activation == "sigmoid"
    for activation in ("softmax", "sigmoid"):
        assert settings(input={"activation": activation}, loss=[{"name": "focal"}]).loss[0].name == "focal"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"loss": [{"name": "bce"}]}, "makes the classes share one probability"),
        ({"input": {"activation": "sigmoid"}}, "needs probabilities that sum to 1"),
        ({"loss": [{"name": "dice"}]}, "measures overlaps of areas"),
        ({"loss": [{"name": "cross_entropy"}, {"name": "lovasz"}]}, "measures overlaps of areas"),
        ({"train": {"monitor": "f1_tol2"}}, "goes with masks"),
        ({"input": {"mode": "tile"}}, "images of one size"),
        ({"input": {"size_hw": None, "factor": 0.5}}, "images of one size"),
        ({"classify": {"shift_px": -1}}, "greater than or equal to 0"),
        ({"classify": {"erase": {"share": [0.5, 0.2]}}}, "smallest"),
        ({"classify": {"sampling": "balance"}}, "balanced"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        settings(**changes)


def test_accuracy_is_no_figure_of_masks() -> None:
    with pytest.raises(ConfigError, match="accuracy"):
        parse_config({"train": {"monitor": "accuracy"}})


def test_an_unknown_key_is_guessed() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'shift_px'"):
        parse_config({**SETTINGS, "classify": {"shif_px": 2}})
