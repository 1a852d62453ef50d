"""The whole of ``inspect``: images in, an output folder out, failures named and the rest done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flawscope.errors import DataError, ImageError, OutputError, UsageError
from flawscope.images.atomic import make_folder, write_bytes_atomic
from flawscope.images.listing import EXPLAIN_FOLDER, STATE_FOLDER
from flawscope.images.sources import InputImage, list_images
from flawscope.inspection.explain import Drawer
from flawscope.inspection.inspector import Inspector, open_image
from flawscope.inspection.journal import Journal
from flawscope.inspection.outputs import (
    DEFAULT_FORMATS,
    OF_MASKS,
    check_formats,
    explained_path,
    image_files,
    run_files,
    write_image,
    write_run,
)
from flawscope.inspection.record import RunRecord, settings_of
from flawscope.inspection.run_files import EndedShards, RunFiles
from flawscope.inspection.run_notes import left_out_notes, scale_notes, shard_notes
from flawscope.measurement.scale import ScaleTable
from flawscope.reporting.attention import write_attention
from flawscope.reporting.tables import defect_fraction
from flawscope.types import Inspection, Scale

Progress = Callable[[int, int, Inspection], None]
"""Called after each image with (done, total, result)."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What to inspect and what to write."""

    inputs: tuple[Path, ...]
    out: Path
    formats: tuple[str, ...] = DEFAULT_FORMATS
    scale: Scale | None = None
    """Scale of every image that ``scales`` says nothing about."""
    scales: ScaleTable | None = None
    """Scales of images by their names in the outputs, their paths below the input."""
    max_pixels: int | None = None
    shard: tuple[int, int] = (1, 1)
    """(I, N): only every N-th image, beginning with the I-th, counted from 1."""
    resume: bool = False
    """Leave out images that are done already, with the same settings."""
    explainer: Drawer | None = None
    """Draws what the network looks at, into ``explain/``."""

    def scale_for(self, item: InputImage) -> Scale | None:
        """The scale of one image."""
        found = self.scales.for_image(item.name) if self.scales else None
        return found or self.scale


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of it."""

    out: Path
    inspections: tuple[Inspection, ...]
    skipped: int
    """Files that are no images by name, or of an earlier inspection."""
    resumed: int
    """Images that were done in an earlier run."""
    seconds: float
    files: Mapping[str, str] = field(default_factory=dict)
    """Format -> file or folder in ``out``."""
    notes: tuple[str, ...] = ()
    """What the user should know of the run as a whole."""

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
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """A run under way."""

    inspector: Inspector
    settings: RunSettings
    listed: Sequence[InputImage]
    """The images of all shards."""
    journal: Journal

    def files_of(self, item: InputImage, size_hw: tuple[int, int]) -> list[Path]:
        """The files that the run writes of an image of that size."""
        settings, picture = self.settings, self.journal.picture_path(item.stem_path)
        overlapping = self.inspector.class_ids if self.inspector.overlapping else ()
        files = image_files(settings.out, item.stem_path, size_hw, overlapping, settings.formats, picture)
        if settings.explainer is not None:
            files.append(explained_path(settings.out, item.stem_path))
        return files


def inspect_folder(
    inspector: Inspector,
    settings: RunSettings,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> RunResult:
    """Inspect every image below the inputs and write the outputs of ``settings.formats``.

    An image that cannot be read or is too large is noted as failed and the rest is done. What earlier runs
    wrote into the folder of other images, or in other formats, is removed. ``tell`` is called with each of
    the result's notes as soon as it is known.

    Raises UsageError for wrong settings, DataError where there is no image, and OutputError when the outputs
    cannot be written.
    """
    started = time.perf_counter()
    settings = _checked(inspector, settings)
    out = _ready(settings)
    listed, skipped = list_images(settings.inputs, exclude=[out])
    if not listed:
        raise DataError(
            f"There is no image in {', '.join(map(str, settings.inputs))} ({skipped} other files).\n"
            "Expected files such as .jpg, .png or .tif."
        )
    run = _Run(inspector, settings, listed, Journal(out, settings_of(inspector, settings.scale)))
    notes = _say(_first_notes(run), tell)
    if not settings.resume and settings.shard[1] == 1:
        # Nothing may tell of the images as they were, also where this run does not reach its end.
        RunFiles(out).keep_only(())
    own, resumed = _own(run, progress)
    ended = EndedShards(out)
    if settings.shard[1] > 1:
        ended.add(settings.shard)
    while True:
        before = ended.now()
        results, left_out = _with_others(run, own)
        late = left_out_notes(left_out, len(listed))
        seconds = time.perf_counter() - started
        facts = (settings.scale, settings.formats, skipped, resumed, seconds, (*notes, *late))
        files = _write_run(run, list(results), RunRecord(inspector, tuple(results.values()), *facts))
        # A shard that ended meanwhile may have written all, and this one less over it.
        if ended.now() == before:
            break
    notes += _say(late, tell)
    return RunResult(out, tuple(results.values()), skipped, resumed, seconds, files, tuple(notes))


def _first_notes(run: _Run) -> list[str]:
    """What is known before the first image is inspected."""
    settings = run.settings
    without = sum(settings.scale_for(item) is None for item in run.listed)
    return [
        *shard_notes(settings.shard, len(run.listed)),
        *scale_notes(settings.scales, [item.name for item in run.listed], without),
    ]


def _say(notes: list[str], tell: Callable[[str], None] | None) -> list[str]:
    if tell is not None:
        for note in notes:
            tell(note)
    return notes


def _own(run: _Run, progress: Progress | None) -> tuple[dict[str, Inspection], int]:
    """Stem -> result of the images of this shard, and how many of them were done already."""
    images = run.listed[run.settings.shard[0] - 1 :: run.settings.shard[1]]
    results: dict[str, Inspection] = {}
    resumed = 0
    for number, item in enumerate(images, start=1):
        result = _found(run, item)[0] if run.settings.resume else None
        if result is not None and result.status == "ok":
            resumed += 1
        else:
            result = _one(run, item)
        results[item.stem_path] = result
        if progress is not None:
            progress(number, len(images), result)
    run.journal.keep_only(item.stem_path for item in run.listed)
    return results, resumed


def _one(run: _Run, item: InputImage) -> Inspection:
    """Inspect one image, write its own files and note it; one that cannot be done gives a failed
    Inspection, and no file of it stays behind."""
    begin = time.perf_counter()
    files: list[Path] = []
    try:
        result, files = _inspected(run, item)
    except (ImageError, MemoryError) as error:
        # Tables and reports travel: they name the image as the user gave it, not the folders of this machine.
        text = str(error).replace(str(item.path), item.name)
        result = Inspection(
            image=item.name,
            status="failed",
            size_hw=(0, 0),
            seconds=time.perf_counter() - begin,
            error=" ".join(text.split()) or "memory ran out; cut the image into parts",
        )
    run.journal.add(item.stem_path, item.path, result, files)
    return result


def _inspected(run: _Run, item: InputImage) -> tuple[Inspection, list[Path]]:
    """The image's result, less its prediction, and its own files, written."""
    begin = time.perf_counter()
    inspector, settings = run.inspector, run.settings
    with inspector.stopwatch.stage("read"):
        source, notes = open_image(item.path, settings.max_pixels, inspector.need_bytes_per_px())
    result = inspector.inspect_source(source, item.name, settings.scale_for(item), notes, begin)
    files, picture = run.files_of(item, result.size_hw), run.journal.picture_path(item.stem_path)
    with inspector.stopwatch.stage("write"):
        run.journal.begin(item.stem_path, files)
        write_image(
            settings.out, item.stem_path, source, result, inspector.classes, settings.formats, picture
        )
    if settings.explainer is not None:
        write_attention(explained_path(settings.out, item.stem_path), settings.explainer.draw(source))
    return replace(result, prediction=None, defect_fraction=defect_fraction(result)), files


