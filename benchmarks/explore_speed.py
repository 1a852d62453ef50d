"""Time and memory of `flawscope explore` on a set as large as Severstal's, in quiet minutes and MB.

The strips are drawn first by `synth steel` and timed apart; ``--work DIR`` keeps them for the next run.
Memory is that of the command and all of its processes together: *resident* counts shared pages once a
process, *proportional* once altogether.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import Figures, cores, fail, make_parser, say, write_result

SEVERSTAL_IMAGES = 12_568
"""Images in the competition's training set."""
MOST_QUIET_MINUTES, MOST_MB = 6.0, 1000.0
"""What so many images may take on two cores."""
_LOOK_EVERY_S = 0.2


class Memory:
    """Watches a process and all it started until told to stop; peaks in MB, None where /proc is missing."""

    def __init__(self, pid: int) -> None:
        self.resident_mb: float | None = None
        self.proportional_mb: float | None = None
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        if Path("/proc/self/smaps_rollup").is_file():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            sizes = [_memory_mb(pid) for pid in process_tree(self._pid)]
            self.resident_mb = max(self.resident_mb or 0.0, sum(size[0] for size in sizes))
            self.proportional_mb = max(self.proportional_mb or 0.0, sum(size[1] for size in sizes))


def process_tree(pid: int) -> list[int]:
    """A process and all of its descendants that run now."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                # The name in brackets may hold spaces; the parent is the second field behind it.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue  # gone meanwhile
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _memory_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional memory of a process."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kb = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(("Rss:", "Pss:"))}
    return kb.get("Rss:", 0.0) / 1e3, kb.get("Pss:", 0.0) / 1e3


def make_set(folder: Path, count: int, workers: int) -> float | None:
    """Draw the strips where they are not there yet; seconds that it took, None when they were."""
    if folder.is_dir():
        found = sum(1 for _ in (folder / "train_images").glob("*.jpg"))
        if found != count:
            fail(f"{folder} holds {found} strips; expected {count}: remove it or name another --work.")
        return None
    began = time.perf_counter()
    command = ["synth", "steel", "--count", str(count), "--workers", str(workers), "--out", str(folder)]
    done = subprocess.run([sys.executable, "-m", "flawscope", *command], check=False, capture_output=True)
    if done.returncode:
        fail(f"The strips could not be drawn: {done.stderr.decode(errors='replace').strip()}")
    return time.perf_counter() - began


def explore(folder: Path, out: Path, workers: int) -> Figures:
    """Run the command as a user does; seconds on the clock and of the cores, peak memory."""
    command = [sys.executable, "-m", "flawscope", "explore", str(folder), "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        running = subprocess.Popen(
            [*command, "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=told
        )
        with Memory(running.pid) as memory:
            code = running.wait()
        seconds = time.perf_counter() - began
        told.seek(0)
        words = told.read().decode(errors="replace").strip()
    if code:
        fail(f"explore ended with code {code}: {words[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_resident_mb": memory.resident_mb,
        "peak_proportional_mb": memory.proportional_mb,
        "report_mb": (out / "report.html").stat().st_size / 1e6,
    }


def measure(work: Path, count: int, workers: int = 2, quiet_minute_s: float | None = None) -> Figures:
    """Draw ``count`` strips under ``work``, explore them, and say what that makes for a whole Severstal set.

    Per image, the look at the pixels costs the same in sets of any size; starting up and the search for
    near-copies do not, so figures of small sets are only a guide.
    """
    drawn_s = make_set(work / f"steel-{count}", count, workers)
    out = work / f"explored-{count}"
    shutil.rmtree(out, ignore_errors=True)
    found = explore(work / f"steel-{count}", out, workers)
    figures = {
        "images": count,
        "workers": workers,
        "synth_s": drawn_s,
        **found,
        "core_ms_per_image": 1000 * found["cpu_s"] / count,
        "images_per_s": count / found["seconds"],
        "seconds_for_12568": found["seconds"] / count * SEVERSTAL_IMAGES,
    }
    if quiet_minute_s:
        figures["quiet_minute_s"] = quiet_minute_s
        figures["quiet_minutes"] = found["seconds"] / quiet_minute_s
        figures["quiet_minutes_for_12568"] = figures["seconds_for_12568"] / quiet_minute_s
    return figures


def main() -> None:
    """Measure and print; code 2 where a whole set takes longer or more than it may."""
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=SEVERSTAL_IMAGES, help="strips (default: all of them)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read images (default 2)")
    parser.add_argument("--work", type=Path, default=None, help="folder that keeps strips and report")
    parser.add_argument("--no-quiet-minute", action="store_true", help="measure seconds only, without torch")
    options = parser.parse_args()
    quiet_s = None
    if not options.no_quiet_minute:
        from quiet_minutes import measure_quiet_minute

        quiet_s = measure_quiet_minute()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        figures = measure(work, options.count, options.workers, quiet_s)
    figures["cores"] = cores()
    memory = figures["peak_resident_mb"]
    say(
        f"{options.count} strips in {figures['seconds']:.1f} s ({figures['core_ms_per_image']:.1f} ms of a "
        f"core each), {memory or 0:.0f} MB; drawing them took {figures['synth_s'] or 0:.0f} s"
    )
    if quiet_s:
        say(f"{figures['quiet_minutes']:.2f} quiet minutes of {quiet_s:.0f} s each on {os.cpu_count()} cores")
        say(f"12,568 strips at this rate: {figures['quiet_minutes_for_12568']:.2f} quiet minutes")
    write_result(options.json, figures)
    if options.count == SEVERSTAL_IMAGES and quiet_s:
        check(figures)


def check(figures: Figures) -> None:
    """End with code 2 where the set took longer, or more memory, than it may."""
    if figures["quiet_minutes"] > MOST_QUIET_MINUTES:
        fail(f"{figures['quiet_minutes']:.2f} quiet minutes; expected at most {MOST_QUIET_MINUTES:g}.")
    if (figures["peak_resident_mb"] or 0) > MOST_MB:
        fail(f"{figures['peak_resident_mb']:.0f} MB; expected at most {MOST_MB:g}.")


if __name__ == "__main__":
    main()
