"""The tables of ``explore``: pure functions from rows of figures to rows of a table.

Shares are in per cent of the pixels of an image that are not ignored. ``sd`` is the sample standard deviation
(n - 1), empty for fewer than two images. Groups without an image are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.data.explore_look import ClassFigures, ImageRow
from flawscope.types import ClassInfo

Cell = str | int | float | None
CLEAN = "none"
"""How images without any class are called in tables."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it goes into a CSV file and the report."""

    name: str
    """File name without ``.csv``."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def dicts(self) -> list[dict[str, Cell]]:
        """Rows as column -> cell."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def images_per_class(rows: Sequence[ImageRow], classes: Sequence[ClassInfo]) -> Table:
    """``classes.csv``: images with each class, how many show it alone, its pixels; last the clean images."""
    found: list[tuple[Cell, ...]] = []
    for info in classes:
        own = [row for row in rows if info.id in row.classes]
        pixels = sum(row.classes[info.id].pixels for row in own)
        alone = sum(len(row.classes) == 1 for row in own)
        found.append((info.id, info.name, info.kind, len(own), _percent(len(own), len(rows)), alone, pixels))
    clean = sum(not row.classes for row in rows)
    # Where whole images are labelled, none is without.
    if clean or any(info.kind != "image" for info in classes):
        found.append((None, CLEAN, "", clean, _percent(clean, len(rows)), clean, 0))
    columns = ("class_id", "class", "kind", "images", "images_percent", "images_alone", "pixels")
    return Table("classes", columns, tuple(found))


def images_per_count(rows: Sequence[ImageRow]) -> Table:
    """``classes_per_image.csv``: how many images show 0, 1, 2, ... classes."""
    counts = Counter(len(row.classes) for row in rows)
    found = [(n, counts[n], _percent(counts[n], len(rows))) for n in range(max(counts, default=0) + 1)]
    return Table("classes_per_image", ("n_classes", "images", "images_percent"), tuple(found))


