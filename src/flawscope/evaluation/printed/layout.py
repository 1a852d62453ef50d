"""What a printed table is: its columns, where each stands in ``metrics.json``, and the rows of the paper."""

from __future__ import annotations

from dataclasses import dataclass

Row = tuple[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    """As printed."""
    figure: str
    """Where it stands: ``figures/NAME``, ``training/NAME``, ``classes/CLASS/NAME`` (``*`` = the only
    foreground class, ``#K`` = the K-th, from 1), or ``parameters/NAME``, which the commands derive from the
    network of a row."""
    decimals: int = 3
    factor: float = 1.0
    """100 for percentages."""


@dataclass(frozen=True, slots=True)
class Printed:
    """One block as the paper prints it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a table is laid out."""

    title: str
    first: str
    """Heading of the first column."""
    columns: tuple[Column, ...]
    """Rows are runs; or, with ``sources``, rows are source sets, columns are runs, and this is one figure."""
    printed: tuple[Printed, ...]
    sources: bool = False
    note: str = ""

    @property
    def tells_parameters(self) -> bool:
        """Whether a column tells how large the network is."""
        return any(column.figure.startswith("parameters/") for column in self.columns)
