"""``flawscope split``: divides a data set into parts or folds and writes them as a file, or checks one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flawscope.data.dataset import Dataset
    from flawscope.data.split_file import Split


def split(
    dataset: Annotated[Path, typer.Argument(help="Root folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="Split file to write.")] = Path("split.json"),
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            help="Split as a paper did: coredeep, capstone-classes, capstone-binary or thesis-test.",
        ),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option("--test", help="Share of all samples for the test; 0.2, or the protocol's."),
    ] = None,
    val: Annotated[
        float | None,
        typer.Option(
            "--val", help="Share for validation; 0.2, or the protocol's. Folds take the place of this part."
        ),
    ] = None,
    calibration: Annotated[
        float | None, typer.Option("--calibration", help="Share for choosing thresholds with a guarantee; 0.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option("--folds", help="Validation folds over all but the test part; 0, or the protocol's."),
    ] = None,
    stratify: Annotated[
        str | None,
        typer.Option(
            "--stratify",
            help="What each part should hold alike: source, class, positive, or none; source,class.",
        ),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option("--per-class", help="Protocols: images of each class that show it alone.")
    ] = None,
    several: Annotated[
        int | None, typer.Option("--several", help="Protocol thesis-test: test images with several classes.")
    ] = None,
    clean: Annotated[int | None, typer.Option("--clean", help="Protocols: images without any class.")] = None,
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
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Say how many copies cross this split file, and write nothing."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Divide a data set into parts or folds without leaks.

    Groups and near-copies of one photograph always stand on one side. The file is written to --out.
    """
    from flawscope.cli._evaluating import ProgressLines
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.data.split import find_ties, write_split

    data = open_dataset(dataset, layout, parse_mask_values(mask_value or ()), skip_bad)
    for problem in data.problems:
        typer.echo(f"note: {problem}", err=True)
    if check is not None:
        _tell_check(data, check, group, tie_copies, as_json)
        return
    ties = find_ties(data, progress=ProgressLines()) if tie_copies else {}
    options = {"test": test, "val": val, "folds": folds, "calibration": calibration, "stratify": stratify}
    counts = {"per_class": per_class, "several": several, "clean": clean}
    made = _make(data, protocol, {"seed": seed, **options}, counts, group, ties)
    write_split(out, made)
    _tell(made, out, ties, as_json)


def _make(
    data: Dataset,
    protocol: str | None,
    options: Mapping[str, Any],
    counts: Mapping[str, int | None],
    group: str | None,
    ties: Mapping[str, str],
) -> Split:
    """Split by protocol, or by shares; options that were not given are left to either."""
    from flawscope.data.protocols import split_by_protocol
    from flawscope.data.split import split as make_split
    from flawscope.errors import UsageError

    if protocol is not None:
        return split_by_protocol(data, protocol, group=group, ties=ties, **options, **counts)
    for name, value in counts.items():
        if value is not None:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} {value} is for protocols.\nName one with --protocol, or leave it out."
            )
    given = {name: value for name, value in options.items() if value is not None}
    return make_split(data, group=group, ties=ties, **given)


def _tell(made: Split, out: Path, ties: Mapping[str, str], as_json: bool) -> None:
    from flawscope.data.units import ties_in_words

    sizes = {part: len(names) for part, names in made.parts.items()}
    fold_sizes = [len(fold) for fold in made.folds]
    if as_json:
        result = {"out": str(out), "parts": sizes, "folds": fold_sizes, "tied": len(ties)}
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    parts = ", ".join(f"{part} {count}" for part, count in sizes.items())
    typer.echo(f"{out}: {parts}" + (f"; folds of {', '.join(map(str, fold_sizes))}" if fold_sizes else ""))
    words = ties_in_words(ties)
    if words:
        typer.echo(words)


def _tell_check(data: Dataset, file: Path, group: str | None, tie_copies: bool, as_json: bool) -> None:
    """Say how many photographs and groups stand on both sides of a split that somebody else made.

    Groups are those of ``--group``, else those of the data set, else those that the split names.
    """
    from flawscope.cli._evaluating import ProgressLines
    from flawscope.data.groups import with_groups, with_groups_of
    from flawscope.data.leaks import leaks
    from flawscope.data.split import find_ties
    from flawscope.data.split_file import load_split, missing_names

    split = load_split(file)
    absent = missing_names(split, data.names)
    grouped = with_groups(data, group) if group else with_groups_of(data, split)
    ties = find_ties(data, progress=ProgressLines()) if tie_copies else {}
    found = leaks(grouped, split, ties)
    if as_json:
        result = {"split": str(file), "tied": len(ties), "missing": len(absent)}
        told = [problem.message for problem in found]
        typer.echo(json.dumps({**result, "leaks": told}, ensure_ascii=False))
        return
    if absent:
        typer.echo(f"note: {len(absent)} names are not in the data set, e.g. {absent[0]}", err=True)
    for problem in found:
        typer.echo(f"warning: {problem.message}")
    if not found:
        copies = f"no copy and no group crosses it ({len(ties)} images have copies)"
        typer.echo(f"{file}: {copies if tie_copies else 'no group crosses it'}")
