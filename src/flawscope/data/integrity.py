"""A look at every file of a data set before work starts on it.

Each image and mask is read once, several at a time; what is kept is a few numbers and a small fingerprint
an image. ``train`` runs this before its first step, ``explore`` shows it, ``--skip-bad`` goes on without the
faulty samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from flawscope.data.copies import Fingerprint, exact_copies, fingerprint, near_copies, tie
from flawscope.data.dataset import Dataset, Problem
from flawscope.data.leaks import crossing
from flawscope.data.split_file import Split
from flawscope.errors import DataError, ImageError
from flawscope.types import IGNORE_INDEX, Mask, RgbImage, Sample

_INVERTED_SHARE = 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class SampleCheck:
    """What one sample turned out to be."""

    name: str
    error: str = ""
    """Why it cannot be used; empty when it can."""
    error_kind: str = ""
    """``image`` or ``mask``."""
    size_hw: tuple[int, int] = (0, 0)
    positive_px: dict[int, int] = field(default_factory=dict)
    """Class id -> pixels, classes present only."""
    valid_px: int = 0
    """Pixels that are not ignored."""
    has_mask: bool = False
    print: Fingerprint | None = None


@dataclass(frozen=True)
class IntegrityReport:
    """The state of a data set."""

    checks: tuple[SampleCheck, ...]
    errors: tuple[Problem, ...]
    """What cannot be used: one entry a sample, and entries for the set as a whole."""
    warnings: tuple[Problem, ...]
    copies: tuple[tuple[str, ...], ...] = ()
    """Groups of sample names with the same pixels."""
    near_copies: tuple[tuple[str, ...], ...] = ()
    """Groups of sample names that show the same photograph (copies included)."""

    @property
    def bad_names(self) -> frozenset[str]:
        """Samples that cannot be used."""
        return frozenset(check.name for check in self.checks if check.error)

    @property
    def ok(self) -> bool:
        """True when nothing stands against using the whole set."""
        return not self.errors

    @property
    def ties(self) -> dict[str, str]:
        """Name -> name of the first of its near-copies, for samples that have any."""
        return {name: group[0] for group in self.near_copies for name in group}

    def usable(self, dataset: Dataset, skip_bad: bool = False) -> Dataset:
        """The data set without faulty samples, if the caller allows to skip them.

        Raises:
            DataError: faulty samples and not ``skip_bad``; or nothing positive is left to learn from.
        """
        bad = self.bad_names
        if bad and not skip_bad:
            listed = "\n".join(f"  {problem.message}" for problem in self.errors[:_SHOWN])
            more = f"\n  and {len(self.errors) - _SHOWN} more" if len(self.errors) > _SHOWN else ""
            raise DataError(
                f"{dataset.root}: {len(bad)} of {len(dataset)} samples cannot be used:\n{listed}{more}\n"
                "Correct them, or go on without them with --skip-bad."
            )
        whole = next((problem for problem in self.errors if not problem.path), None)
        if whole is not None:
            raise DataError(whole.message)
        if not bad:
            return dataset
        left_out = [replace(problem, message=problem.message + " (left out)") for problem in self.errors]
        return _without(dataset, bad).with_samples(
            (sample for sample in dataset if sample.name not in bad), *left_out
        )


def _without(dataset: Dataset, bad: frozenset[str]) -> Dataset:
    """Take names out of the set's own split."""
    split = dataset.default_split
    return dataset if split is None else replace(dataset, default_split=split.without(bad))


