"""``flawscope demo``: the bundled sample images through the bundled model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("demo-report"),
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the report in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Inspect the bundled sample images with the bundled model and show the way to the report."""
    import sys
    import webbrowser

    from flawscope.cli.inspect import progress_display, tell
    from flawscope.inspection.default_model import default_bundle_path, sample_images_folder
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.run import RunSettings, inspect_folder

    inspector = Inspector(default_bundle_path())
    with progress_display() as progress:
        result = inspect_folder(inspector, RunSettings((sample_images_folder(),), out), progress)
    tell(result, as_json)
    report = (out / "report.html").resolve()
    if not as_json:
        typer.echo(f"Open {report.as_uri()} in a browser.")
    # A browser is opened for a person only: never from scripts, tests or over a pipe.
    if not no_open and not as_json and sys.stdout.isatty() and sys.stdin.isatty():
        webbrowser.open(report.as_uri())
    return result.exit_code