def combinations(rows: Sequence[ImageRow], classes: Sequence[ClassInfo]) -> Table:
    """``combinations.csv``: images of each set of classes that occurs, most frequent first."""
    names = {info.id: info.name for info in classes}
    counts = Counter(tuple(sorted(row.classes)) for row in rows)
    found: list[tuple[Cell, ...]] = [
        (" + ".join(names.get(n, str(n)) for n in ids) or CLEAN, len(ids), count, _percent(count, len(rows)))
        for ids, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Table("combinations", ("classes", "n_classes", "images", "images_percent"), tuple(found))


def co_occurrence(rows: Sequence[ImageRow], classes: Sequence[ClassInfo]) -> Table:
    """``co_occurrence.csv``: images that show both the class of the row and that of the column."""
    counts: Counter[tuple[int, int]] = Counter()
    for row in rows:
        counts.update((one, two) for one in row.classes for two in row.classes)
    found: list[tuple[Cell, ...]] = [
        (one.name, *(counts[one.id, two.id] for two in classes)) for one in classes
    ]
    return Table("co_occurrence", ("class", *(info.name for info in classes)), tuple(found))


SPREAD = ("images", "mean_percent", "median_percent", "sd_percent", "min_percent", "max_percent")


def defect_shares(rows: Sequence[ImageRow], classes: Sequence[ClassInfo]) -> Table:
    """``shares.csv``: how much of an image is marked, over groups of images.

    ``all images``; ``with a defect``; ``only NAME``: images that show that class and no other; ``several
    classes``; ``NAME``: what that class alone marks, over all images that show it.
    """
    groups: list[tuple[str, list[float]]] = [
        ("all images", [row.share for row in rows]),
        ("with a defect", [row.share for row in rows if row.classes]),
    ]
    for info in classes:
        alone = [row.share for row in rows if tuple(row.classes) == (info.id,)]
        groups.append((f"only {info.name}", alone))
    groups.append(("several classes", [row.share for row in rows if len(row.classes) > 1]))
    for info in classes:
        groups.append((info.name, [row.classes[info.id].share for row in rows if info.id in row.classes]))
    return Table("shares", ("group", *SPREAD), tuple((name, *_spread(v)) for name, v in groups if v))


def _spread(shares: Sequence[float]) -> tuple[Cell, ...]:
    values = 100 * np.asarray(shares, np.float64)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    places = (values.mean(), np.median(values), sd, values.min(), values.max())
    return len(values), *(None if value is None else round(float(value), 5) for value in places)


def components(rows: Sequence[ImageRow], classes: Sequence[ClassInfo]) -> Table:
    """``components.csv``: connected parts of each class, over the images that show it."""
    columns = (
        "class", "images", "components", "per_image_mean", "per_image_median", "per_image_max",
        "area_mean_px", "area_max_px",
    )  # fmt: skip
    found: list[tuple[Cell, ...]] = []
    for info in classes:
        own = [row.classes[info.id] for row in rows if info.id in row.classes]
        counts = np.array([item.components for item in own])
        if not counts.sum():
            continue
        mean_area = sum(item.pixels for item in own) / int(counts.sum())
        largest = max(item.largest_px for item in own)
        per_image = (round(float(counts.mean()), 3), float(np.median(counts)), int(counts.max()))
        found.append((info.name, len(own), int(counts.sum()), *per_image, round(mean_area, 1), largest))
    return Table("components", columns, tuple(found))


def line_widths(
    rows: Sequence[ImageRow], classes: Sequence[ClassInfo], counts: Mapping[int, npt.NDArray[np.int64]]
) -> Table:
    """``widths.csv``: widths of the classes of kind ``line``, over all pixels of their middle lines."""
    columns = ("class", "images", "middle_line_px", "mean_px", "median_px", "p95_px", "max_px")
    found: list[tuple[Cell, ...]] = []
    for info in classes:
        if info.id not in counts or not counts[info.id].sum():
            continue
        number = counts[info.id]
        total = int(number.sum())
        mean = float((number * np.arange(len(number))).sum() / total)
        most = int(np.flatnonzero(number)[-1])
        images = sum(info.id in row.classes for row in rows)
        found.append(
            (info.name, images, total, round(mean, 3), _quantile(number, 0.5), _quantile(number, 0.95), most)
        )
    return Table("widths", columns, tuple(found))


def width_histogram(classes: Sequence[ClassInfo], counts: Mapping[int, npt.NDArray[np.int64]]) -> Table:
    """``width_histogram.csv``: pixels of the middle line of each width, rounded to whole pixels."""
    found = [
        (info.name, width, int(count))
        for info in classes
        for width, count in enumerate(counts.get(info.id, ()))
        if count
    ]
    return Table("width_histogram", ("class", "width_px", "middle_line_px"), tuple(found))


def _quantile(counts: npt.NDArray[np.int64], share: float) -> int:
    """The smallest width that at least this share of the pixels does not exceed."""
    return int(np.searchsorted(np.cumsum(counts), share * int(counts.sum())))


def sources(rows: Sequence[ImageRow]) -> Table:
    """``sources.csv``: brightness, contrast and sharpness of the images of each source."""
    columns = (
        "source", "images", "with_defect", "brightness_mean", "brightness_sd", "brightness_min",
        "brightness_max", "contrast_mean", "sharpness_median", "sharpness_min", "sharpness_max",
    )  # fmt: skip
    found: list[tuple[Cell, ...]] = []
    for name in sorted({row.source for row in rows}):
        own = [row for row in rows if row.source == name]
        light, sharp = _column(own, lambda row: row.brightness), _column(own, lambda row: row.sharpness)
        sd = round(float(light.std(ddof=1)), 2) if len(own) > 1 else None
        contrast = round(float(_column(own, lambda row: row.contrast).mean()), 2)
        numbers = [round(float(value), 2) for value in (light.mean(), light.min(), light.max())]
        sharpness = [round(float(value), 1) for value in (np.median(sharp), sharp.min(), sharp.max())]
        marked = sum(bool(row.classes) for row in own)
        found.append((name, len(own), marked, numbers[0], sd, *numbers[1:], contrast, *sharpness))
    return Table("sources", columns, tuple(found))


def _column(rows: Iterable[ImageRow], value: Callable[[ImageRow], float]) -> npt.NDArray[np.float64]:
    return np.array([value(row) for row in rows], np.float64)


def sizes(rows: Sequence[ImageRow]) -> Table:
    """``sizes.csv``: image sizes, most frequent first."""
    counts = Counter(row.size_hw for row in rows)
    found = [
        (width, height, count, _percent(count, len(rows))) for (height, width), count in counts.most_common()
    ]
    return Table("sizes", ("width_px", "height_px", "images", "images_percent"), tuple(found))


def images(
    rows: Sequence[ImageRow],
    classes: Sequence[ClassInfo],
    part_of: Mapping[str, str] | None = None,
    masks: bool = True,
) -> Table:
    """``images.csv``: a row an image; with ``masks``, share, components and widths of each class."""
    parts = part_of or {}
    if not masks:
        return _images_without_masks(rows, classes, parts)
    lines = [info for info in classes if info.kind == "line"]
    columns = [*_IMAGE_COLUMNS, "share_percent"]
    for what, group in (("share_percent", classes), ("components", classes), ("width_mean_px", lines)):
        columns += [f"{what}:{info.name}" for info in group]
    found: list[tuple[Cell, ...]] = []
    for row in rows:
        none = ClassFigures(0.0)
        of = [row.classes.get(info.id, none) for info in classes]
        widths = [row.classes.get(info.id, none).width_mean_px for info in lines]
        found.append(
            (
                *_image_cells(row, parts),
                round(100 * row.share, 5),
                *(round(100 * item.share, 5) for item in of),
                *(item.components for item in of),
                *(None if width is None else round(width, 3) for width in widths),
            )
        )
    return Table("images", tuple(columns), tuple(found))


_IMAGE_COLUMNS = (
    "image", "part", "source", "width_px", "height_px", "brightness", "contrast", "sharpness", "n_classes",
)  # fmt: skip


def _image_cells(row: ImageRow, parts: Mapping[str, str]) -> tuple[Cell, ...]:
    size = (row.size_hw[1], row.size_hw[0])
    light = (round(row.brightness, 2), round(row.contrast, 2), round(row.sharpness, 1))
    return (row.name, parts.get(row.name, ""), row.source, *size, *light, len(row.classes))


def _images_without_masks(
    rows: Sequence[ImageRow], classes: Sequence[ClassInfo], parts: Mapping[str, str]
) -> Table:
    names = {info.id: info.name for info in classes}
    found = [
        (*_image_cells(row, parts), " ".join(names.get(number, str(number)) for number in row.classes))
        for row in rows
    ]
    return Table("images", (*_IMAGE_COLUMNS, "classes"), tuple(found))


MASTER_COLUMNS = ("image", "defect", "n_classes", "class_ids")


def master_columns(classes: Sequence[ClassInfo]) -> tuple[str, ...]:
    """Columns of ``master.csv``: one of run lengths for each class."""
    return (*MASTER_COLUMNS, *(f"rle:{info.name}" for info in classes))


def master_row(row: ImageRow, rles: Mapping[int, str], classes: Sequence[ClassInfo]) -> tuple[Cell, ...]:
    """A row of ``master.csv``: ``defect`` is yes or no, ``class_ids`` are separated by spaces."""
    ids = " ".join(map(str, row.classes))
    head = (row.name, "yes" if row.classes else "no", len(row.classes), ids)
    return (*head, *(rles.get(info.id, "") for info in classes))


def _percent(count: int, total: int) -> float:
    return round(100 * count / total, 3) if total else 0.0
