"""What the contract tests know of the source: modules, their floors, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "flawscope"

FLOORS = {
    "errors": 0, "types": 0,
    "images": 1, "manifest": 1, "bundle_files": 1, "bundle": 1,
    "measurement": 2, "reporting": 2,
    "inspection": 3, "data": 4, "evaluation": 5, "models": 6, "training": 7, "export": 8,
    "serving": 9, "cluster": 9, "cli": 10,
}  # fmt: skip
"""Floor of each room; a file imports only from its own room or from lower floors."""

NOT_ROOMS = {"__init__", "__main__", "bundled", "recipes"}
"""The public face, and folders that hold data."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module in the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    """The parsed source of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def room(module: str) -> str:
    """The folder or file right under the package that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(module: str, *, at_load_only: bool = False) -> Iterator[str]:
    """Modules of flawscope that a module imports, by name; also those in functions unless told otherwise."""
    nodes = _at_load(tree(module).body) if at_load_only else ast.walk(tree(module))
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            names = [full if (full := f"{base}.{alias.name}") in modules() else base for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "flawscope")


def _at_load(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when the module is loaded: no functions, nothing under TYPE_CHECKING."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_load(node.orelse)
            continue
        yield node
        for field in ("body", "orelse", "finalbody"):
            yield from _at_load(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from _at_load(handler.body)
