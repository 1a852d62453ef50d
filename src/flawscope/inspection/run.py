"""The whole of ``inspect``: images in, an output folder out, failures named and the rest done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flawscope.errors import DataError, ImageError, OutputError, UsageError
from flawscope.images.atomic import make_folder, remove_file, write_bytes_atomic
from flawscope.images.sources import InputImage, list_images
from flawscope.inspection.explain import Drawer
from flawscope.inspection.inspector import Inspector, open_image
from flawscope.inspection.journal import Journal
from flawscope.inspection.outputs import (
    DEFAULT_FORMATS,
    OF_MASKS,
    check_formats,
    expected_files,
    explained_path,
    own_files,
    write_image,
    write_run,
)
from flawscope.inspection.record import RunRecord, settings_of
from flawscope.reporting.attention import write_attention
from flawscope.types import Inspection, Scale

Progress = Callable[[int, int, Inspection], None]
"""Called after each image with (done, total, result)."""

ScaleOf = Callable[[str], Scale | None]
"""Scale of an image by its name in the outputs, its path below the input."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What to inspect and what to write."""

    inputs: tuple[Path, ...]
    out: Path
    formats: tuple[str, ...] = DEFAULT_FORMATS
    scale: Scale | None = None
    """Scale of every image that ``scale_of`` says nothing about."""
    scale_of: ScaleOf | None = None
    max_pixels: int | None = None
    shard: tuple[int, int] = (1, 1)
    """(I, N): only every N-th image, beginning with the I-th, counted from 1."""
    resume: bool = False
    """Leave out images that are done already, with the same settings."""
    explainer: Drawer | None = None
    """Draws what the network looks at, into ``explain/``."""

    def scale_for(self, item: InputImage) -> Scale | None:
        """The scale of one image."""
        found = self.scale_of(item.name) if self.scale_of else None
        return found or self.scale


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of it."""

    out: Path
    inspections: tuple[Inspection, ...]
    skipped: int
    """Files that are no images by name."""
    resumed: int
    """Images that were done in an earlier run."""
    seconds: float
    files: Mapping[str, str] = field(default_factory=dict)
    """Format -> file or folder in ``out``."""

    @property
    def failed(self) -> tuple[Inspection, ...]:
        """Images that could not be inspected."""
        return tuple(item for item in self.inspections if item.status == "failed")

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some failed, 3 all failed."""
        if not self.failed:
            return 0
        return 3 if len(self.failed) == len(self.inspections) else 1

    def summary(self) -> dict[str, Any]:
        """Counts and figures for ``--json``."""
        done = [item for item in self.inspections if item.status == "ok"]
        return {
            "out": str(self.out),
            "images": len(self.inspections),
            "ok": len(done),
            "failed": [{"image": item.image, "error": item.error} for item in self.failed],
            "skipped": self.skipped,
            "resumed": self.resumed,
            "defective": sum(item.verdict == "defect" for item in done),
            "findings": sum(len(item.findings) for item in done),
            "spared": sum(item.spared for item in done),
            "seconds": round(self.seconds, 3),
            "files": dict(self.files),
        }


def inspect_folder(
    inspector: Inspector, settings: RunSettings, progress: Progress | None = None
) -> RunResult:
    """Inspect every image below the inputs and write the outputs of ``settings.formats``.

    An image that cannot be read or is too large is noted as failed and the rest is done. Raises UsageError
    for wrong settings, DataError where there is no image, and OutputError when the outputs cannot be written.
    """
    started = time.perf_counter()
    check_formats(settings.formats)
    _check_shard(settings.shard)
    if inspector.task == "classification":
        # A label has no pixels: there is nothing to write into masks.
        kept = tuple(name for name in settings.formats if name not in OF_MASKS)
        check_formats(kept)
        settings = replace(settings, formats=kept)
    out = _ready(settings)
    listed, skipped = list_images(settings.inputs, exclude=[out])
    if not listed:
        raise DataError(
            f"There is no image in {', '.join(map(str, settings.inputs))} ({skipped} other files).\n"
            "Expected files such as .jpg, .png or .tif."
        )
    images = listed[settings.shard[0] - 1 :: settings.shard[1]]
    journal = Journal(out, settings_of(inspector, settings.scale))
    results: dict[str, Inspection] = {}
    resumed = 0
    for number, item in enumerate(images, start=1):
        result = _resumed(item, settings, journal) if settings.resume else None
        resumed += result is not None
        if result is None:
            journal.forget(item.stem_path)
            result = _one(item, inspector, settings, journal)
        results[item.stem_path] = result
        if progress is not None:
            progress(number, len(images), result)
    if settings.shard[1] > 1:  # the other shards' results so far: the last one to end writes the whole
        _add_others(results, listed, journal)
    ordered = [results[item.stem_path] for item in listed if item.stem_path in results]
    seconds = time.perf_counter() - started
    record = RunRecord(inspector, tuple(ordered), settings.scale, settings.formats, skipped, resumed, seconds)
    stems = [item.stem_path for item in listed if item.stem_path in results]
    with inspector.stopwatch.stage("write"):
        files = dict(write_run(out, stems, [journal.picture_path(stem) for stem in stems], record))
    if settings.explainer is not None:
        files["explain"] = "explain"
    return RunResult(out, tuple(ordered), skipped, resumed, seconds, files)


