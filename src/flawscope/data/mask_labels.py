"""Masks as labels of whole images: an image shows the classes that its mask marks, or is clean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flawscope.data.dataset import Dataset, Problem
from flawscope.data.units import classes_or_errors
from flawscope.errors import DataError, ImageError
from flawscope.types import ClassInfo, Sample

_SHOWN = 5

CLEAN = ClassInfo(0, "clean", "#8c8c8c", "image")
"""The class of images whose mask marks nothing; segmentation ids start at 1."""

DEFECT = ClassInfo(1, "defect", "#d55e00", "image")
"""What a gate tells from clean."""


def as_labels(dataset: Dataset, skip_bad: bool = False) -> Dataset:
    """The data set with labels in place of masks: ids stay, 0 is ``clean``. Reads each mask once.

    Images without a mask are left out; a data set of labels is returned as it is. Pixels of 255 say nothing.
    Raises DataError for masks that cannot be read, as nobody knows what they mark; with ``skip_bad`` their
    images are left out and listed in ``problems``.
    """
    if dataset.task == "classification":
        return dataset
    masked = [sample for sample in dataset.samples if sample.read_mask is not None]
    samples: list[Sample] = []
    bad: dict[str, ImageError] = {}
    for sample, found in zip(masked, classes_or_errors(masked), strict=True):
        if isinstance(found, ImageError):
            bad[sample.name] = found
        else:
            samples.append(replace(sample, read_mask=None, mask_path="", labels=found or (CLEAN.id,)))
    if bad and not skip_bad:
        raise _unread(dataset, bad)
    labels = replace(
        dataset,
        task="classification",
        classes=(CLEAN, *(replace(info, kind="image") for info in dataset.classes)),
        multi_label=any(len(sample.labels) > 1 for sample in samples),
    )
    left_out = (Problem("mask", name, f"{error} (left out)") for name, error in bad.items())
    return labels.with_samples(samples, *left_out)


def as_defects(labels: Dataset) -> Dataset:
    """A data set of labels as a gate sees it: ``defect`` or none, of every image that has a label.

    Raises DataError where no class means clean.
    """
    clean = clean_class(labels)
    samples = (
        replace(sample, labels=(DEFECT.id,) if set(sample.labels) - {clean.id} else ())
        for sample in labels.samples
        if sample.labels
    )
    return replace(labels, classes=(DEFECT,), multi_label=False).with_samples(samples)


def _unread(dataset: Dataset, bad: Mapping[str, ImageError]) -> DataError:
    listed = "\n".join(f"  {error}" for error in list(bad.values())[:_SHOWN])
    more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return DataError(
        f"{dataset.root}: {len(bad)} of {len(dataset)} masks cannot be read:\n{listed}{more}\n"
        "Whether such an image is clean is not known. Correct them, or go on without them with --skip-bad."
    )


def clean_class(dataset: Dataset) -> ClassInfo:
    """The class of a labelled data set that means that there is no defect. Raises DataError without one."""
    for info in dataset.classes:
        if info.means_clean:
            return info
    raise DataError(
        f"{dataset.root}: no class means clean; it has {', '.join(info.name for info in dataset.classes)}.\n"
        "Two steps need clean images: masks that mark nothing, or a class named clean, good, normal or ok."
    )
