"""``convert``: data sets from one layout to another, and several into one.

``TARGETS`` is the registry. A target streams: one image is in memory at a time, and the folder appears when
all of it is there. Masks come back as they were from every target; images are copied byte for byte where the
target takes their form and no other size is asked for.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from flawscope.data.convert.annotations import CocoWriter, CvatWriter, LabelStudioWriter, SeverstalWriter
from flawscope.data.convert.boxes import VocWriter, YoloWriter
from flawscope.data.convert.digits import IdxWriter
from flawscope.data.convert.labels import CsvLabelsWriter, ImageFolderWriter
from flawscope.data.convert.masks import ImageMaskWriter, KaggleCracksWriter
from flawscope.data.convert.matlab import CrackforestWriter
from flawscope.data.convert.pixels import class_planes, resize_image, resize_stack
from flawscope.data.convert.plan import Entry, Plan, make_plan
from flawscope.data.convert.writers import Converted, Folder, Writer
from flawscope.data.dataset import Dataset, Problem
from flawscope.data.split_file import write_split
from flawscope.errors import DataError, ImageError, UsageError
from flawscope.images.atomic import new_folder
from flawscope.images.memory import check_size
from flawscope.images.sources import is_image_name
from flawscope.types import IGNORE_INDEX, Task

__all__ = ["TARGETS", "ConvertOptions", "ConvertResult", "Target", "convert", "make_plan"]


@dataclass(frozen=True, slots=True)
class Target:
    """A layout that can be written."""

    writer: Callable[[Folder, bool], Writer]
    """(folder, whether any pixel is marked *ignore*) -> writer."""
    task: Task
    flat: bool = False
    """Names may not hold folders."""
    surveyed: bool = False
    """All masks are looked at first: for marks of *ignore*, and for clean images."""


TARGETS: dict[str, Target] = {
    "image-mask": Target(ImageMaskWriter, "segmentation", surveyed=True),
    "kaggle-cracks": Target(KaggleCracksWriter, "segmentation", flat=True, surveyed=True),
    "coco": Target(CocoWriter, "segmentation"),
    "severstal": Target(SeverstalWriter, "segmentation", flat=True),
    "label-studio": Target(LabelStudioWriter, "segmentation"),
    "cvat": Target(CvatWriter, "segmentation"),
    "yolo": Target(YoloWriter, "segmentation"),
    "voc": Target(VocWriter, "segmentation", flat=True),
    "crackforest": Target(CrackforestWriter, "segmentation", flat=True),
    "csv-labels": Target(CsvLabelsWriter, "classification"),
    "image-folder": Target(ImageFolderWriter, "classification", flat=True),
    "idx": Target(IdxWriter, "classification"),
}
"""Layout -> how it is written."""


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What may change on the way."""

    size_hw: tuple[int, int] | None = None
    """One height and width in px for all images; None = as they are."""
    prefixes: tuple[str, ...] | None = None
    class_map: Mapping[str, str] | None = None
    ignored: Literal["keep", "background"] = "keep"
    """What becomes of pixels that are marked *ignore*."""
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class ConvertResult:
    """What was written."""

    out: Path
    images: int
    plan: Plan
    left_out: tuple[Problem, ...]
    notes: Mapping[str, int]
    """What was done to images -> number of images."""


def convert(
    datasets: Sequence[Dataset],
    target: str,
    out: str | Path,
    options: ConvertOptions | None = None,
    report: Callable[[int, int], None] | None = None,
) -> ConvertResult:
    """Write data sets as one set of layout ``target``; ``report`` is called with (images done, all).

    Raises:
        UsageError: an unknown target, wrong prefixes or classes.
        DataError: a set that the target cannot hold, or an image that cannot be used (unless skipped).
        OutputError: ``out`` is not empty or cannot be written.
    """
    options = options or ConvertOptions()
    chosen = target_named(target)
    plan = make_plan(datasets, options.prefixes, options.class_map, chosen.flat)
    _check_task(plan, target, chosen)
    left_out: list[Problem] = []
    any_ignored = False
    if chosen.surveyed:
        plan, seen = _survey(plan, options, left_out)
        any_ignored = any(ignored for _, ignored in seen.values())
        if target == "kaggle-cracks":
            plan = _kaggle_named(plan, {name for name, (clean, _) in seen.items() if clean})
    written: list[str] = []
    with new_folder(out) as root:
        folder = Folder(root, plan)
        writer = chosen.writer(folder, any_ignored)
        files = Counter(entry.sample.image_path for entry in plan.entries)
        for done, entry in enumerate(plan.entries, 1):
            # Slices of a volume and digits of an IDX file share one file; it cannot be copied for each.
            own_file = files[entry.sample.image_path] == 1 and is_image_name(entry.sample.image_path)
            copied = own_file and options.size_hw is None
            if _add(entry, copied, plan, options, writer, left_out):
                written.append(entry.name)
            if report is not None:
                report(done, len(plan.entries))
        if not written:
            raise DataError("No image can be converted.\nExpected at least one.")
        writer.close()
        _write_split(root, plan, {name: folder.renamed.get(name, name) for name in written})
    return ConvertResult(Path(out), len(written), plan, tuple(left_out), dict(folder.notes))


