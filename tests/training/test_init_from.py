"""Starting from a bundle takes every weight, or says which does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save

from flawscope.bundle import write_bundle_folder
from flawscope.errors import BundleError, ConfigError
from flawscope.manifest import ClassSpec, InputSpec, Manifest, NetworkSpec, StageSpec
from flawscope.training.init_from import load_initial
from flawscope.training.session import build_network

from .small import CRACK, settings, weights_equal


def _bundle(out: Path, network: Any, files: dict[Any, bytes]) -> Path:
    names = {"weights": "weights.safetensors", "onnx": "model.onnx"}
    stage = StageSpec(
        network=NetworkSpec(name="unet", options={"widths": [4, 8]}),
        files={role: names[role] for role in files},
    )
    manifest = Manifest(classes=(ClassSpec(id=1, name="crack"),), input=InputSpec(), stages=(stage,))
    write_bundle_folder(out, manifest, {names[role]: data for role, data in files.items()})
    return out


def test_all_weights_are_taken_over(tmp_path: Path) -> None:
    old = build_network(settings(train={"seed": 5}), CRACK)
    bundle = _bundle(tmp_path / "b", old, {"weights": save(old.state_dict())})
    new = build_network(settings(), CRACK)
    assert not weights_equal(old.state_dict(), new.state_dict())
    load_initial(new, bundle, settings(), CRACK)
    assert weights_equal(old.state_dict(), new.state_dict())


def test_another_network_is_named(tmp_path: Path) -> None:
    config = settings(model={"options": {"widths": [4, 12]}})
    old = build_network(settings(), CRACK)
    bundle = _bundle(tmp_path / "b", old, {"weights": save(old.state_dict())})
    with pytest.raises(ConfigError, match=r"has shape .* expected") as caught:
        load_initial(build_network(config, CRACK), bundle, config, CRACK)
    assert "leave --init out" in str(caught.value)
    assert "[4, 12]" in str(caught.value) and "[4, 8]" in str(caught.value)


def test_missing_and_unknown_names_are_named(tmp_path: Path) -> None:
    old = build_network(settings(), CRACK)
    state = old.state_dict()
    state["stray"] = state.pop("head.bias")
    bundle = _bundle(tmp_path / "b", old, {"weights": save(state)})
    with pytest.raises(ConfigError, match=r"head\.bias is missing; stray is not known"):
        load_initial(build_network(settings(), CRACK), bundle, settings(), CRACK)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        load_initial(build_network(settings(), CRACK), tmp_path / "none", settings(), CRACK)
