"""Cells and numbers of the report's tables."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "–"  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a table cell and the number it is sorted by."""

    text: str
    sort: float | None = -1.0
    """None: sorted by its text."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """One row of an image's table."""

    number: int
    colour: str
    cells: tuple[Cell, ...]


def number(value: float | None, places: int = 1) -> str:
    """A number with thin spaces between thousands, or a dash."""
    return NONE if value is None else f"{value:,.{places}f}".replace(",", "\u202f")
