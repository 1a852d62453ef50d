"""Tables row by row: what cannot be used is named with its file and row, never dropped in silence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flawscope.data.dataset import Problem
from flawscope.errors import DataError, LayoutError

_SHOWN = 5


@dataclass(slots=True)
class Refusals:
    """Collects what cannot be used; at the end it either stops the reading or becomes the set's problems."""

    skip_bad: bool
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str, kind: str = "row") -> None:
        """Note one entry that cannot be used."""
        self.problems.append(Problem(kind, where, message))

    def settle(self, root: Path) -> list[Problem]:
        """The problems, where they may be skipped.

        Raises:
            DataError: there are some and they may not be skipped; names the first few.
        """
        if self.problems and not self.skip_bad:
            listed = "\n".join(f"  {problem}" for problem in self.problems[:_SHOWN])
            more = f"\n  and {len(self.problems) - _SHOWN} more" if len(self.problems) > _SHOWN else ""
            raise DataError(
                f"{root}: {len(self.problems)} entries cannot be used:\n{listed}{more}\n"
                "Correct them, or go on without them with --skip-bad."
            )
        return self.problems


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    where: str
    """``FILE, row N``; the header is row 1."""
    cells: dict[str, str]


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file; empty when it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [cell.strip() for cell in next(csv.reader(stream), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def read_rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    """Rows of a CSV file: UTF-8 with or without BOM, any line ends, quoted or not; empty lines passed over.

    Raises:
        LayoutError: unreadable, or a column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LayoutError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    reader = _cells(text)
    header = [cell.strip() for cell in next(reader, [])]
    missing = [name for name in needed if name not in header]
    if missing:
        raise LayoutError(
            f"{path}: has no column {' and '.join(missing)}; its columns are {', '.join(header) or 'none'}.\n"
            f"Expected {', '.join(needed)}."
        )
    for number, cells in enumerate(reader, 2):
        if any(cell.strip() for cell in cells):
            filled = [*cells, *[""] * (len(header) - len(cells))]
            pairs = dict(zip(header, (cell.strip() for cell in filled), strict=False))
            yield Row(f"{path.name}, row {number}", pairs)


def _cells(text: str) -> Iterator[list[str]]:
    """Cells of each line. The csv module limits the length of fields; plain text needs no limit."""
    if '"' in text:
        yield from csv.reader(io.StringIO(text, newline=""))
    else:
        yield from (line.split(",") for line in text.splitlines())
