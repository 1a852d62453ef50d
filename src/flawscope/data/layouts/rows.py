"""Tables row by row: what cannot be used is named with its file and row, never dropped in silence."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flawscope.data.dataset import Problem
from flawscope.errors import DataError, LayoutError
from flawscope.images.sniff import is_image_name

_SHOWN = 5


@dataclass(slots=True)
class Refusals:
    """Collects what cannot be used; at the end it either stops the reading or becomes the set's problems."""

    skip_bad: bool
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    """What is left out for good reason; it stops nothing, but is told."""

    def add(self, where: str, message: str, kind: str = "row") -> None:
        """Note one entry that cannot be used."""
        self.problems.append(Problem(kind, where, message))

    def note(self, where: str, message: str, kind: str = "note") -> None:
        """Tell of something that is left out and need not be corrected."""
        self.notes.append(Problem(kind, where, message))

    def note_unlisted(self, truth: Path, used: Collection[Path]) -> None:
        """Tell how many images beside those that are used have no entry in the file of annotations."""
        lost = [
            path
            for folder in sorted({image.parent for image in used})
            for path in sorted(folder.iterdir())
            if path not in used and is_image_name(path.name)
        ]
        if lost:
            text = f"has no entry for {len(lost)} images; left out, e.g. {lost[0].name}"
            self.note(str(truth), text, "no-label")

    def settle(self, root: Path) -> list[Problem]:
        """The problems, where they may be skipped, and the notes.

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
        return [*self.problems, *self.notes]


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


def read_rows(path: Path, needed: Sequence[str], refused: Refusals) -> Iterator[Row]:
    """Rows of a CSV file: UTF-8 with or without BOM, any line ends, quoted or not; empty lines passed over.

    Rows with more or fewer cells than the header are refused: nobody knows what stands where.

    Raises:
        LayoutError: unreadable, or a column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LayoutError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    try:
        reader = _cells(text)
    except csv.Error as error:
        raise LayoutError(f"{path}: cannot be read as CSV ({error}).\nCorrect the table.") from error
    header = [cell.strip() for cell in next(reader, [])]
    missing = [name for name in needed if name not in header]
    if missing:
        raise LayoutError(
            f"{path}: has no column {' and '.join(missing)}; its columns are {', '.join(header) or 'none'}.\n"
            f"Expected {', '.join(needed)}."
        )
    for number, cells in enumerate(reader, 2):
        stripped = [cell.strip() for cell in cells]
        if not any(stripped):
            continue
        if len(cells) != len(header):
            text = f"has {len(cells)} cells; expected {len(header)} ({', '.join(header)})"
            refused.add(f"{path}, row {number}", text)
            continue
        yield Row(f"{path.name}, row {number}", dict(zip(header, stripped, strict=True)))


def _cells(text: str) -> Iterator[list[str]]:
    """Cells of each line. Run lengths of a large image are longer than the csv module's limit of a field."""
    if '"' not in text:
        return (line.split(",") for line in text.splitlines())
    before = csv.field_size_limit(max(len(text), csv.field_size_limit()))
    try:
        return iter(list(csv.reader(io.StringIO(text, newline=""))))
    finally:
        csv.field_size_limit(before)
