"""The house stands: no import upward, no circles, torch on its own floors only."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from .source import FLOORS, NOT_ROOMS, imports, modules, room

TORCH_ROOMS = {"models", "training", "export"}
TORCH_FREE_IN_TRAINING = {
    "flawscope.training",
    "flawscope.training.augment_config",
    "flawscope.training.config",
    "flawscope.training.config_load",
}
"""Recipes are listed and checked where torch is not installed."""


def test_every_room_has_a_floor() -> None:
    unknown = {room(module) for module in modules()} - FLOORS.keys() - NOT_ROOMS
    assert not unknown, f"give these a floor in tests/contracts/source.py: {unknown}"


@pytest.mark.parametrize("module", [name for name in modules() if room(name) not in NOT_ROOMS])
def test_no_import_goes_upward_or_sideways(module: str) -> None:
    here = room(module)
    for target in imports(module):
        there = room(target)
        if there in ("__init__", "recipes", "bundled"):
            continue
        same = here == there or (FLOORS[here] == FLOORS[there] and FLOORS[here] <= 1)
        assert same or FLOORS[there] < FLOORS[here], f"{module} imports {target}, which is not below it"


def test_nobody_imports_the_command_line() -> None:
    guests = [
        m
        for m in modules()
        if room(m) != "cli" and m != "flawscope.__main__"
        for t in imports(m)
        if room(t) == "cli"
    ]
    assert not guests


def test_no_circle_of_imports() -> None:
    graph = {module: set(imports(module, at_load_only=True)) - {module, "flawscope"} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


WITHOUT_TORCH = """
import importlib, sys

class Wall:
    names = {"torch", "torchvision", "timm", "segmentation_models_pytorch", "accelerate", "safetensors",
             "onnx", "onnxscript", "cv2", "openvino"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Wall())
for name in sys.argv[1:]:
    importlib.import_module(name)
import flawscope
for name in flawscope.__all__:
    if name not in ("train", "Run"):
        getattr(flawscope, name)
for name in ("train", "Run"):
    try:
        getattr(flawscope, name)
    except flawscope.FlawscopeError as error:
        assert "flawscope[train]" in str(error), error
    else:
        raise SystemExit(f"flawscope.{name} did not ask for its extra")
try:
    flawscope_models = importlib.import_module("flawscope.models")
    flawscope_models.MODELS
except flawscope.FlawscopeError as error:
    assert "flawscope[train]" in str(error), error
"""


def test_everything_but_training_works_without_torch() -> None:
    free = [name for name in modules() if room(name) not in TORCH_ROOMS and name != "flawscope.__main__"]
    free += sorted(TORCH_FREE_IN_TRAINING)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *free], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


HEAVY = ("torch", "scipy", "skimage", "matplotlib", "onnxruntime", "PIL", "numpy")


@pytest.mark.parametrize("module", ["flawscope", *(name for name in modules() if room(name) == "cli")])
def test_commands_load_nothing_heavy_before_they_run(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
