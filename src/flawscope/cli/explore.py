"""``flawscope explore``: checks a data set, counts what it holds, and shows it on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flawscope.data.explore import Exploration


def explore(
    dataset: Annotated[Path, typer.Argument(help="Root folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the report and its tables.")],
    split: Annotated[
        Path | None,
        typer.Option("--split", help="split.json: look for copies across its parts; default: the set's own."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that read images.")] = 2,
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data set.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without rows of tables that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check a data set, count what it holds, and show it: report.html, tables as CSV, explore.json.

    Images that cannot be read are named and left out of the figures; the exit code is then 1 (0 with
    --skip-bad), and 3 when none can be used.
    """
    from flawscope.cli._evaluating import ProgressLines, open_split
    from flawscope.data.description import parse_mask_values
    from flawscope.data.explore import explore as look_at
    from flawscope.data.open import open_unread
    from flawscope.training.config_load import recipe_names

    data = open_unread(dataset, layout, parse_mask_values(mask_value or ()), skip_bad)
    found = look_at(data, out, open_split(split, data), workers, recipe_names(), ProgressLines())
    if as_json:
        typer.echo(json.dumps({"out": str(out), **found.to_dict()}, ensure_ascii=False))
    else:
        _tell(found, out)
    if not found.rows:
        raise typer.Exit(3)
    if found.failed and not skip_bad:
        raise typer.Exit(1)


def _tell(found: Exploration, out: Path) -> None:
    """The main figures, and where the rest is."""
    for problem in found.report.errors:
        typer.echo(f"error: {problem}", err=True)
    for problem in found.warnings:
        typer.echo(f"note: {problem}", err=True)
    dataset = found.dataset
    failed = f", {found.failed} cannot be used" if found.failed else ""
    typer.echo(f"{len(dataset)} images of layout {dataset.layout}{failed}")
    for row in found.tables["classes"].dicts():
        typer.echo(f"  {row['class']}: {row['images']} images ({row['images_percent']} %)")
    chosen = found.suggestion
    if chosen is not None:
        typer.echo(f"suggested: {chosen.recipe or 'no recipe here'} ({chosen.kind}): {chosen.reason}")
    typer.echo(f"report: {out / 'report.html'}")