def _found(run: _Run, item: InputImage) -> tuple[Inspection | None, str]:
    """The image's result of an earlier run or of another shard; None and why where there is none of use."""
    found = run.journal.find(item.stem_path, item.path)
    if found is None:
        return None, "not done yet with these settings"
    if found.status != "ok":
        return found, ""
    if found.scale != run.settings.scale_for(item):
        return None, "done with another scale"
    missing = [path for path in run.files_of(item, found.size_hw) if not path.exists()]
    if missing:
        folders = sorted({path.relative_to(run.settings.out).parts[0] for path in missing})
        return None, f"with no file in {', '.join(folders)}"
    return found, ""


def _with_others(
    run: _Run, own: Mapping[str, Inspection]
) -> tuple[dict[str, Inspection], dict[str, list[str]]]:
    """Stem -> result, in the order of the images, with the other shards' results so far: the last one to end
    has the whole. And why -> names of the images that are left out."""
    results: dict[str, Inspection] = {}
    left_out: dict[str, list[str]] = {}
    for item in run.listed:
        done, why = own.get(item.stem_path), ""
        if done is None:
            done, why = _found(run, item)
        if done is None:
            left_out.setdefault(why, []).append(item.name)
        else:
            results[item.stem_path] = done
    return results, left_out


def _write_run(run: _Run, stems: Sequence[str], record: RunRecord) -> dict[str, str]:
    """Write the files of the whole run, which are all that stay; format -> file or folder."""
    out, held = run.settings.out, RunFiles(run.settings.out)
    names = run_files(record.formats, run.inspector.task)
    with run.inspector.stopwatch.stage("write"):
        held.begin(names)
        files = dict(write_run(out, stems, [run.journal.picture_path(stem) for stem in stems], record))
        held.keep_only(names)
    if run.settings.explainer is not None:
        files["explain"] = EXPLAIN_FOLDER
    return files


def _checked(inspector: Inspector, settings: RunSettings) -> RunSettings:
    """The settings, less formats that the model has nothing for."""
    check_formats(settings.formats)
    _check_shard(settings.shard)
    if inspector.task != "classification":
        return settings
    # A label has no pixels: there is nothing to write into masks.
    kept = tuple(name for name in settings.formats if name not in OF_MASKS)
    check_formats(kept)
    return replace(settings, formats=kept)


def _ready(settings: RunSettings) -> Path:
    """The output folder, proved to be writable before any work is done."""
    out = settings.out
    for given in settings.inputs:
        if given.exists() and out.exists() and os.path.samefile(given, out):  # noqa: PTH121
            raise UsageError(f"--out {out} is also the input.\nChoose another folder for the outputs.")
    make_folder(out)
    probe = out / STATE_FOLDER / "probe"
    write_bytes_atomic(probe, b"")
    try:
        probe.unlink(missing_ok=True)  # another shard may have removed it
    except OSError as error:
        raise OutputError(f"{out}: files cannot be replaced there ({error}).") from error
    return out


def _check_shard(shard: tuple[int, int]) -> None:
    if not 1 <= shard[0] <= shard[1]:
        raise UsageError(f"--shard {shard[0]}/{shard[1]}: expected I/N with I from 1 to N, e.g. 1/4.")