def _one(item: InputImage, inspector: Inspector, settings: RunSettings, journal: Journal) -> Inspection:
    """Inspect one image, write its own files and note it; one that cannot be done gives a failed
    Inspection, and no file of it stays behind."""
    begin = time.perf_counter()
    picture = journal.picture_path(item.stem_path)
    try:
        result = _inspected(item, inspector, settings, picture)
    except (ImageError, MemoryError) as error:
        overlapping = inspector.class_ids if inspector.overlapping else ()
        for path in own_files(settings.out, item.stem_path, overlapping, picture):
            remove_file(path)
        # Tables and reports travel: they name the image as the user gave it, not the folders of this machine.
        text = str(error).replace(str(item.path), item.name)
        result = Inspection(
            image=item.name,
            status="failed",
            size_hw=(0, 0),
            seconds=time.perf_counter() - begin,
            error=" ".join(text.split()) or "memory ran out; cut the image into parts",
        )
    journal.add(item.stem_path, item.path, result)
    return result


def _inspected(item: InputImage, inspector: Inspector, settings: RunSettings, picture: Path) -> Inspection:
    """The image's result, less its prediction, with its own files written."""
    begin = time.perf_counter()
    with inspector.stopwatch.stage("read"):
        source, notes = open_image(item.path, settings.max_pixels, inspector.need_bytes_per_px())
    result = inspector.inspect_source(source, item.name, settings.scale_for(item), notes, begin)
    with inspector.stopwatch.stage("write"):
        write_image(
            settings.out, item.stem_path, source, result, inspector.classes, settings.formats, picture
        )
    if settings.explainer is not None:
        write_attention(explained_path(settings.out, item.stem_path), settings.explainer.draw(source))
    return replace(result, prediction=None)


def _resumed(item: InputImage, settings: RunSettings, journal: Journal) -> Inspection | None:
    found = journal.find(item.stem_path, item.path)
    if found is None or found.status != "ok" or found.scale != settings.scale_for(item):
        return None
    picture = journal.picture_path(item.stem_path)
    files = expected_files(settings.out, item.stem_path, found.size_hw, settings.formats, picture)
    if settings.explainer is not None:
        files.append(explained_path(settings.out, item.stem_path))
    return found if all(path.exists() for path in files) else None


def _add_others(results: dict[str, Inspection], listed: Sequence[InputImage], journal: Journal) -> None:
    for item in listed:
        if item.stem_path not in results:
            found = journal.find(item.stem_path, item.path)
            if found is not None:
                results[item.stem_path] = found


def _ready(settings: RunSettings) -> Path:
    """The output folder, proved to be writable before any work is done."""
    out = settings.out
    for given in settings.inputs:
        if given.exists() and out.exists() and os.path.samefile(given, out):  # noqa: PTH121
            raise UsageError(f"--out {out} is also the input.\nChoose another folder for the outputs.")
    make_folder(out)
    probe = out / ".flawscope" / "probe"
    write_bytes_atomic(probe, b"")
    try:
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{out}: files cannot be replaced there ({error}).") from error
    return out


def _check_shard(shard: tuple[int, int]) -> None:
    if not 1 <= shard[0] <= shard[1]:
        raise UsageError(f"--shard {shard[0]}/{shard[1]}: expected I/N with I from 1 to N, e.g. 1/4.")