_RESIZED_BYTES_PER_PX = 12
"""The new image, a plane as float32 while it is resized, and planes of a few classes."""


def target_named(name: str) -> Target:
    """The target of that name. Raises UsageError."""
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"'{name}' cannot be written.{hint}\nExpected one of: {', '.join(TARGETS)}.")
    return TARGETS[name]


def _check_task(plan: Plan, name: str, target: Target) -> None:
    if plan.task != target.task:
        fitting = ", ".join(other for other, one in TARGETS.items() if one.task == plan.task)
        raise UsageError(
            f"{name} holds {'masks' if target.task == 'segmentation' else 'classified images'}; "
            f"the data is for {plan.task}.\nChoose one of: {fitting}."
        )


def _where(entry: Entry) -> str:
    return entry.sample.mask_path or entry.sample.image_path or entry.sample.name


def _survey(
    plan: Plan, options: ConvertOptions, left_out: list[Problem]
) -> tuple[Plan, dict[str, tuple[bool, bool]]]:
    """The plan without what cannot be used, and name -> (clean, some pixel ignored), from every mask."""
    seen = {}
    bad: set[str] = set()
    for entry in plan.entries:
        try:
            mask = entry.sample.mask
        except ImageError as error:
            _refuse(entry, error, options, left_out)
            bad.add(entry.name)
            continue
        if mask is None:
            continue
        marked = mask.any(axis=2) if mask.ndim == 3 else (mask != 0) & (mask != IGNORE_INDEX)
        ignored = mask.ndim == 2 and options.ignored == "keep" and bool((mask == IGNORE_INDEX).any())
        seen[entry.name] = (not marked.any(), ignored)
    kept = tuple(entry for entry in plan.entries if entry.name not in bad)
    return replace(plan, entries=kept, split=plan.split and plan.split.without(bad)), seen


def _refuse(entry: Entry, error: ImageError, options: ConvertOptions, left_out: list[Problem]) -> None:
    if not options.skip_bad:
        raise DataError(f"{error}\nCorrect it, or go on without it with --skip-bad.") from error
    left_out.append(Problem("image", _where(entry), str(error).splitlines()[0]))


def _kaggle_named(plan: Plan, clean: set[str]) -> Plan:
    """Names as that layout reads them: the source set first, or ``noncrack`` for clean images."""
    renamed = {}
    taken: Counter[str] = Counter()
    for entry in plan.entries:
        name = entry.name if plan.several else f"{entry.prefix}_{entry.name}"
        name = f"noncrack_{name}" if entry.name in clean else name
        taken[name.casefold()] += 1
        count = taken[name.casefold()]
        renamed[entry.name] = f"{name}-{count}" if count > 1 else name
    entries = tuple(replace(entry, name=renamed[entry.name]) for entry in plan.entries)
    split = plan.split
    if split is not None:
        parts = {part: tuple(renamed[name] for name in names) for part, names in split.parts.items()}
        folds = tuple(tuple(renamed[name] for name in fold) for fold in split.folds)
        split = split.model_copy(update={"parts": parts, "folds": folds})
    return replace(plan, entries=entries, split=split)


def _add(
    entry: Entry, copied: bool, plan: Plan, options: ConvertOptions, writer: Writer, left_out: list[Problem]
) -> bool:
    """Read one image with its truth and hand it to the writer; False when it is left out."""
    try:
        item = _converted(entry, copied, plan, options)
        writer.add(item)
    except ImageError as error:
        _refuse(entry, error, options, left_out)
        return False
    return True


def _converted(entry: Entry, copied: bool, plan: Plan, options: ConvertOptions) -> Converted:
    sample, size_hw = entry.sample, options.size_hw
    if size_hw is not None:
        check_size(sample.name, size_hw, _RESIZED_BYTES_PER_PX)
    # Read even where the file is copied: what breaks off within would be copied as it is.
    pixels = sample.image()
    final_hw = size_hw or (pixels.shape[0], pixels.shape[1])
    if size_hw is not None:
        pixels = resize_image(pixels, size_hw)
    image = None if copied else pixels
    if plan.task == "classification":
        labels = tuple(sorted({entry.class_ids[number] for number in sample.labels}))
        return Converted(entry, image, final_hw, labels=labels)
    mask = sample.mask
    if mask is None:
        raise ImageError(f"{sample.name}: has no mask.\nExpected one, empty where the image is clean.")
    stack, ignored = class_planes(mask, entry.class_ids, len(plan.classes))
    if options.ignored == "background":
        ignored = np.zeros_like(ignored)
    planes = resize_stack(np.concatenate([stack, ignored[..., None]], axis=2), final_hw)
    return Converted(entry, image, final_hw, planes[..., :-1], planes[..., -1])


def _write_split(root: Path, plan: Plan, written: Mapping[str, str]) -> None:
    """Parts and folds by the final names of what was written (name in the plan -> final name)."""
    if plan.split is None:
        return
    parts = {
        part: tuple(written[name] for name in names if name in written)
        for part, names in plan.split.parts.items()
    }
    folds = tuple(tuple(written[name] for name in fold if name in written) for fold in plan.split.folds)
    write_split(root / "split.json", plan.split.model_copy(update={"parts": parts, "folds": folds}))
