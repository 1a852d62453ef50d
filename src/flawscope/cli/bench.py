"""``flawscope bench``: what each stage of an inspection takes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flawscope.inspection.bench import BenchResult


def bench(
    images: Annotated[
        list[Path] | None, typer.Argument(help="Photographs, or folders of them. Default: the samples.")
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", help="Bundle or run folder; several make an ensemble. Default: bundled."),
    ] = None,
    runtime: Annotated[str, typer.Option("--runtime", help="auto, onnx, openvino or torch.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of the network; default: all cores.")
    ] = None,
    format_: Annotated[
        list[str] | None, typer.Option("--format", help="Outputs that are written, as for inspect.")
    ] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Average over four flips.")] = False,
    working_scale: Annotated[
        str, typer.Option("--working-scale", help="native, auto, or numbers as 0.5 or 1,0.5.")
    ] = "native",
    repeats: Annotated[
        int, typer.Option("--repeats", help="Rounds that count, after one that warms up.")
    ] = 3,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", help="STAGE=MS an image (or total=MS, load=MS); MS alone means the total."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Time each stage of an inspection on this machine and compare with limits.

    Whole inspections are run, into a folder that is thrown away. Of a model with a gate it is also told what
    the gate saves. Exit code 3 when a limit is not kept, 1 when some photographs could not be inspected.
    """
    import json

    from flawscope.cli.inspect import chosen_formats
    from flawscope.inspection.bench import BenchSettings
    from flawscope.inspection.bench import bench as measure
    from flawscope.inspection.default_model import default_bundle_path, sample_images_folder
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.options import PredictOptions, parse_working_scale

    settings = BenchSettings(
        inputs=tuple(images or [sample_images_folder()]),
        formats=chosen_formats(format_),
        repeats=repeats,
        limits=_limits(limit or []),
    )
    options = PredictOptions(flip_tta=tta, scales=parse_working_scale(working_scale))
    result = measure(
        model or [default_bundle_path()],
        lambda bundles: Inspector(bundles, runtime, options, threads=threads),
        settings,
    )
    for image, error in result.failed:
        typer.echo(f"failed: {image}: {error}", err=True)
    typer.echo(json.dumps(result.to_dict()) if as_json else told(result))
    return result.exit_code


def told(result: BenchResult) -> str:
    """The result as a table for people."""
    from flawscope.inspection.stopwatch import STAGES

    rounds = "one round" if result.repeats == 1 else f"medians of {result.repeats} rounds"
    lines = [
        f"{result.images} images of {result.megapixels:.2f} megapixels, {result.runtime}, "
        f"{result.threads} threads, {rounds}; loading took {result.load_ms:.0f} ms",
        f"{'stage':<8} {'ms an image':>11} {'lowest':>9} {'highest':>9} {'share':>6}",
    ]
    for name, row in [*result.stages.items(), ("total", result.total)]:
        lines.append(
            f"{name:<8} {row.median_ms:>11.1f} {row.low_ms:>9.1f} {row.high_ms:>9.1f} {row.share:>6.0%}"
            f"  {STAGES.get(name, '')}".rstrip()
        )
    if result.gate is not None:
        gate = result.gate
        lines.append(
            f"gate: {gate.spared} of {gate.images} images spared; {gate.without_ms:.1f} ms an image without "
            f"it, {gate.with_ms:.1f} with it: {gate.time_saved:.0%} of the time saved"
        )
    for name, most in result.limits.items():
        word = "NOT kept" if name in result.exceeded else "kept"
        lines.append(f"limit {name} {most:g} ms: {word} ({result.found_ms(name):.1f} ms)")
    return "\n".join(lines)


def _limits(given: list[str]) -> dict[str, float]:
    from flawscope.errors import UsageError

    found = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            found[name or "total"] = float(value)
        except ValueError:
            raise UsageError(
                f"--limit {text!r} is not understood.\nExpected STAGE=MS or MS, e.g. network=200."
            ) from None
    return found
