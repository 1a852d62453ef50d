"""``flawscope inspect``: photographs in, masks, overlays, tables and a report out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flawscope.inspection.run import Progress, RunResult
    from flawscope.measurement.scale import ScaleTable
    from flawscope.types import Inspection


def inspect(
    images: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write; what an earlier run wrote there is replaced.")
    ],
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", help="Bundle or run folder; several make an ensemble. Default: bundled."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", help="Size of a pixel on the surface, e.g. 0.2mm.")
    ] = None,
    scale_file: Annotated[
        Path | None,
        typer.Option("--scale-file", help="Scales of images: CSV of image, mm_per_px; or JSON, TOML."),
    ] = None,
    threshold: Annotated[
        list[str] | None, typer.Option("--threshold", help="CLASS=P, 0 to 1; or P for all classes.")
    ] = None,
    min_area: Annotated[
        list[str] | None, typer.Option("--min-area", help="CLASS=PX; or PX for all classes.")
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option("--gate", help="Threshold of the model's gate, 0 to 1; 0 lets every image pass."),
    ] = None,
    runtime: Annotated[str, typer.Option("--runtime", help="auto, onnx, openvino or torch.")] = "auto",
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="csv, masks, overlays, html (the default four), geojson, coco, "
            "json, submission, submission-joined (run lengths in the two forms of Severstal).",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Draw what the network looks at, as explain/STEM.png: gates, or Grad-CAM of labels (torch).",
        ),
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", min=1, help="Refuse larger photographs.")
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over four flips: four times slower, a little better.")
    ] = False,
    working_scale: Annotated[
        str,
        typer.Option("--working-scale", help="Size to work at: native, auto, or numbers as 0.5 or 1,0.5."),
    ] = "native",
    fusion: Annotated[
        str, typer.Option("--fusion", help="Of several working scales: choose one, or mean or max of all.")
    ] = "choose",
    shard: Annotated[
        str, typer.Option("--shard", help="I/N: do the I-th of N shares of the images.")
    ] = "1/1",
    resume: Annotated[bool, typer.Option("--resume", help="Leave out images that are done already.")] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of the network; default: all cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Find and measure defects in photographs.

    Writes findings.csv, images.csv, masks/, overlays/, report.html and run.json. Exit code 1 when some
    photographs could not be inspected, 3 when none could.
    """
    from flawscope.bundle import Bundle
    from flawscope.inspection.default_model import default_bundle_path
    from flawscope.inspection.explain import make_explainer
    from flawscope.inspection.inspector import Inspector, as_scale
    from flawscope.inspection.options import PredictOptions, parse_working_scale
    from flawscope.inspection.promises import void_notes
    from flawscope.inspection.run import RunSettings, inspect_folder

    options = PredictOptions(flip_tta=tta, scales=parse_working_scale(working_scale), fusion=fusion)  # type: ignore[arg-type]
    bundles = [Bundle.load(path) for path in model or [default_bundle_path()]]
    names = [item.name for item in bundles[0].classes]
    areas = _per_class("--min-area", min_area, names)
    inspector = Inspector(
        bundles,
        runtime,
        options,
        thresholds=_per_class("--threshold", threshold, names),
        min_area_px={name: _whole("--min-area", value) for name, value in areas.items()},
        gate_threshold=gate,
        threads=threads,
    )
    settings = RunSettings(
        inputs=tuple(images),
        out=out,
        formats=chosen_formats(format_),
        scale=as_scale(scale),
        scales=_scale_file(scale_file),
        max_pixels=max_pixels,
        shard=_shard(shard),
        resume=resume,
        explainer=make_explainer(
            bundles[0], threads, thresholds=inspector.thresholds, gate_threshold=inspector.gate_threshold
        )
        if explain
        else None,
    )
    for note in void_notes(inspector):
        _note(note)
    with progress_display() as progress:
        result = inspect_folder(inspector, settings, progress, _note)
    tell(result, as_json)
    return result.exit_code


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def tell(result: RunResult, as_json: bool) -> None:
    """Print what came of a run: one JSON object, or two or three lines."""
    import json

    summary = result.summary()
    if as_json:
        typer.echo(json.dumps(summary))
        return
    done, failed = summary["ok"], len(summary["failed"])
    extra = f", {failed} failed" if failed else ""
    extra += f", {summary['skipped']} other files skipped" if summary["skipped"] else ""
    typer.echo(
        f"{_counted(done, 'image')} inspected{extra}: {_counted(summary['findings'], 'finding')} in "
        f"{_counted(summary['defective'], 'image')} ({summary['seconds']:.1f} s)"
    )
    shown = result.files.get("html") or result.files.get("csv") or ""
    typer.echo(f"Results: {result.out / shown}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class _Lines:
    """Progress as plain lines on stderr, where there is no terminal; failures are named at once."""

    def __enter__(self) -> Progress:
        return self.show

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, done: int, total: int, result: Inspection) -> None:
        """One line an image."""
        sys.stderr.write(f"[{done}/{total}] {_line(result)}\n")


