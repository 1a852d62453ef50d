"""``flawscope synth``: procedural images with exact masks and widths, written as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flawscope.data.synthetic.kinds import Mix


def synth(
    kind: Annotated[str, typer.Argument(help="concrete (asphalt, brick, plaster, paint too) or steel.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Number of images.")],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder to write.")],
    size: Annotated[
        str | None,
        typer.Option("--size", help="Height x width in px [default: 512x512; steel: 256x1600]."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same images.")] = 0,
    clean_share: Annotated[
        float | None,
        typer.Option("--clean-share", min=0, max=1, help="Share of images without defects, 0..1."),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option("--mix", help="steel: which classes how often, as none=50,3=30,1+3=20 [competition's]."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 = one a core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw images with exact masks and widths and write them as a data set.

    concrete: layout image-mask with images/, masks/ (0 / 255), widths/ (centrelines with their exact widths).
    steel: layout severstal with train_images/ and train.csv. Both with dataset.toml. The folder appears when
    every image is done.
    """
    import json
    import os
    import sys
    import time

    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from flawscope.data.synthetic.kinds import kind_named
    from flawscope.data.synthetic.stream import SynthStream, write_dataset

    size_hw = parse_size_hw(size) if size else kind_named(kind).size_hw
    stream = SynthStream(kind, seed, size_hw, count, clean_share, parse_mix(mix) if mix else None)
    # Starting processes takes longer than drawing a handful of images.
    processes = workers or (min(os.cpu_count() or 1, 8) if count >= 16 else 1)
    started = time.perf_counter()
    usual = Progress.get_default_columns()[:2]
    columns = (SpinnerColumn(), *usual, MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"drawing {kind}", total=count)
        facts = write_dataset(stream, out, processes, lambda done: progress.update(task, completed=done))
    seconds = time.perf_counter() - started
    rate = count / seconds
    if as_json:
        result = {"kind": kind, "seed": seed, "size_hw": list(stream.size_hw), "out": str(out), **facts}
        typer.echo(json.dumps({**result, "seconds": round(seconds, 3), "images_per_second": round(rate, 2)}))
    else:
        typer.echo(f"{count} images ({facts['clean']} clean) in {out}, {rate:.1f} a second")


def parse_size_hw(text: str) -> tuple[int, int]:
    """Height and width from ``512x512`` or ``512``."""
    from flawscope.errors import UsageError

    parts = text.lower().replace("×", "x").split("x")  # noqa: RUF001
    if not 1 <= len(parts) <= 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"--size is '{text}'.\nExpected height x width in px, e.g. 512x512.")
    sides = [int(part) for part in parts]
    if 0 in sides:
        raise UsageError(f"--size is '{text}'.\nExpected sides of at least 1 px.")
    return sides[0], sides[-1]


def parse_mix(text: str) -> Mix:
    """Classes and their relative frequency from ``none=50,3=30,1+3=20``."""
    from flawscope.errors import UsageError

    mix: dict[tuple[int, ...], float] = {}
    for part in text.split(","):
        names, _, share = part.partition("=")
        try:
            classes = (
                () if names.strip() == "none" else tuple(sorted({int(name) for name in names.split("+")}))
            )
            frequency = float(share)
        except ValueError:
            raise UsageError(
                f"--mix has the part '{part}'.\nExpected classes=frequency, e.g. none=50,3=30,1+3=20."
            ) from None
        if classes in mix:
            raise UsageError(f"--mix names '{names.strip()}' twice.\nExpected each group of classes once.")
        mix[classes] = frequency
    return tuple(mix.items())
