"""Many procedural pictures: as a sequence, through several processes, or as a data set on disk."""

from __future__ import annotations

import io
import json
import multiprocessing
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flawscope.data.synthetic.canvas import SynthImage
from flawscope.data.synthetic.kinds import Kind, kind_named
from flawscope.errors import OutputError, UsageError
from flawscope.images.atomic import make_folder, output_error, write_bytes_atomic, write_text_atomic

WIDTHS_SCHEMA = 1
_AHEAD = 4
"""Pictures a process may be ahead of the reader: bounds the memory."""


def seed_of(seed: int, index: int) -> int:
    """The seed of the picture at ``index`` in the stream of ``seed``: neighbours share nothing."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True, slots=True)
class SynthStream:
    """``count`` pictures, drawn when asked for; the same index always gives the same picture.

    Can be sent to worker processes, sliced by index and read in any order.
    """

    kind: str
    seed: int
    size_hw: tuple[int, int]
    count: int
    clean_share: float | None = None
    """Share of pictures without defects, 0..1; None = the kind's own."""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise UsageError(f"count is {self.count}; expected a whole number from 0 on.")
        if self.clean_share is not None and not 0 <= self.clean_share <= 1:
            raise UsageError(f"clean_share is {self.clean_share}; expected a share from 0 to 1.")
        kind_named(self.kind).check(self.seed, self.size_hw)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> SynthImage:
        """The picture at ``index`` (negative: from the end). Raises IndexError outside of the stream."""
        at = index + self.count if index < 0 else index
        if not 0 <= at < self.count:
            raise IndexError(f"index {index} is outside of a stream of {self.count} pictures")
        return _render((self.kind, seed_of(self.seed, at), self.size_hw, self.clean_share))

    def __iter__(self) -> Iterator[SynthImage]:
        return (self[index] for index in range(self.count))


_Request = tuple[str, int, tuple[int, int], float | None]


def _render(request: _Request) -> SynthImage:
    kind, seed, size_hw, clean_share = request
    return kind_named(kind).render(seed, size_hw, clean_share)


def generate_many(
    kind: str,
    seeds: Iterable[int],
    size_hw: tuple[int, int],
    workers: int = 1,
    clean_share: float | None = None,
) -> Iterator[SynthImage]:
    """Pictures of these seeds, in their order; the number of ``workers`` (processes) changes only the pace.

    Processes are spawned, so a script that asks for more than one needs ``if __name__ == "__main__"``.
    Raises UsageError as `synthesize` does.
    """
    requests = ((kind, seed, size_hw, clean_share) for seed in seeds)
    return _in_order(_render, requests, workers)


def _in_order(work: Callable[[Any], Any], jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    if workers <= 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[Any]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # A reader that stops early, or an error, must not wait for pictures nobody wants.
            for future in waiting:
                future.cancel()


def write_dataset(
    stream: SynthStream, out: str | Path, workers: int = 1, report: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Write a stream as a data set of layout ``image-mask``; returns how many ``images`` and ``clean`` ones.

    ``images/NAME.png``, ``masks/NAME.png`` (0 / 255), ``widths/NAME.json`` (centrelines with exact widths and
    what was drawn) and ``dataset.toml``. The folder appears when all is there: a killed run leaves nothing
    half-written under ``out``. ``report`` is called with the number of pictures done.

    Raises:
        OutputError: ``out`` exists and is not empty, or cannot be written.
        UsageError: no picture is asked for.
    """
    if stream.count < 1:
        raise UsageError("0 pictures were asked for; expected a count from 1 on.")
    goal = Path(out)
    _refuse_occupied(goal)
    make_folder(goal.parent)
    temporary = goal.parent / f".tmp-{secrets.token_hex(8)}"
    clean = 0
    try:
        for folder in ("images", "masks", "widths"):
            make_folder(temporary / folder)
        jobs = ((stream, index, temporary) for index in range(stream.count))
        for done, cracks in enumerate(_in_order(_write_one, jobs, workers), 1):
            clean += cracks == 0
            if report is not None:
                report(done)
        write_text_atomic(temporary / "dataset.toml", description_text(kind_named(stream.kind)))
        _move(temporary, goal)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {"images": stream.count, "clean": clean}


def description_text(kind: Kind) -> str:
    """The ``dataset.toml`` of a kind."""
    lines = [f'source = "synthetic-{kind.name}"', 'layout = "image-mask"']
    for info in kind.classes:
        lines += ["", "[[classes]]", f"id = {info.id}", f'name = "{info.name}"', f'kind = "{info.kind}"']
        lines.append(f'colour = "{info.colour}"')
    return "\n".join(lines) + "\n"


def _refuse_occupied(goal: Path) -> None:
    try:
        occupied = goal.exists() and (not goal.is_dir() or any(goal.iterdir()))
    except OSError as error:
        raise output_error(goal, error) from error
    if occupied:
        raise OutputError(
            f"{goal}: exists already.\nExpected a new or empty folder: remove it or choose another."
        )


def _move(temporary: Path, goal: Path) -> None:
    try:
        if goal.is_dir():
            goal.rmdir()
        temporary.replace(goal)
    except OSError as error:
        raise output_error(goal, error) from error


def _write_one(job: tuple[SynthStream, int, Path]) -> int:
    """Draws and writes one picture; returns its number of cracks."""
    stream, index, folder = job
    drawn = stream[index]
    name = f"{stream.kind}_{index:06d}"
    write_bytes_atomic(folder / "images" / f"{name}.png", _png(drawn.image))
    write_bytes_atomic(folder / "masks" / f"{name}.png", _png(mask_picture(drawn.mask)))
    write_text_atomic(folder / "widths" / f"{name}.json", widths_text(name, drawn))
    return len(drawn.cracks)


def mask_picture(mask: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """0 / 255 from a mask of one class (H x W uint8, 0 or 1)."""
    return np.where(mask > 0, np.uint8(255), np.uint8(0))


def widths_text(name: str, drawn: SynthImage) -> str:
    """The truth beside the mask as JSON: per crack N points (x, y) and N full widths, in px."""
    cracks = [
        {"points_xy_px": crack.points_xy_px.round(3).tolist(), "width_px": crack.width_px.round(3).tolist()}
        for crack in drawn.cracks
    ]
    content = {
        "schema": WIDTHS_SCHEMA,
        "image": name,
        "size_hw": list(drawn.mask.shape),
        "cracks": cracks,
        "recipe": drawn.recipe,
    }
    return json.dumps(content) + "\n"


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
