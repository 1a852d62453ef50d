"""``flawscope table``: a paper's table from your runs, beside the printed figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, cast

import typer


def table(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="[LABEL=]PATH[@T]: a folder that evaluate wrote; or, with --data, a run or bundle, cut at "
            "threshold T instead of its own, e.g. SW95=runs/sw@0.95; SW=runs/sw@0.90:0.98 is SW90 to SW98.",
        ),
    ],
    like: Annotated[
        str,
        typer.Option("--like", help="Table: coredeep-1, coredeep-2, attention-1, ...; several with commas."),
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set to evaluate the runs on; else results are read.")
    ] = None,
    split: Annotated[
        Path | None, typer.Option("--split", help="split.json; default: the run's, else the data set's own.")
    ] = None,
    part: Annotated[str, typer.Option("--part", help="Part of the split, or all.")] = "test",
    at: Annotated[
        str, typer.Option("--at", help="Grid to count on: original (the photograph's) or network.")
    ] = "original",
    limits: Annotated[
        bool, typer.Option("--limits", help="Show 95 % limits, or the sd over folds, in the table.")
    ] = False,
    gallery: Annotated[
        int, typer.Option("--gallery", min=0, help="With --data and --out: so many images of each source.")
    ] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for TABLE.csv, TABLE.md and side-by-side.html.")
    ] = None,
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data set.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="Which class is which: TRUTH=MODEL.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> int:
    """Print a paper's table with your runs in it, beside the printed figures.

    Figures that a run does not have are shown as -. Markdown goes to the terminal; --out keeps it, and CSV.
    Images that cannot be read are named and left out; the exit code is then 1.
    """
    from flawscope.cli._evaluating import ProgressLines, open_split
    from flawscope.cli._parameters import with_parameters
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.errors import UsageError
    from flawscope.evaluation.classes import parse_mapping
    from flawscope.evaluation.evaluate import At, EvaluateOptions
    from flawscope.evaluation.side_by_side import write_side_by_side
    from flawscope.evaluation.table_runs import Trial, parse_runs, results
    from flawscope.evaluation.table_text import csv, make_table, markdown, records
    from flawscope.evaluation.tables import layout_named
    from flawscope.images.atomic import make_folder, write_text_atomic

    if at not in ("original", "network"):
        raise UsageError(f"--at {at!r} is not known.\nExpected original or network.")
    layouts = {name.strip(): layout_named(name.strip()) for name in like.split(",")}
    wanted = [one for text in runs for one in parse_runs(text)]
    trial = None
    if data is not None:
        dataset = open_dataset(data, layout, parse_mask_values(mask_value or ()), skip_bad)
        options = EvaluateOptions(mapping=parse_mapping(mapping or ()), gallery=0)
        trial = Trial(dataset, open_split(split, dataset), part, cast("At", at), options)
    if out is not None:
        make_folder(out)  # an unwritable place is told before the work, not after it
    rows, notes = results(wanted, trial, ProgressLines() if trial else None)
    if any(one.tells_parameters for one in layouts.values()):
        rows = with_parameters(rows, wanted)
    tables = {name: make_table(one, rows) for name, one in layouts.items()}
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        for name, made in tables.items():
            write_text_atomic(out / f"{name}.csv", csv(made))
            write_text_atomic(out / f"{name}.md", markdown(made, limits, notes))
        if trial is not None and gallery:
            write_side_by_side(out / "side-by-side.html", wanted, trial, gallery)
    if as_json:
        content = {name: records(made) for name, made in tables.items()}
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        typer.echo("\n".join(markdown(made, limits) for made in tables.values()))
    return 1 if trial is not None and any(row.metrics.get("failed") for row in rows) else 0
