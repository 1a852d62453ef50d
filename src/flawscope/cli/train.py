"""``flawscope train``: fits a network to labelled images and writes a run folder that holds a bundle."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (see `flawscope recipes`) or a TOML file.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data set; may be left out where the recipe draws its images."),
    ] = None,
    split: Annotated[
        Path | None, typer.Option("--split", help="split.json; default: the data set's own.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=0,
            help="Train so many folds: fold-0, fold-1, ...; 0 = one run; default: the recipe's.",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: a.b=value (TOML). May be repeated.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Budget in minutes, from now to the last step.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.")] = None,
    init: Annotated[Path | None, typer.Option("--init", help="Bundle whose weights to start from.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help=(
                "Go on with the run in --out, as it began: name recipe and --data again; give the other "
                "options as they were, or leave them out. Others are refused."
            ),
        ),
    ] = False,
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data set.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit a network to labelled images and write a run folder with a bundle in it.

    The budget of --minutes counts from the start of the process. A killed run goes on with --resume.
    """
    from flawscope.errors import MissingExtraError

    try:
        import accelerate
        import torch

        _ = accelerate, torch
    except ImportError as error:
        raise MissingExtraError("`flawscope train`", "train") from error

    from flawscope.cli._evaluating import open_split
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.training.allocator import keep_freed_memory
    from flawscope.training.budget import process_started_s
    from flawscope.training.config_load import load_config, set_keys
    from flawscope.training.folds import folds_begun, train_folds
    from flawscope.training.run import train as train_one
    from flawscope.training.try_parts import try_parts

    keep_freed_memory()
    config = load_config(recipe, sets or ())
    try_parts(config)
    dataset = None
    if data is not None:
        dataset = open_dataset(data, layout, parse_mask_values(mask_value or ()), skip_bad)
    reporter = _reporter(config.train.log_every)
    options = {
        "split": open_split(split, dataset),
        "minutes": minutes,
        "seed": seed,
        "init": init,
        "resume": resume,
        "skip_bad": skip_bad,
        "started_s": process_started_s(),
        "reporter": reporter,
        "named": ("recipe", *set_keys(sets or ())),
    }
    if folds is None and resume:
        folds = folds_begun(out)
    if folds is None:
        # A run that was begun as one goes on as one.
        one = resume and (out / "config.toml").is_file() and not (out / "fold-0").is_dir()
        folds = 0 if one or dataset is None else config.folds.count
    if folds:
        for run in train_folds(config, dataset, out, folds, **options):
            _tell(run, as_json)
        return
    _tell(train_one(config, dataset, out, **options), as_json)


def _reporter(log_every: int) -> Any:
    from flawscope.training.progress import BarReporter, LogReporter

    if sys.stderr.isatty():
        return BarReporter()
    logger = logging.getLogger("flawscope.training")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    return LogReporter(log_every)


def _tell(run: Any, as_json: bool) -> None:
    if os.environ.get("RANK", "0") != "0":
        return  # several processes: the first one speaks
    if as_json:
        result = {
            "run": str(run.folder),
            "bundle": str(run.bundle),
            "steps": run.progress.step,
            "stopped": run.stopped,
            "metrics": run.metrics,
        }
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    typer.echo(f"{run.folder}: {run.progress.step} steps; the model is {run.bundle}")
    for name in ("accuracy", "f1_macro", "f1_tol2_pooled", "f1_pooled", "iou_pooled"):
        figure = run.metrics.get("figures", {}).get(name)
        if figure and figure.get("value") is not None:
            typer.echo(f"  {name} {figure['value']:.4f} on its validation images")
