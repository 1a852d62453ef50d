"""What all benchmarks share: their two options, the machine they ran on, and the file they write.

Nothing heavy is imported here, so that a benchmark of start-up times does not measure its own imports.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
"""The working copy that the benchmarks belong to."""

Figures = dict[str, Any]


def make_parser(description: str | None, *, data: bool = True) -> argparse.ArgumentParser:
    """A parser with ``--json``, which every benchmark takes, and ``--data`` unless it uses no such set."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n\n")[0])
    if data:
        parser.add_argument(
            "--data",
            type=Path,
            default=Path(os.environ["FLAWSCOPE_DATA"]) if os.environ.get("FLAWSCOPE_DATA") else None,
            help="folder of the real image sets (default: FLAWSCOPE_DATA)",
        )
    parser.add_argument("--json", type=Path, default=None, help="file to write figures and machine to")
    return parser


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The option ``--folder``: steel strips that the user has, in place of drawn ones."""
    parser.add_argument(
        "--folder",
        type=_folder,
        default=None,
        help="folder of the Severstal form (train_images/, train.csv), used as it is; else strips are drawn",
    )


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def data_folder(data: Path | None, *sets: str) -> Path:
    """The folder of the image sets, which must hold ``sets``; ends the program with code 2 otherwise."""
    if data is None:
        fail("No image sets are named; expected --data FOLDER or FLAWSCOPE_DATA.")
    for name in sets:
        if not (data / name).is_dir():
            fail(f"{data} has no folder '{name}'; expected the real image sets there (--data).")
    return data


def fail(message: str) -> NoReturn:
    """End the program with exit code 2 and one line on stderr."""
    sys.stderr.write(message + "\n")
    raise SystemExit(2)


def go_on_with(work: Path, settings: Mapping[str, Any]) -> None:
    """Keep ``settings`` in ``work``; ends the program with code 2 where an earlier call there had others.

    A benchmark that takes earlier runs from its folder would else show them under settings they never had.
    """
    path = work / "settings.json"
    told = json.loads(json.dumps(settings, default=str))
    if not path.is_file():
        write_json(path, told)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for name, value in told.items():
        if before.get(name) != value:
            fail(f"{work} holds runs with {name} = {before.get(name)!r}, not {value!r}; name another --work.")


def say(text: str) -> None:
    """Print a line at once, also into a file or pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """What a figure depends on, and nothing that names the machine: no host name, no paths."""
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "ram_gb": _ram_gb(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": _version("torch"),
        "onnxruntime": _version("onnxruntime"),
        "flawscope": _version("flawscope"),
    }


def write_result(
    path: Path | None, figures: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> None:
    """Write ``{"figures": ..., "machine": ...}``, whole or not at all; without a path nothing happens.

    ``facts`` saves asking for the machine again where partial results are written often.
    """
    if path is None:
        return
    write_json(path, {"figures": finite(figures), "machine": dict(facts or machine())})


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as ``path``.csv and ``path``.md; what a row lacks is an empty cell.

    Numbers are rounded, to 6 places in the CSV and 3 in Markdown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([columns, *[[_cell(row.get(name), 6) for name in columns] for row in rows]])
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name), 3) for name in columns] for row in rows]
    text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    path.with_suffix(".md").write_text(text, encoding="utf-8")


def _cell(value: Any, places: int) -> str:
    plain = finite(value)
    if plain is None:
        return ""
    return f"{plain:.{places}f}" if isinstance(plain, float) else str(plain)


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def finite(value: Any) -> Any:
    """The value as strict JSON takes it: numbers rounded to 6 places, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Sequence):
        return [finite(item) for item in value]
    number = float(value)
    return round(number, 6) if math.isfinite(number) else None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _ram_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
