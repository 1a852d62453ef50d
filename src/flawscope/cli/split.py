"""``flawscope split``: divides a data set into parts or folds and writes them as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def split(
    dataset: Annotated[Path, typer.Argument(help="Root folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="Split file to write.")] = Path("split.json"),
    test: Annotated[float, typer.Option("--test", help="Share of all samples for the test.")] = 0.2,
    val: Annotated[
        float, typer.Option("--val", help="Share for validation; not used with --folds, which replace it.")
    ] = 0.2,
    calibration: Annotated[
        float, typer.Option("--calibration", help="Share for choosing thresholds with a guarantee.")
    ] = 0.0,
    folds: Annotated[int, typer.Option("--folds", help="Validation folds over all but the test part.")] = 0,
    stratify: Annotated[
        str,
        typer.Option(
            "--stratify", help="What each part should hold alike: source, class, positive, or none."
        ),
    ] = "source,class",
    group: Annotated[
        str | None,
        typer.Option("--group", help="What stays together: folder, prefix, regex:PATTERN, or none."),
    ] = None,
    tie_copies: Annotated[
        bool, typer.Option(help="Keep copies and near-copies of one photograph on one side.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same split.")] = 0,
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data set.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Divide a data set into parts or folds without leaks.

    Groups and near-copies of one photograph always stand on one side. The file is written to --out.
    """
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.data.split import find_ties, write_split
    from flawscope.data.split import split as make_split

    data = open_dataset(dataset, layout, parse_mask_values(mask_value or ()), skip_bad)
    ties = find_ties(data) if tie_copies else {}
    made = make_split(
        data,
        test=test,
        val=val,
        calibration=calibration,
        folds=folds,
        stratify=stratify,
        group=group,
        seed=seed,
        ties=ties,
    )
    write_split(out, made)
    sizes = {part: len(names) for part, names in made.parts.items()}
    fold_sizes = [len(fold) for fold in made.folds]
    if as_json:
        result = {"out": str(out), "parts": sizes, "folds": fold_sizes, "tied": len(ties)}
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for problem in data.problems:
        typer.echo(f"note: {problem}", err=True)
    parts = ", ".join(f"{part} {count}" for part, count in sizes.items())
    typer.echo(f"{out}: {parts}" + (f"; folds of {', '.join(map(str, fold_sizes))}" if fold_sizes else ""))
    if ties:
        photographs = len(set(ties.values()))
        typer.echo(f"tied {len(ties)} images that show {photographs} photographs, each set on one side")
