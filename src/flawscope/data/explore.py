"""``explore``: what a data set is, what is wrong with it, and how it looks, as tables and one page.

Every image is read once, by several processes; what stays in memory is a row of numbers and a small
fingerprint an image. Run lengths go to ``master.csv`` as they come.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flawscope.data import explore_sections, explore_tables
from flawscope.data.copies import NO_THUMBNAIL, Fingerprint
from flawscope.data.dataset import Dataset, Problem
from flawscope.data.explore_look import WIDEST_PX, ImageRow, Look, look
from flawscope.data.explore_recipe import Suggestion, suggest
from flawscope.data.explore_sheets import sheets
from flawscope.data.explore_tables import Table
from flawscope.data.integrity import IntegrityReport, SampleCheck, report_on
from flawscope.data.parallel import in_order
from flawscope.data.split_file import Split
from flawscope.errors import DataError
from flawscope.images.atomic import atomic_path, make_folder, write_text_atomic
from flawscope.reporting.explore_page import ExplorePage, Section, write_page
from flawscope.reporting.tables import write_csv
from flawscope.types import ClassInfo, Sample

REPORT, FACTS, MASTER = "report.html", "explore.json", "master.csv"
WORKERS = 2

_CHUNK = 16
_ODD_SIZE_SHARE = 0.05

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Exploration:
    """What ``explore`` found; everything but the pictures."""

    dataset: Dataset
    report: IntegrityReport
    """Its ``checks`` are dropped: the rows hold what is worth keeping."""
    warnings: tuple[Problem, ...]
    rows: tuple[ImageRow, ...]
    """Images that can be used."""
    tables: Mapping[str, Table]
    widths: Mapping[int, npt.NDArray[np.int64]] = field(default_factory=dict)
    suggestion: Suggestion | None = None
    """None when nothing can be used."""

    @property
    def failed(self) -> int:
        """Images that cannot be used."""
        return len(self.dataset) - len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``explore.json``: all tables but the one of images."""
        chosen = self.suggestion
        return {
            "schema": 1,
            "layout": self.dataset.layout,
            "task": self.dataset.task,
            "images": len(self.dataset),
            "failed": self.failed,
            "errors": [_problem(item) for item in self.report.errors],
            "warnings": [_problem(item) for item in self.warnings],
            "tables": {name: table.dicts() for name, table in self.tables.items() if name not in _LONG},
            "suggestion": chosen
            and {
                "recipe": chosen.recipe,
                "kind": chosen.kind,
                "reason": chosen.reason,
                "advice": list(chosen.advice),
                "command": chosen.command,
            },
        }


_LONG = ("images", "integrity")


