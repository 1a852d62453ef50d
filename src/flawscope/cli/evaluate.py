"""``flawscope evaluate``: compares a model with the truth of a data set, on every figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flawscope.evaluation.classification_metrics import LabelMetrics
    from flawscope.evaluation.metrics import Metrics
    from flawscope.evaluation.runs import FoldMetrics

SHOWN = (
    "accuracy", "loss", "precision_macro", "recall_macro", "f1_macro", "exact_match", "roc_area_macro",
    "pr_area_macro", "calibration_error", "precision", "recall", "f1",
    "f1_tol2_pooled", "f1_tol5_pooled", "f1_pooled", "iou_pooled", "precision_pooled", "recall_pooled",
    "iou_image_mean", "miou_image_mean", "iou_image_mean_empty1", "ods", "ois", "ods_tol2", "ois_tol2",
    "cldice", "cliou_tol4", "image_fp", "image_fn", "image_tp", "image_tn", "image_ap",
)  # fmt: skip
"""Figures that are printed; ``metrics.json`` holds all."""


def evaluate(
    model: Annotated[
        Path, typer.Argument(help="Bundle, .flawscope file or run folder (also of folds); default = bundled.")
    ],
    dataset: Annotated[Path, typer.Argument(help="Root folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for figures, tables and plots.")],
    split: Annotated[
        Path | None, typer.Option("--split", help="split.json; default: the run's, else the data set's own.")
    ] = None,
    part: Annotated[
        str, typer.Option("--part", help="Part of the split; all; folds = each fold's held-out images.")
    ] = "test",
    at: Annotated[
        str, typer.Option("--at", help="Grid to count on: original (the photograph's) or network.")
    ] = "original",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average the folds' probabilities instead of their figures.")
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Mean over the four flips: four times the work.")
    ] = False,
    working_scale: Annotated[
        str, typer.Option("--working-scale", help="Sizes to work at: native, auto, or numbers as 1,0.5.")
    ] = "native",
    fusion: Annotated[
        str, typer.Option("--fusion", help="Of several working scales: choose one, or mean or max of all.")
    ] = "choose",
    runtime: Annotated[str, typer.Option("--runtime", help="auto, onnx, openvino or torch.")] = "auto",
    layout: Annotated[str | None, typer.Option("--layout", help="Layout of the data set.")] = None,
    mask_value: Annotated[
        list[str] | None, typer.Option("--mask-value", help="What a mask value means: V=CLASS.")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="Which class is which: TRUTH=MODEL; also TRUTH=background, TRUTH=ignore."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Compare a model with the truth of a data set, on every figure.

    Writes metrics.json, images.csv, pr.png and gallery.html (the worst images) to --out; for labels of whole
    images confusion.csv, scores.csv and plots of confusion, ROC and calibration. Images that cannot be read
    are named; the others are counted, and the exit code is 1.
    """
    from flawscope.cli._evaluating import ProgressLines, evaluate_options, open_split
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.errors import UsageError
    from flawscope.evaluation.runs import evaluate_run, find_models
    from flawscope.images.atomic import make_folder

    if at not in ("original", "network"):
        raise UsageError(f"--at {at!r} is not known.\nExpected original or network.")
    options = evaluate_options(mapping or (), runtime, tta, working_scale, fusion)
    models = find_models(model)
    data = open_dataset(dataset, layout, parse_mask_values(mask_value or ()), skip_bad)
    make_folder(out)  # an unwritable place is told before the work, not after it
    metrics = evaluate_run(
        models,
        data,
        open_split(split, data),
        part,
        "network" if at == "network" else "original",
        ensemble=ensemble,
        options=options,
        progress=ProgressLines(),
    )
    metrics.write(out)
    problems = [f"left out: {problem}" for problem in data.problems]
    for line in (*problems, *(f"note: {note}" for note in metrics.notes)):
        typer.echo(line, err=True)
    for item in metrics.failed:
        typer.echo(f"failed: {item.name}: {item.error}", err=True)
    typer.echo(json.dumps(metrics.to_dict(), ensure_ascii=False) if as_json else _text(metrics, out))
    return 1 if metrics.failed else 0


def _text(metrics: Metrics | LabelMetrics | FoldMetrics, out: Path) -> str:
    content = metrics.to_dict()
    folds = f", mean and sd of {content['folds']} folds" if "folds" in content else ""
    grid = "" if content["task"] == "classification" else f", counted on the {content['at']} grid"
    lines = [f"{content['images']} images, part {content['part']}{grid}{folds}"]
    lines += _figures(content["figures"])
    named = [name for name in content["classes"] if name != "background"]
    for name in named if len(named) > 1 else []:
        lines += [f"{name}:", *_figures(content["classes"][name])]
    if len(content["sources"]) > 1:
        headline = "accuracy" if content["task"] == "classification" else "f1_tol2_pooled"
        lines += [f"{headline} of each source:"]
        lines += [f"  {name:<24} {_show(figures[headline])}" for name, figures in content["sources"].items()]
    return "\n".join([*lines, f"Everything is in {out}"])


def _figures(figures: dict[str, dict[str, float | None]]) -> list[str]:
    return [f"  {name:<24} {_show(figures[name])}" for name in SHOWN if name in figures]


def _show(figure: dict[str, float | None]) -> str:
    value, sd, low, high = (figure.get(key) for key in ("value", "sd", "low", "high"))
    if value is None:
        return "-"
    text = f"{value:g}" if float(value).is_integer() else f"{value:.4f}"
    if sd is not None:
        return f"{text} sd {sd:.4f}"
    return text if low is None or high is None else f"{text}  [{low:.4f}, {high:.4f}]"