class _Bar:
    """Progress as a bar with rate and time left; failures are named above it."""

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("inspecting"), BarColumn(), MofNCompleteColumn(), rate)
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
        self._task = self._bar.add_task("", total=None, rate="")
        self._bar.start()
        return self.show

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int, result: Inspection) -> None:
        """Move the bar."""
        task = self._bar.tasks[0]
        rate = f"{done / task.elapsed:.2f} images/s" if task.elapsed else ""
        self._bar.update(self._task, total=total, completed=done, rate=rate)
        if result.status == "failed":
            self._bar.console.print(_line(result), markup=False, highlight=False)


def progress_display() -> _Bar | _Lines:
    """A context that shows progress on stderr: a bar on a terminal, plain lines elsewhere."""
    return _Bar() if sys.stderr.isatty() else _Lines()


def _line(result: Inspection) -> str:
    if result.status == "failed":
        return f"failed: {result.error}"
    notes = f" ({'; '.join(result.notes)})" if result.notes else ""
    if result.scores:
        score = "" if result.label_score is None else f" {result.label_score:.3f}"
        return f"{result.image}: {result.label or 'no label'}{score}, {result.seconds:.2f} s{notes}"
    return f"{result.image}: {_counted(len(result.findings), 'finding')}, {result.seconds:.2f} s{notes}"


def chosen_formats(given: Sequence[str] | None) -> tuple[str, ...]:
    """The formats of ``--format A,B --format C``, each once; the default ones where there is no such
    option."""
    from flawscope.inspection.outputs import DEFAULT_FORMATS

    if not given:
        return DEFAULT_FORMATS
    parts = [part.strip() for text in given for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


def _per_class(option: str, given: Sequence[str] | None, names: Sequence[str]) -> dict[str, float]:
    """``CLASS=NUMBER`` texts by class; a bare number goes to every class."""
    from flawscope.errors import UsageError

    found: dict[str, float] = {}
    for text in given or ():
        name, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise UsageError(
                f"{option} {text!r} is not understood.\nExpected CLASS=NUMBER, e.g. {names[0]}=0.5."
            ) from None
        found.update(dict.fromkeys([name] if name else names, number))
    return found


def _whole(option: str, value: float) -> int:
    from flawscope.errors import UsageError

    if not (value >= 0 and value.is_integer()):  # also neither infinite nor NaN
        raise UsageError(f"{option} {value:g}: expected a whole number of pixels, 0 or more.")
    return int(value)


def _shard(text: str) -> tuple[int, int]:
    from flawscope.errors import UsageError

    first, slash, count = text.partition("/")
    if not slash or not first.isdecimal() or not count.isdecimal():
        raise UsageError(f"--shard {text!r} is not understood.\nExpected I/N, e.g. 1/4.")
    return int(first), int(count)


def _scale_file(path: Path | None) -> ScaleTable | None:
    if path is None:
        return None
    from flawscope.measurement.scale import load_scale_file

    return load_scale_file(path)
