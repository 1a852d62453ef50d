"""Rules of the source that a linter does not know."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from .source import ROOT, modules, tree

MOST_LINES = 400
PICKLING = {"pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}


@pytest.mark.parametrize("module", modules())
def test_a_file_holds_one_idea(module: str) -> None:
    lines = len(modules()[module].read_text(encoding="utf-8").splitlines())
    assert lines < MOST_LINES, f"{module} has {lines} lines; divide it"


@pytest.mark.parametrize("module", modules())
def test_nothing_read_can_run_code(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            assert not {name.partition(".")[0] for name in names} & PICKLING
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec"), f"{module} calls {called}"
            if called == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("weights_only") == "True", f"{module} loads pickles"
            if called == "np.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("allow_pickle", "False") == "False", f"{module} loads pickles"


def test_every_lower_bound_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounded = [line for line in text.splitlines() if re.match(r'\s+"[\w\-]+>=', line)]
    assert bounded
    assert not [line for line in bounded if "#" not in line]


def test_every_direct_dependency_has_a_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = {line.partition("==")[0].lower() for line in lines if "==" in line}
    named = project["dependencies"] + [
        one for extra in project["optional-dependencies"].values() for one in extra
    ]
    direct = {re.split(r"[<>=\[; ]", one)[0].lower() for one in named} - {"flawscope"}
    assert not direct - tested