def explore(
    dataset: Dataset,
    out: str | Path,
    split: Split | None = None,
    workers: int = WORKERS,
    recipes: Collection[str] = (),
    progress: Progress | None = None,
) -> Exploration:
    """Look at a data set and write ``report.html``, ``explore.json``, ``master.csv`` and its tables.

    Args:
        dataset: best of ``open_unread``: every file is read here.
        out: folder, made if need be.
        split: look for copies across its parts; None = the set's own.
        workers: processes; 1 = all in this one. Processes are spawned, so a script that asks for more needs
            ``if __name__ == "__main__"``.
        recipes: names of recipes that may be suggested.
        progress: called with (done, all, name) after each image.

    Raises:
        DataError: the set holds no sample, or a worker process was killed.
        OutputError: ``out`` cannot be written.
    """
    if not len(dataset):
        raise DataError(f"{dataset.root}: holds no sample.\nExpected images with their labels.")
    folder = make_folder(out)
    checks, rows, widths = _read(dataset, folder / MASTER, workers, progress)
    chosen = split or dataset.default_split
    report = replace(report_on(dataset, tuple(checks), chosen), checks=())
    warnings = (*report.warnings, *_odd_sizes(rows))
    tables = _tables(dataset, rows, widths, report, warnings, chosen)
    suggestion = suggest(dataset, rows, recipes) if rows else None
    found = Exploration(dataset, report, warnings, tuple(rows), tables, widths, suggestion)
    for table in tables.values():
        write_csv(folder / f"{table.name}.csv", table.columns, table.dicts())
    write_text_atomic(folder / FACTS, json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n")
    write_page(folder / REPORT, page_of(found, "the given split" if split else "the set's own split"))
    return found


def _read(
    dataset: Dataset, master: Path, workers: int, progress: Progress | None
) -> tuple[list[SampleCheck], list[ImageRow], dict[int, npt.NDArray[np.int64]]]:
    """Read every sample; writes ``master.csv`` on the way."""
    checks: list[SampleCheck] = []
    rows: list[ImageRow] = []
    widths: dict[int, npt.NDArray[np.int64]] = {}
    with atomic_path(master) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(explore_tables.master_columns(dataset.classes))
        for done, found in enumerate(_looks(dataset, workers), 1):
            checks.append(_slim(found.check))
            if found.row is not None:
                rows.append(found.row)
                writer.writerow(explore_tables.master_row(found.row, found.rles, dataset.classes))
            for class_id, counts in found.widths.items():
                widths.setdefault(class_id, np.zeros(WIDEST_PX + 1, np.int64))[:] += counts
            if progress is not None:
                progress(done, len(dataset), found.check.name)
    return checks, rows, widths


def _slim(check: SampleCheck) -> SampleCheck:
    """Let all pictures without a thumbnail share one: each process sends its own copy of it."""
    own = check.print
    if own is None or own.has_thumbnail:
        return check
    return replace(check, print=Fingerprint(own.digest, NO_THUMBNAIL))


def _looks(dataset: Dataset, workers: int) -> Iterator[Look]:
    samples = dataset.samples
    # A process takes a second or so to start: not worth it for a few images.
    useful = max(1, min(workers, len(samples) // (2 * _CHUNK)))
    jobs = ((samples[start : start + _CHUNK], dataset.classes) for start in range(0, len(samples), _CHUNK))
    try:
        for chunk in in_order(_look_at, jobs, useful):
            yield from chunk
    except BrokenProcessPool as error:
        raise DataError(
            f"{dataset.root}: a worker process was ended from outside, perhaps for its memory.\n"
            "Try again with --workers 1."
        ) from error


def _look_at(job: tuple[Sequence[Sample], tuple[ClassInfo, ...]]) -> list[Look]:
    samples, classes = job
    return [look(sample, classes) for sample in samples]


def _odd_sizes(rows: Sequence[ImageRow]) -> list[Problem]:
    """Images of another size than nearly all others."""
    table = explore_tables.sizes(rows)
    if len(table.rows) < 2 or not rows:
        return []
    width, height, count, _ = table.rows[0]
    others = [row for row in rows if row.size_hw != (height, width)]
    if len(others) > _ODD_SIZE_SHARE * len(rows):
        return []
    shown = ", ".join(f"{row.name} ({row.size_hw[1]} x {row.size_hw[0]})" for row in others[:3])
    text = f"{count} images have {width} x {height} px, {len(others)} have not, e.g. {shown}"
    return [Problem("size", "", text)]


def _tables(
    dataset: Dataset,
    rows: Sequence[ImageRow],
    widths: Mapping[int, npt.NDArray[np.int64]],
    report: IntegrityReport,
    warnings: Sequence[Problem],
    split: Split | None,
) -> dict[str, Table]:
    classes = dataset.classes
    masks = dataset.task == "segmentation"
    part_of = {name: part for part, names in split.parts.items() for name in names} if split else {}
    found = [
        _integrity(report.errors, warnings),
        _copies(report, part_of),
        explore_tables.images_per_class(rows, classes),
        explore_tables.images_per_count(rows),
        explore_tables.combinations(rows, classes),
        explore_tables.co_occurrence(rows, classes),
        explore_tables.sources(rows),
        explore_tables.sizes(rows),
        explore_tables.images(rows, classes, part_of, masks),
    ]
    if masks:
        found += [
            explore_tables.defect_shares(rows, classes),
            explore_tables.components(rows, classes),
            explore_tables.line_widths(rows, classes, widths),
            explore_tables.width_histogram(classes, widths),
        ]
    return {table.name: table for table in found}


def _integrity(errors: Sequence[Problem], warnings: Sequence[Problem]) -> Table:
    found = [("error", item.kind, item.path, item.message) for item in errors]
    found += [("warning", item.kind, item.path, item.message) for item in warnings]
    return Table("integrity", ("severity", "kind", "path", "message"), tuple(found))


def _copies(report: IntegrityReport, part_of: Mapping[str, str]) -> Table:
    """``copies.csv``: groups of images that show one photograph; exact copies say so."""
    same = {name for group in report.copies for name in group}
    found = [
        (number, "copy" if name in same else "near-copy", name, part_of.get(name, ""))
        for number, group in enumerate(report.near_copies, 1)
        for name in group
    ]
    return Table("copies", ("group", "kind", "image", "part"), tuple(found))


def page_of(found: Exploration, split: str = "") -> ExplorePage:
    """The page; reads the images of the contact sheets."""
    dataset, tables, rows = found.dataset, found.tables, found.rows
    masks = dataset.task == "segmentation"
    own = split if dataset.default_split or split.startswith("the given") else ""
    sections: list[Section] = [
        explore_sections.integrity_section(dataset, found.report, found.warnings, tables["copies"], own)
    ]
    if rows:
        sections.append(explore_sections.class_section(dataset, tables))
        if masks and tables["components"].rows:
            sections.append(explore_sections.share_section(dataset, rows, tables["shares"]))
            sections.append(explore_sections.shape_section(dataset, tables, found.widths))
        sections.append(explore_sections.picture_section(tables))
        sections.append(explore_sections.sheet_section(list(sheets(dataset, rows)), masks))
    if found.suggestion is not None:
        sections.append(explore_sections.recipe_section(found.suggestion))
    return ExplorePage(
        title=dataset.root.resolve().name,
        about=f"layout {dataset.layout}, {dataset.task}",
        cards=explore_sections.cards(dataset, rows, found.report),
        sections=tuple(sections),
        files=[MASTER, *(f"{name}.csv" for name in tables), FACTS],
    )


def _problem(item: Problem) -> dict[str, str]:
    return {"kind": item.kind, "path": item.path, "message": item.message}
