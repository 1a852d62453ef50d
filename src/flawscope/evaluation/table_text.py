"""A paper's table from our runs beside what was printed: rows, CSV and Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flawscope.evaluation.metrics import csv_text
from flawscope.evaluation.tables import Cell, Printed, TableLayout, cell_of, source_cells

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Labelled:
    """The figures of one run and its name in the table."""

    label: str
    metrics: Mapping[str, Any]
    """Content of ``metrics.json``."""
    parameters_are: str = OURS
    """Where the figures of tables that tell parameters are from."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells with their origin."""

    layout: TableLayout
    headings: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    """Origin (``ours``, how our parameters were counted, or the title of a printed block), label, cells."""


def make_table(layout: TableLayout, runs: Sequence[Labelled]) -> Table:
    """Put runs and printed rows into one table. Raises UsageError as :func:`cell_of`."""
    return _by_source(layout, runs) if layout.sources else _by_run(layout, runs)


def _by_run(layout: TableLayout, runs: Sequence[Labelled]) -> Table:
    rows = [
        (
            run.parameters_are if layout.tells_parameters else OURS,
            run.label,
            tuple(cell_of(run.metrics, column) for column in layout.columns),
        )
        for run in runs
    ]
    for block in layout.printed:
        for label, values in block.rows:
            cells = tuple(
                Cell(value, column.decimals) for value, column in zip(values, layout.columns, strict=True)
            )
            rows.append((block.title, label, cells))
    return Table(layout, tuple(column.title for column in layout.columns), tuple(rows))


def _by_source(layout: TableLayout, runs: Sequence[Labelled]) -> Table:
    """Sets are rows, under the paper's names; our runs are the first columns, those of the paper follow.

    A set that no column has a figure of, such as one of clean images only, has no row.
    """
    (column,) = layout.columns
    ours = [source_cells(run.metrics, column) for run in runs]
    names = list(dict.fromkeys(name for cells in ours for name in cells))
    others = list(dict.fromkeys(label for block in layout.printed for label, _ in block.rows))
    printed = [(block, k, title) for block in layout.printed for k, title in enumerate(block.columns)]
    headings = [run.label for run in runs] + [
        f"{title}, printed {block.title}" for block, _, title in printed
    ]
    rows = [
        (
            OURS,
            _printed_name(name, names, others),
            tuple(cells.get(name, Cell(None)) for cells in ours)
            + tuple(Cell(_printed(block, name, k), column.decimals) for block, k, _ in printed),
        )
        for name in names
    ]
    known = {_key(name) for name in names}
    for name in others:
        if _key(name) not in known:
            blank = (Cell(None),) * len(runs)
            theirs = tuple(Cell(_printed(block, name, k), column.decimals) for block, k, _ in printed)
            rows.append(("printed", name, blank + theirs))
    told = tuple(row for row in rows if any(cell.value is not None for cell in row[2]))
    return Table(layout, tuple(headings), told)


def _printed_name(name: str, ours: Sequence[str], printed: Sequence[str]) -> str:
    """What the paper calls a set of ours; its own name where the paper has none, or we have several of it."""
    meant = [label for label in printed if _key(label) == _key(name)]
    alone = sum(_key(other) == _key(name) for other in ours) == 1
    return meant[0] if meant and alone else name


def _printed(block: Printed, name: str, column: int) -> float | None:
    for label, values in block.rows:
        if _key(label) == _key(name):
            return values[column]
    return None


def _key(source: str) -> str:
    """The first word: a prefix of files holds no more of a printed name such as ``Sylvie Chambon``."""
    return re.split(r"[\s_-]", source, maxsplit=1)[0].casefold()


def markdown(table: Table, limits: bool = False, notes: Sequence[str] = ()) -> str:
    """The table as Markdown: ours first, what was printed after it, or beside it."""
    origin = not table.layout.sources
    head = [table.layout.first, *(["from"] if origin else []), *table.headings]
    lines = [f"## {table.layout.title}", "", _line(head)]
    lines.append(_line(["---", *(["---"] if origin else []), *["---:"] * len(table.headings)]))
    titles = {block.title for block in table.layout.printed}
    for source, label, cells in table.rows:
        where = [f"printed {source}" if source in titles else source] if origin else []
        lines.append(_line([label, *where, *(cell.text(limits) for cell in cells)]))
    remarks = [table.layout.note, *notes]
    return "\n".join([*lines, "", *[f"{remark}  " for remark in remarks if remark]]).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def records(table: Table) -> list[dict[str, Any]]:
    """Rows as JSON takes them: where each is from, its name, and a number (or None) a heading."""
    return [
        {"from": origin, table.layout.first: label}
        | {title: cell.value for title, cell in zip(table.headings, cells, strict=True)}
        for origin, label, cells in table.rows
    ]


def csv(table: Table) -> str:
    """The table as CSV: a row a row, ``from`` says whose it is; limits (or sd over folds) in own columns."""
    extra = [
        (k, what)
        for k in range(len(table.headings))
        for what in ("low", "high", "sd")
        if any(getattr(cells[k], what) is not None for _, _, cells in table.rows)
    ]
    columns = ["from", table.layout.first, *table.headings]
    columns += [f"{table.headings[k]} {what}" for k, what in extra]
    rows = []
    for origin, label, cells in table.rows:
        row: dict[str, Any] = {"from": origin, table.layout.first: label}
        row |= {title: _number(cell.value) for title, cell in zip(table.headings, cells, strict=True)}
        row |= {f"{table.headings[k]} {what}": _number(getattr(cells[k], what)) for k, what in extra}
        rows.append(row)
    return csv_text(columns, rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
