"""``flawscope convert``: data sets from one layout to another, or several into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def convert(
    datasets: Annotated[list[Path], typer.Argument(help="Root folders of one or more data sets.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="image-mask, kaggle-cracks, crackforest, coco, severstal, yolo, voc, label-studio, cvat; "
            "csv-labels, image-folder, idx.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder to write.")],
    size: Annotated[
        str | None,
        typer.Option("--size", help="Bring all images to this height x width in px, e.g. 448x448."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="Names of the sets, A,B,...: stand before the names of their images."),
    ] = None,
    class_map: Annotated[
        list[str] | None, typer.Option("--map", help="OLD=NEW: rename a class; several may become one.")
    ] = None,
    ignored: Annotated[
        str, typer.Option("--ignored", help="Pixels marked 'ignore': keep, or background.")
    ] = "keep",
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data sets.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write data sets in another layout; masks come back exactly.

    Images are copied byte for byte unless the layout needs another form or --size is given. Parts of the sets
    are kept in split.json. The folder appears when everything is there.
    """
    import json
    import sys

    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from flawscope.cli.synth import parse_size_hw
    from flawscope.data.convert import ConvertOptions, target_named
    from flawscope.data.convert import convert as convert_sets
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset

    target_named(to)
    options = ConvertOptions(
        size_hw=parse_size_hw(size) if size else None,
        prefixes=tuple(part.strip() for part in prefix.split(",")) if prefix is not None else None,
        class_map=_class_map(class_map or []),
        ignored=_ignored(ignored),
        skip_bad=skip_bad,
    )
    values = parse_mask_values(mask_value or ())
    opened = [open_dataset(path, layout, values, skip_bad) for path in datasets]
    columns = (
        SpinnerColumn(),
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task("converting", total=None)
        result = convert_sets(
            opened, to, out, options, lambda done, total: progress.update(task, completed=done, total=total)
        )
    problems = [*(problem for dataset in opened for problem in dataset.problems), *result.left_out]
    for problem in problems:
        typer.echo(f"note: {problem}", err=True)
    left_out = [problem for problem in problems if skip_bad and problem.kind in _LEFT_OUT]
    if as_json:
        facts = {
            "out": str(out),
            "layout": to,
            "images": result.images,
            "classes": [info.name for info in result.plan.classes],
            "left_out": [str(problem) for problem in left_out],
            "notes": dict(result.notes),
        }
        typer.echo(json.dumps(facts, ensure_ascii=False))
    else:
        typer.echo(f"{result.images} images in {out} ({to})")
        for note, count in result.notes.items():
            typer.echo(f"  {count} {note}")
    if left_out:
        raise typer.Exit(1)


_LEFT_OUT = frozenset({"image", "mask", "row", "no-image", "empty-class"})
"""Kinds of problems that mean: something was asked for and could not be used."""


def _class_map(given: list[str]) -> dict[str, str]:
    from flawscope.errors import UsageError

    pairs = {}
    for text in given:
        old, equals, new = text.partition("=")
        if not equals or not old.strip() or not new.strip():
            raise UsageError(f"--map '{text}' is not of the form OLD=NEW.\nExpected e.g. inclusion=defect.")
        pairs[old.strip()] = new.strip()
    return pairs


def _ignored(text: str) -> Literal["keep", "background"]:
    from flawscope.errors import UsageError

    if text == "keep":
        return "keep"
    if text == "background":
        return "background"
    raise UsageError(f"--ignored is '{text}'.\nExpected keep or background.")
