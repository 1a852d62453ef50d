"""From the tables of ``explore`` to the sections of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset, Problem
from flawscope.data.explore_look import ImageRow
from flawscope.data.explore_recipe import Suggestion
from flawscope.data.explore_tables import Cell, Table
from flawscope.data.integrity import IntegrityReport
from flawscope.reporting.colours import class_colours, to_hex
from flawscope.reporting.explore_page import Chart, Section, Sheet, Shown, TableView, bar_chart
from flawscope.reporting.page_values import number

_MOST_LINES = 40
_MOST_ROWS = 30
_SHARE_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_NEUTRAL = "#4a90d9"
_NONE = "–"  # noqa: RUF001

Widths = Mapping[int, npt.NDArray[np.int64]]


def _text(value: Cell) -> str:
    if value is None or value == "":
        return _NONE
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value == 0:
        return number(value, 0)
    return number(
        value, 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 0.1 else 3
    )


def _view(
    table: Table,
    heads: Mapping[str, str],
    title: str = "",
    note: str = "",
    bar: str = "",
    text_columns: int = 1,
) -> TableView:
    """The columns named in ``heads``, under those heads; ``bar`` names the column that gets bars."""
    places = [table.columns.index(name) for name in heads]
    at = table.columns.index(bar) if bar else -1
    most = max((float(row[at] or 0) for row in table.rows), default=0.0) if bar else 0.0
    rows = []
    for row in table.rows[:_MOST_ROWS]:
        cells = []
        for place in places:
            length = float(row[place] or 0) / most if place == at and most else None
            cells.append(Shown(_text(row[place]), length))
        rows.append(tuple(cells))
    if len(table.rows) > _MOST_ROWS:
        note = f"{note} {len(table.rows) - _MOST_ROWS} more rows are in the file.".strip()
    return TableView(tuple(heads.values()), tuple(rows), title, note, f"{table.name}.csv", text_columns)


def _coloured(view: TableView, colours: Mapping[str, str]) -> TableView:
    """The same table with a swatch before names of classes (also behind ``only``) in its first column."""
    rows = []
    for row in view.rows:
        colour = colours.get(row[0].text.removeprefix("only "), "")
        rows.append((Shown(row[0].text, colour=colour), *row[1:]))
    return replace(view, rows=tuple(rows))


def integrity_section(
    dataset: Dataset, report: IntegrityReport, warnings: Sequence[Problem], copies: Table, split: str
) -> Section:
    """What is wrong with the files, first of all."""
    notices = []
    if report.errors:
        lines = [str(item) for item in report.errors]
        bad = sum(bool(item.path) for item in report.errors)
        headline = f"{bad} of {len(dataset)} images cannot be used" if bad else "The set cannot be used"
        notices.append((headline, _shortened(lines)))
    notes = _shortened([str(item) for item in warnings])
    good = "" if notices or notes else "Nothing is wrong with the files."
    tables = []
    if copies.rows:
        tables.append(_copies(copies))
    masks = (
        "masks without images and the reverse, masks of another size, mask values that nobody declared, "
        if dataset.task == "segmentation"
        else ""
    )
    lead = (
        f"Every file was read whole: unreadable, truncated and odd-sized images, {masks}copies, near-copies"
        + (f", also across the parts of {split}." if split else ".")
    )
    return Section(
        "integrity", "Integrity", lead, good, notices=tuple(notices), notes=notes, tables=tuple(tables)
    )


def _copies(table: Table) -> TableView:
    """A row a group: its images, each with its part, one group of ``copies.csv`` after another."""
    groups: dict[Cell, list[dict[str, Cell]]] = {}
    for row in table.dicts():
        groups.setdefault(row["group"], []).append(row)
    rows = []
    for members in list(groups.values())[:_MOST_ROWS]:
        names = [f"{one['image']} ({one['part']})" if one["part"] else str(one["image"]) for one in members]
        kind = "copies" if all(one["kind"] == "copy" for one in members) else "near-copies"
        rows.append((Shown(", ".join(names)), Shown(kind)))
    left = len(groups) - len(rows)
    note = f"{left} more groups are in the file." if left else ""
    return TableView(("Images", "Kind"), tuple(rows), "One photograph each", note, "copies.csv", 2)


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    return (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more, in integrity.csv")


def class_section(dataset: Dataset, tables: Mapping[str, Table]) -> Section:
    """Images of each class, of each number of classes, and which classes come together."""
    colours = _hex(dataset)
    heads = {"class": "Class", "class_id": "Id", "images": "Images", "images_percent": "% of images"}
    heads |= {"images_alone": "With it alone"}
    if dataset.task == "segmentation":
        heads["pixels"] = "Pixels"
    views = [_coloured(_view(tables["classes"], heads, "Images of each class", bar="images"), colours)]
    counted = {"n_classes": "Classes", "images": "Images", "images_percent": "% of images"}
    several = any(len(str(row[0]).split(" + ")) > 1 for row in tables["combinations"].rows)
    if dataset.task == "segmentation" or several:
        views.append(_view(tables["classes_per_image"], counted, "Images by number of classes", bar="images"))
    if several:
        together = {"classes": "Classes", "images": "Images", "images_percent": "% of images"}
        views.append(_view(tables["combinations"], together, "Classes that come together", bar="images"))
        views.append(_co_occurrence(tables["co_occurrence"], colours))
    return Section("classes", "Classes", tables=tuple(views))


def _co_occurrence(table: Table, colours: Mapping[str, str]) -> TableView:
    beside = [
        float(cell or 0) for at, row in enumerate(table.rows) for n, cell in enumerate(row[1:]) if n != at
    ]
    most = max(beside, default=0.0) or 1.0
    rows = []
    for at, row in enumerate(table.rows):
        cells = [
            Shown(_text(cell), heat=None if n == at else float(cell or 0) / most)
            for n, cell in enumerate(row[1:])
        ]
        rows.append((Shown(str(row[0]), colour=colours.get(str(row[0]), "")), *cells))
    note = "Images that show both classes; the diagonal counts all images of a class."
    return TableView(("", *table.columns[1:]), tuple(rows), "Co-occurrence", note, "co_occurrence.csv")


def share_section(dataset: Dataset, rows: Sequence[ImageRow], table: Table) -> Section:
    """How much of an image is marked."""
    heads = {
        "group": "Images", "images": "Number", "mean_percent": "Mean", "median_percent": "Median",
        "sd_percent": "SD", "min_percent": "Min", "max_percent": "Max",
    }  # fmt: skip
    note = (
        "In per cent of the pixels of an image. 'only': images with that class and no other; a class by its "
        "name alone: its own pixels, over all images that show it."
    )
    colours = _hex(dataset)
    charts = []
    for info in dataset.classes:
        shares = [100 * row.classes[info.id].share for row in rows if info.id in row.classes]
        if shares:
            counts = np.histogram(shares, (0, *_SHARE_EDGES))[0]
            bars = [(f"{edge:g}", float(count)) for edge, count in zip(_SHARE_EDGES, counts, strict=True)]
            svg = bar_chart(bars, colours[info.name], "share of the image up to, %")
            charts.append(Chart(info.name, svg, colours[info.name]))
    if len(dataset.classes) == 1:
        # With one class the other groups say the same again.
        table, note = replace(table, rows=table.rows[:2]), "In per cent of the pixels of an image."
    view = _coloured(_view(table, heads, note=note), colours)
    return Section(
        "shares",
        "Defect share per image",
        tables=(view,),
        charts=tuple(charts),
        charts_title="Images by share",
    )


def shape_section(dataset: Dataset, tables: Mapping[str, Table], widths: Widths) -> Section:
    """Components, and widths of lines."""
    colours = _hex(dataset)
    heads = {
        "class": "Class", "images": "Images", "components": "Components", "per_image_mean": "Per image",
        "per_image_median": "Median", "per_image_max": "Most", "area_mean_px": "Mean area, px",
        "area_max_px": "Largest, px",
    }  # fmt: skip
    note = "Pixels that touch, also at a corner, make one component."
    views = [_coloured(_view(tables["components"], heads, "Components", note, bar="components"), colours)]
    charts = []
    if tables["widths"].rows:
        heads = {
            "class": "Class", "images": "Images", "middle_line_px": "Middle line, px",
            "mean_px": "Mean width, px", "median_px": "Median", "p95_px": "95 %", "max_px": "Widest",
        }  # fmt: skip
        note = "Twice the distance from the middle line to the edge, in whole pixels: a look, no measurement."
        views.append(_coloured(_view(tables["widths"], heads, "Widths", note), colours))
        for info in dataset.classes:
            if info.id in widths and widths[info.id].sum():
                bars = _width_bars(widths[info.id])
                svg = bar_chart(bars, colours[info.name], "width, px", "px of middle line")
                charts.append(Chart(info.name, svg, colours[info.name]))
    return Section(
        "shapes", "Components and widths", tables=tuple(views), charts=tuple(charts), charts_title="Widths"
    )


def _width_bars(counts: npt.NDArray[np.int64]) -> list[tuple[str, float]]:
    """A bar a pixel up to where 1 % is left, which one last bar sums up."""
    total = int(counts.sum())
    last = max(6, int(np.searchsorted(np.cumsum(counts), 0.99 * total)))
    bars = [(str(width), float(counts[width])) for width in range(1, min(last, len(counts) - 1) + 1)]
    rest = float(counts[last + 1 :].sum())
    return [*bars, (f">{last}", rest)] if rest else bars


def picture_section(tables: Mapping[str, Table]) -> Section:
    """Sizes, and light and sharpness of each source."""
    heads = {
        "source": "Source", "images": "Images", "with_defect": "With a class",
        "brightness_mean": "Brightness", "brightness_sd": "SD", "brightness_min": "Darkest",
        "brightness_max": "Brightest", "contrast_mean": "Contrast", "sharpness_median": "Sharpness",
        "sharpness_min": "Least", "sharpness_max": "Most",
    }  # fmt: skip
    note = (
        "Brightness: mean grey value of an image, 0 to 255. Contrast: their standard deviation within it. "
        "Sharpness: variance of the Laplacian, median over images; grain raises it, and it compares only "
        "pictures of about one size."
    )
    size_heads = {"width_px": "Width, px", "height_px": "Height, px", "images": "Images"}
    size_heads["images_percent"] = "% of images"
    views = (
        _view(tables["sources"], heads, "Sources", note),
        _view(tables["sizes"], size_heads, "Sizes", bar="images", text_columns=0),
    )
    return Section("pictures", "Brightness, sharpness, size", tables=views)


def sheet_section(sheets: Sequence[Sheet], masks: bool) -> Section:
    """Contact sheets."""
    lead = "From little marked to much: every step of a class's share is there." if masks else ""
    return Section("sheets", "Contact sheets", lead, sheets=tuple(sheets))


def recipe_section(suggestion: Suggestion) -> Section:
    """What to train with."""
    if suggestion.recipe:
        lead = f"{suggestion.recipe} ({suggestion.kind}), because the set holds {suggestion.reason}."
    else:
        lead = f"A recipe for {suggestion.kind}, because the set holds {suggestion.reason}."
    return Section("recipe", "Suggested recipe", lead, notes=suggestion.advice, command=suggestion.command)


def cards(
    dataset: Dataset, rows: Sequence[ImageRow], report: IntegrityReport
) -> tuple[tuple[str, str, str, str], ...]:
    """The figures at the head of the page: value, unit, caption, kind."""
    bad = len(dataset) - len(rows)
    near = sum(len(group) for group in report.near_copies)
    present = sum(any(info.id in row.classes for row in rows) for info in dataset.classes)
    found = [(number(len(dataset), 0), "", "images", "")]
    found.append((number(present, 0), "", "class" if present == 1 else "classes", ""))
    if dataset.task == "segmentation":
        marked = sum(bool(row.classes) for row in rows)
        found.append((number(marked, 0), "", "with a defect", ""))
        found.append((number(len(rows) - marked, 0), "", "clean", ""))
        share = 100 * float(np.mean([row.share for row in rows])) if rows else 0.0
        found.append((number(share, 2), "%", "of all pixels marked, mean", ""))
    found.append((number(near, 0), "", "copies and near-copies", "bad" if near else "good"))
    found.append((number(bad, 0), "", "cannot be used", "bad" if bad else "good"))
    return tuple(found)


def _hex(dataset: Dataset) -> dict[str, str]:
    return {name: to_hex(rgb) for name, rgb in class_colours(dataset.classes).items()}
