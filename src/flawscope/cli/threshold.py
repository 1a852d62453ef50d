"""``flawscope threshold``: chooses a model's thresholds and minimum areas on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from flawscope.bundle import Bundle
    from flawscope.evaluation.chooser import Measure
    from flawscope.evaluation.component_curve import Neighbours
    from flawscope.evaluation.report import Report


def threshold(
    model: Annotated[Path, typer.Argument(help="Bundle, .flawscope file, or run folder with a bundle.")],
    dataset: Annotated[Path, typer.Argument(help="Root folder of the data set.")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="How to choose: f1; connectivity (as high as cracks bear without falling apart); "
            "risk (a promise about misses); gate (of the gate, for a stated miss rate); widths (no "
            "threshold: how much too wide lines are marked, which inspect then takes off).",
        ),
    ] = "f1",
    measure: Annotated[
        str,
        typer.Option("--measure", help="What method f1 makes large: f1 (strict), f1_tol2, or their mean."),
    ] = "mean",
    neighbours: Annotated[
        int, typer.Option("--neighbours", help="Method connectivity: 8 joins pixels at corners too, or 4.")
    ] = 8,
    begin: Annotated[
        str,
        typer.Option(
            "--begin", help="Method connectivity: search from each image's lowest probability, or from half."
        ),
    ] = "lowest",
    gate: Annotated[
        Path | None,
        typer.Option("--gate", help="Method gate: a trained gate to put before the model; default: its own."),
    ] = None,
    risk: Annotated[
        str, typer.Option("--risk", help="Method risk: what may be missed: pixels, cracks or images.")
    ] = "pixels",
    level: Annotated[
        float, typer.Option("--level", help="Methods risk, gate: largest share that is missed, e.g. 0.1.")
    ] = 0.1,
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", help="Methods risk, gate: e.g. 0.9; else the level holds on average."),
    ] = None,
    bound: Annotated[
        str, typer.Option("--bound", help="With --confidence: wsr (betting) or hb (Hoeffding, Bentkus).")
    ] = "wsr",
    split: Annotated[
        Path | None, typer.Option("--split", help="split.json; default: the run's, else the data set's own.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", help="Part of the split, or all; default: val, for method risk calibration."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the choice into the bundle; else it is only shown.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for thresholds.json and the plot of the curve.")
    ] = None,
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
        list[str] | None, typer.Option("--map", help="Which class is which: TRUTH=MODEL.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be used.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Choose a model's thresholds and minimum areas on labelled images, and show the curve.

    The images should be none that the model is tested on; for method risk also none that it was trained or
    selected on. With --write the bundle is rewritten where it lies; the network in it does not change.
    """
    from flawscope.bundle import Bundle
    from flawscope.cli._evaluating import ProgressLines, evaluate_options, open_split
    from flawscope.data.description import parse_mask_values
    from flawscope.data.open import open_dataset
    from flawscope.errors import UsageError
    from flawscope.evaluation.gate_report import choose_gate
    from flawscope.evaluation.risk import RiskOptions
    from flawscope.evaluation.runs import find_models, split_for
    from flawscope.evaluation.thresholds import choose_threshold

    options = evaluate_options(mapping or (), runtime, tta, working_scale, fusion)
    models = find_models(model)
    if models.bundle is None:
        raise UsageError(f"{model} is a run of folds.\nExpected one bundle: name {model}/fold-0/bundle, ...")
    data = open_dataset(dataset, layout, parse_mask_values(mask_value or ()), skip_bad)
    bundle = Bundle.load(models.bundle)
    wanted = part or ("calibration" if method == "risk" else "val")
    chosen, _ = split_for(models, data, open_split(split, data), wanted)
    if gate is not None and method != "gate":
        raise UsageError(f"--gate goes with --method gate, not {method}.")
    if method == "gate":
        first = None if gate is None else Bundle.load(gate)
        found = choose_gate(
            bundle, first, data, chosen, part, level, confidence, options=options, progress=ProgressLines()
        )
        return _tell(found, bundle, models.bundle, out, write, as_json)
    report = choose_threshold(
        bundle,
        data,
        chosen,
        part,
        method,
        measure=cast("Measure", measure),
        neighbours=cast("Neighbours", neighbours),
        begin=cast("Any", begin),
        risk=RiskOptions(level, confidence, cast("Any", risk), cast("Any", bound)),
        run_split=models.split,
        options=options,
        progress=ProgressLines(),
    )
    return _tell(report, bundle, models.bundle, out, write, as_json)


def _tell(report: Report, bundle: Bundle, path: Path, out: Path | None, write: bool, as_json: bool) -> int:
    """Write what was asked for, print the choice; the exit code."""
    if out is not None:
        report.write(out)
    if write:
        report.apply(bundle)
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
    for item in report.failed:
        typer.echo(f"failed: {item.name}: {item.error}", err=True)
    typer.echo(json.dumps(report.to_dict(), ensure_ascii=False) if as_json else _text(report, path, write))
    return 1 if report.failed else 0


def _text(report: Report, bundle: Path, written: bool) -> str:
    end = f"Written into {bundle}" if written else "Nothing was changed; --write puts this into the bundle."
    return "\n".join([f"{report.images} images, {report.data}", *report.lines(), end])
