"""For benchmarks of many runs, hours long: what a call that was cut has finished, the next one takes.

A row lies in a file of its own as soon as its run is measured, a run that was cut goes on with ``--resume``,
and a folder of images is there whole or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from common import Figures, fail, finite, write_json
from crack_budget import Measure, Run

_NUMBERED = re.compile(r"\d+-(.+)\.json")


class Rows:
    """The rows of finished runs in ``work/rows``, in the order in which they were finished."""

    def __init__(self, work: Path, result: Path | None) -> None:
        """Ends the program with code 2 where the result file would lose rows, which are not here."""
        self._folder = work / "rows"
        if result is None or not result.is_file():
            return
        told = json.loads(result.read_text(encoding="utf-8")).get("figures", {}).get("runs")
        here = self.all()
        if told is None or any(row not in here for row in told):
            fail(
                f"{result} holds figures that do not come from {work}; name another --json, or their --work."
            )

    def take(self, name: str, make: Callable[[], Figures]) -> Figures:
        """The row of that name as an earlier call kept it, else as ``make`` gives it."""
        for path in self._paths():
            found = _NUMBERED.fullmatch(path.name)
            if found is not None and found[1] == name:
                kept: Figures = json.loads(path.read_text(encoding="utf-8"))
                return kept
        row: Figures = finite(make())
        write_json(self._folder / f"{len(self._paths()):03d}-{name}.json", row)
        return row

    def all(self) -> list[Figures]:
        """Every row, also of seeds and networks that this call does not name."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self._paths()]

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.json") if _NUMBERED.fullmatch(path.name))


def make_whole(folder: Path, make: Callable[[Path], object]) -> Path:
    """Have ``make`` fill a folder that appears whole or not at all; one that is there is taken."""
    if not folder.is_dir():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make(part)
        part.rename(folder)
    return folder


def quiet_minute_before(out: Path, measure: Measure) -> float:
    """Seconds of a quiet minute before the run in ``out`` began, as it was measured then."""
    path = out.with_name(f"{out.name}-quiet.json")
    if has_begun(out) and path.is_file():
        return float(json.loads(path.read_text(encoding="utf-8"))["quiet_minute_s"])
    seconds = measure()
    write_json(path, {"quiet_minute_s": seconds})
    return seconds


def train(command: Sequence[str], out: Path, run: Run) -> None:
    """Call `flawscope train`; a run in ``out`` that was cut goes on, one that is done stays as it is."""
    if is_done(out):
        return
    if not has_begun(out):
        run(command)
        return
    write_json(_cuts_file(out), {"cuts": times_cut(out) + 1})
    run([*command, "--resume"])


def times_cut(out: Path) -> int:
    """How often the run went on: what a cut lost is not in its seconds, loading anew is."""
    path = _cuts_file(out)
    return int(json.loads(path.read_text(encoding="utf-8"))["cuts"]) if path.is_file() else 0


def has_begun(out: Path) -> bool:
    """Whether a call of `flawscope train` wrote down there what it does."""
    return (out / "config.toml").is_file() and (out / "split.json").is_file()


def is_done(out: Path) -> bool:
    """Whether training ended there, as `flawscope train --folds --resume` tells it."""
    parts = ("metrics.json", "checkpoints/last.json", "bundle/manifest.json")
    return all((out / part).is_file() for part in parts)


def _cuts_file(out: Path) -> Path:
    return out.with_name(f"{out.name}-cuts.json")
