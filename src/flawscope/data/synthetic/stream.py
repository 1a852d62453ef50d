"""Many procedural pictures: as a sequence, through several processes, or as a data set on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flawscope.data.parallel import in_order
from flawscope.data.synthetic.canvas import SynthImage
from flawscope.data.synthetic.disk import FORMS, description_text
from flawscope.data.synthetic.kinds import Kind, Mix, kind_named
from flawscope.errors import UsageError
from flawscope.images.atomic import make_folder, new_folder, write_text_atomic


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
    mix: Mix | None = None
    """How often which classes stand together; None = the kind's own. Only for kinds of several classes."""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise UsageError(f"count is {self.count}; expected a whole number from 0 on.")
        if self.clean_share is not None and not 0 <= self.clean_share <= 1:
            raise UsageError(f"clean_share is {self.clean_share}; expected a share from 0 to 1.")
        kind = kind_named(self.kind)
        kind.check(self.seed, self.size_hw)
        if self.mix is not None:
            check_mix(self.mix, kind)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> SynthImage:
        """The picture at ``index`` (negative: from the end). Raises IndexError outside of the stream."""
        at = index + self.count if index < 0 else index
        if not 0 <= at < self.count:
            raise IndexError(f"index {index} is outside of a stream of {self.count} pictures")
        return _render((self.kind, seed_of(self.seed, at), self.size_hw, self.clean_share, self.mix))

    def __iter__(self) -> Iterator[SynthImage]:
        return (self[index] for index in range(self.count))


_Request = tuple[str, int, tuple[int, int], float | None, Mix | None]


def _render(request: _Request) -> SynthImage:
    kind, seed, size_hw, clean_share, mix = request
    renderer = kind_named(kind).render
    return renderer(seed, size_hw, clean_share) if mix is None else renderer(seed, size_hw, clean_share, mix)


def check_mix(mix: Mix, kind: Kind) -> None:
    """Raise UsageError for a mix that this kind cannot draw."""
    known = [info.id for info in kind.classes]
    if len(known) < 2:
        raise UsageError(f"{kind.name} has one class: there is nothing to mix. Use the clean share.")
    unknown = sorted({number for classes, _ in mix for number in classes} - set(known))
    if unknown:
        raise UsageError(
            f"{kind.name} has no class {unknown[0]}; expected some of {', '.join(map(str, known))}."
        )
    if any(not 0 <= share < float("inf") for _, share in mix) or not any(share for _, share in mix):
        raise UsageError("The mix holds no positive number, or a wrong one; expected frequencies from 0 on.")


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
    requests = ((kind, seed, size_hw, clean_share, None) for seed in seeds)
    return in_order(_render, requests, workers)


def write_dataset(
    stream: SynthStream, out: str | Path, workers: int = 1, report: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Write a stream as a data set; returns how many ``images`` and ``clean`` ones.

    The folder appears when all is there: a killed run leaves nothing half-written under ``out``. What it
    holds depends on the kind (`disk.FORMS`). ``report`` is called with the number of pictures done.

    Raises:
        OutputError: ``out`` exists and is not empty, or cannot be written.
        UsageError: no picture is asked for.
    """
    if stream.count < 1:
        raise UsageError("0 pictures were asked for; expected a count from 1 on.")
    kind = kind_named(stream.kind)
    form = FORMS[kind.layout]
    clean = 0
    with new_folder(out) as temporary:
        for folder in form.folders:
            make_folder(temporary / folder)
        jobs = ((stream, index, temporary) for index in range(stream.count))
        with form.table(temporary) as add_rows:
            for done, (defective, rows) in enumerate(in_order(_write_one, jobs, workers), 1):
                clean += not defective
                add_rows(rows)
                if report is not None:
                    report(done)
        write_text_atomic(temporary / "dataset.toml", description_text(kind))
    return {"images": stream.count, "clean": clean}


def _write_one(job: tuple[SynthStream, int, Path]) -> tuple[bool, list[str]]:
    """Draws and writes one picture; returns whether it has a defect, and its rows of the set's table."""
    stream, index, folder = job
    drawn = stream[index]
    rows = FORMS[kind_named(stream.kind).layout].write(drawn, stream.kind, stream.seed, index, folder)
    return bool(drawn.mask.any()), rows