def check(
    dataset: Dataset,
    split: Split | None = None,
    duplicates: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IntegrityReport:
    """Read every image and mask once.

    Args:
        dataset: what to check.
        split: look for copies across its parts, and for positives in its ``train``; None = the set's own.
        duplicates: look for copies and near-copies too.
        workers: threads; None = one a processor, at most 4.
        progress: called with (done, all).

    Returns:
        The report; the check itself raises nothing on bad files.
    """
    return report_on(dataset, tuple(_run(dataset.samples, duplicates, workers, progress)), split)


def report_on(
    dataset: Dataset, checks: tuple[SampleCheck, ...], split: Split | None = None
) -> IntegrityReport:
    """The report on samples that were checked already, one entry a sample; ``split`` as for ``check``."""
    errors = [Problem(check.error_kind, check.name, check.error) for check in checks if check.error]
    chosen = split or dataset.default_split
    errors += _whole_set(dataset, checks, chosen)
    good = [check for check in checks if check.print is not None]
    copies, near = _copy_groups(good)
    warnings = [*dataset.problems, *_mask_warnings(dataset, checks), *_copy_warnings(copies, near)]
    warnings += _contradictions(dataset, checks, copies)
    if chosen is not None:
        warnings += crossing(near, chosen)
    return IntegrityReport(checks, tuple(errors), tuple(warnings), copies, near)


def _run(
    samples: Sequence[Sample],
    duplicates: bool,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[SampleCheck]:
    """Check samples in order, a bounded number in flight so that memory stays small."""
    count = workers or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(count) as pool:
        waiting: list[Future[SampleCheck]] = []
        done = 0
        for sample in samples:
            waiting.append(pool.submit(check_sample, sample, duplicates))
            if len(waiting) >= 4 * count:
                yield waiting.pop(0).result()
                done += 1
                if progress is not None:
                    progress(done, len(samples))
        for future in waiting:
            yield future.result()
            done += 1
            if progress is not None:
                progress(done, len(samples))


def check_sample(sample: Sample, duplicates: bool = True) -> SampleCheck:
    """Read one sample and say what it is. Raises nothing on bad files."""
    return read_sample(sample, duplicates)[0]


def read_sample(sample: Sample, duplicates: bool = True) -> tuple[SampleCheck, RgbImage | None, Mask | None]:
    """Read one sample: what it is, its image, and its mask; both None where it cannot be used."""
    try:
        image = sample.image()
    except ImageError as error:
        return SampleCheck(sample.name, str(error), "image"), None, None
    size_hw = (image.shape[0], image.shape[1])
    found = fingerprint(image) if duplicates else None
    if sample.read_mask is None:
        return SampleCheck(sample.name, size_hw=size_hw, print=found), image, None
    try:
        mask = sample.read_mask()
        if mask.shape[:2] != size_hw:
            raise ImageError(
                f"{sample.mask_path or sample.name}: the mask is {mask.shape[1]} x {mask.shape[0]} px, "
                f"its image {size_hw[1]} x {size_hw[0]}.\nExpected equal sizes; correct or remove the pair."
            )
    except ImageError as error:
        return SampleCheck(sample.name, str(error), "mask", size_hw), None, None
    positive, valid = _count(mask)
    return SampleCheck(sample.name, "", "", size_hw, positive, valid, True, found), image, mask


def _count(mask: Mask) -> tuple[dict[int, int], int]:
    """Pixels of each class that is present, and pixels that are not ignored."""
    if mask.ndim == 3:
        planes = mask.reshape(-1, mask.shape[2]).sum(axis=0)
        positive = {number: int(count) for number, count in enumerate(planes, 1) if count}
        return positive, mask.shape[0] * mask.shape[1]
    counts = np.bincount(mask.ravel(), minlength=256)
    positive = {int(v): int(counts[v]) for v in np.flatnonzero(counts) if 0 < v < IGNORE_INDEX}
    return positive, int(mask.size - counts[IGNORE_INDEX])


def _whole_set(dataset: Dataset, checks: Sequence[SampleCheck], split: Split | None) -> list[Problem]:
    """What makes the set as a whole useless for learning."""
    if not checks:
        return [Problem("empty", "", f"{dataset.root}: holds no sample.\nExpected images with their labels.")]
    good = [check for check in checks if not check.error]
    if not good:
        return [Problem("empty", "", f"{dataset.root}: not one of {len(checks)} samples can be used.")]
    if dataset.task != "segmentation" or not any(check.has_mask for check in good):
        return []
    if not any(check.positive_px for check in good):
        return [
            Problem(
                "no-positive",
                "",
                f"{dataset.root}: none of {len(good)} masks marks a single pixel of a class.\n"
                "Expected at least one; check the masks, or name their values with --mask-value V=CLASS.",
            )
        ]
    train = set(split.parts.get("train", ())) if split else set()
    if train and not any(check.positive_px for check in good if check.name in train):
        text = (
            f"{dataset.root}: no mask of the part 'train' marks a pixel.\nExpected at least one; split anew."
        )
        return [Problem("no-positive", "", text)]
    return []


def _mask_warnings(dataset: Dataset, checks: Sequence[SampleCheck]) -> list[Problem]:
    totals: dict[int, int] = {}
    valid = 0
    for item in checks:
        valid += item.valid_px
        for class_id, count in item.positive_px.items():
            totals[class_id] = totals.get(class_id, 0) + count
    warnings = []
    share = sum(totals.values()) / valid if valid else 0.0
    if share > _INVERTED_SHARE and any(info.kind == "line" for info in dataset.classes):
        text = f"{share:.0%} of all pixels are marked; if the masks are inverted, say --mask-value 0=CLASS"
        warnings.append(Problem("inverted", "", f"{text} and --mask-value 255=background."))
    if dataset.task == "segmentation" and totals:
        absent = [info.name for info in dataset.classes if info.id not in totals]
        warnings += [Problem("absent-class", "", f"the class '{name}' occurs in no mask") for name in absent]
    return warnings


def _copy_groups(
    checks: Sequence[SampleCheck],
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    prints = [check.print for check in checks if check.print is not None]
    names = [check.name for check in checks]
    exact = exact_copies(prints)
    return _groups(names, exact), _groups(names, [*exact, *near_copies(prints)])


def _groups(names: Sequence[str], pairs: Iterable[tuple[int, int]]) -> tuple[tuple[str, ...], ...]:
    roots = tie(len(names), pairs)
    groups: dict[int, list[str]] = {}
    for name, root in zip(names, roots, strict=True):
        groups.setdefault(root, []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _copy_warnings(copies: Sequence[tuple[str, ...]], near: Sequence[tuple[str, ...]]) -> list[Problem]:
    warnings = []
    if copies:
        count = sum(len(group) for group in copies)
        text = f"{count} images are exact copies of one another, e.g. {' = '.join(copies[0])}"
        warnings.append(Problem("copies", "", text))
    if len(near) > len(copies):
        count = sum(len(group) for group in near)
        text = f"{count} images show the same photographs as others, e.g. {' ~ '.join(near[-1])}"
        warnings.append(Problem("near-copies", "", f"{text}; they should stand on one side of a split"))
    return warnings


def _contradictions(
    dataset: Dataset, checks: Sequence[SampleCheck], copies: Sequence[tuple[str, ...]]
) -> list[Problem]:
    """A warning when copies of one image, pixel by pixel, say different things of it."""
    marked = {check.name: check.positive_px for check in checks}
    torn = [
        group
        for group in copies
        if any((marked[n], dataset[n].labels) != (marked[group[0]], dataset[group[0]].labels) for n in group)
    ]
    if not torn:
        return []
    text = f"{len(torn)} images occur several times with different labels, e.g. {' and '.join(torn[0])}"
    return [Problem("label", "", f"{text}; no model can be right on both: correct or remove all but one")]
