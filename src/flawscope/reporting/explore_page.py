"""The page of ``explore``: sections of tables, small charts and contact sheets in one self-contained file."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from flawscope.images.atomic import write_text_atomic


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell of a table."""

    text: str
    bar: float | None = None
    """Length of a bar behind the text, 0..1."""
    colour: str = ""
    """``#rrggbb`` of a swatch before the text."""
    heat: float | None = None
    """Strength of the background, 0..1."""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table."""

    head: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    title: str = ""
    note: str = ""
    csv: str = ""
    """File beside the page that holds it; empty = none."""
    text_columns: int = 1
    """Leading columns of text; the others hold numbers."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A small bar chart."""

    title: str
    svg: Markup
    colour: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image of a contact sheet, as JPEG."""

    name: str
    caption: str
    on_image: bytes
    on_black: bytes = b""
    """Empty when there is no mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The contact sheet of a class."""

    title: str
    colour: str
    pictures: tuple[Picture, ...]
    wide: bool = False
    """Pictures are strips: one below the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of the page."""

    anchor: str
    title: str
    lead: str = ""
    good: str = ""
    """A line in green: nothing is wrong."""
    notices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Headline and lines of what is wrong."""
    notes: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()
    charts: tuple[Chart, ...] = ()
    charts_title: str = ""
    sheets: tuple[Sheet, ...] = ()
    command: str = ""
    """A command line to copy."""


@dataclass(frozen=True, slots=True, eq=False)
class ExplorePage:
    """All that the page shows."""

    title: str
    about: str
    """One line below the title."""
    cards: tuple[tuple[str, str, str, str], ...]
    """Value, unit, caption, kind (empty, ``good``, ``bad``)."""
    sections: tuple[Section, ...]
    files: Sequence[str] = ()
    """Files written beside the page, relative to it."""
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now().astimezone())


def bar_chart(
    bars: Sequence[tuple[str, float]], colour: str, x_title: str, y_title: str = "images"
) -> Markup:
    """Upright bars as SVG; labels that would collide are left out.

    bars: label and height of each, heights not negative.
    """
    width, height, left, bottom, top = 360.0, 150.0, 8.0, 34.0, 16.0
    most = max((value for _, value in bars), default=0.0) or 1.0
    step = (width - 2 * left) / max(1, len(bars))
    every = max(1, -(-len(bars) // 12))
    parts = []
    for number, (label, value) in enumerate(bars):
        tall = (height - bottom - top) * value / most
        x, y = left + number * step, height - bottom - tall
        name = escape(f"{label}: {value:,.0f} {y_title}")
        size = f'width="{max(1.0, step - 2):.1f}" height="{tall:.1f}"'
        parts.append(f'<rect x="{x + 1:.1f}" y="{y:.1f}" {size} rx="1.5"><title>{name}</title></rect>')
        if number % every == 0:
            middle = x + step / 2
            parts.append(f'<text x="{middle:.1f}" y="{height - bottom + 12:.1f}">{escape(label)}</text>')
    base = height - bottom
    text = (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" style="fill:{escape(colour)}" '
        f'aria-label="{escape(x_title)}">'
        f'<line x1="{left}" x2="{width - left}" y1="{base}" y2="{base}"/>{"".join(parts)}'
        f'<text x="{width / 2:.0f}" y="{height - 6:.0f}">{escape(x_title)}</text>'
        f'<text class="most" x="{left}" y="10">up to {most:,.0f} {escape(y_title)}</text></svg>'
    )
    return Markup(text)


def render_page(page: ExplorePage) -> str:
    """The page as HTML text. Everything that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("flawscope.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["jpeg"] = _uri
    environment.filters["href"] = quote
    return environment.get_template("explore.html").render(page=page)


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def write_page(path: str | Path, page: ExplorePage) -> None:
    """Write the page, whole or not at all. Raises OutputError."""
    write_text_atomic(path, render_page(page))
