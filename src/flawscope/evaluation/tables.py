"""Figures of ours in the columns of a printed table.

``LAYOUTS`` maps the names of ``flawscope table --like NAME`` to a layout. A layout says which figure of ours
a column is, and keeps what the paper printed, so that both can stand side by side. The layouts themselves
are in ``evaluation/printed/``, a file a paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flawscope.errors import UsageError
from flawscope.evaluation.printed import LAYOUTS
from flawscope.evaluation.printed.layout import Column, Printed, TableLayout

__all__ = ["LAYOUTS", "Cell", "Column", "Printed", "TableLayout", "cell_of", "layout_named", "source_cells"]


def layout_named(name: str) -> TableLayout:
    """The layout of that name. Raises UsageError."""
    if name not in LAYOUTS:
        raise UsageError(f"There is no table {name!r}.\nExpected one of: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its limits, as the table shows it (factor applied)."""

    value: float | None
    decimals: int = 3
    low: float | None = None
    high: float | None = None
    sd: float | None = None

    def text(self, limits: bool = False) -> str:
        """The number, or ``-``; with ``limits`` also its 95 % limits or the sd over folds."""
        if self.value is None:
            return "-"
        shown = f"{self.value:.{self.decimals}f}"
        if limits and self.low is not None and self.high is not None:
            return f"{shown} [{self.low:.{self.decimals}f}, {self.high:.{self.decimals}f}]"
        return f"{shown} sd {self.sd:.{self.decimals}f}" if limits and self.sd is not None else shown


def cell_of(metrics: Mapping[str, Any], column: Column) -> Cell:
    """The figure of a column in the content of a ``metrics.json``; empty where it has none.

    Raises UsageError where ``*`` stands for several classes.
    """
    kind, *path, name = column.figure.split("/")
    figures: Any = metrics.get(kind, {})
    for key in path:
        figures = figures.get(_class_of(metrics, key), {})
    return _cell(figures.get(name), column)


def source_cells(metrics: Mapping[str, Any], column: Column) -> dict[str, Cell]:
    """The figure of a column for each source set."""
    name = column.figure.rpartition("/")[2]
    return {
        source: _cell(figures.get(name), column) for source, figures in metrics.get("sources", {}).items()
    }


def _cell(figure: Mapping[str, float | None] | None, column: Column) -> Cell:
    scaled = {
        key: None if value is None else value * column.factor
        for key in ("value", "low", "high", "sd")
        for value in [(figure or {}).get(key)]
    }
    return Cell(scaled["value"], column.decimals, scaled["low"], scaled["high"], scaled["sd"])


def _class_of(metrics: Mapping[str, Any], key: str) -> str:
    """The class that a layout means; its own name where the data has fewer."""
    if key == "*":
        return _only_class(metrics)
    names = _foreground(metrics)
    if key.startswith("#") and int(key[1:]) <= len(names):
        return names[int(key[1:]) - 1]
    return key


def _foreground(metrics: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in metrics.get("classes", {}) if name != "background"]


def _only_class(metrics: Mapping[str, Any]) -> str:
    names = _foreground(metrics)
    if len(names) != 1:
        raise UsageError(
            f"The table is of one class; the figures have {len(names)}: {', '.join(names)}.\n"
            "Evaluate with --map TRUTH=MODEL so that one class is left."
        )
    return names[0]
