"""Masks as labels of whole images: an image shows the classes that its mask marks, or is clean."""

from __future__ import annotations

from dataclasses import replace

from flawscope.data.dataset import Dataset
from flawscope.data.units import classes_and_shares
from flawscope.errors import DataError
from flawscope.types import ClassInfo

CLEAN = ClassInfo(0, "clean", "#8c8c8c", "image")
"""The class of images whose mask marks nothing; segmentation ids start at 1."""


def as_labels(dataset: Dataset) -> Dataset:
    """The data set with labels in place of masks: ids stay, 0 is ``clean``. Reads each mask once.

    Images without a mask are left out; a data set of labels is returned as it is. Pixels of 255 say nothing.
    """
    if dataset.task == "classification":
        return dataset
    masked = [sample for sample in dataset.samples if sample.read_mask is not None]
    found = classes_and_shares(masked)
    samples = tuple(
        replace(sample, read_mask=None, mask_path="", labels=classes or (CLEAN.id,))
        for sample, (classes, _) in zip(masked, found, strict=True)
    )
    return replace(
        dataset,
        task="classification",
        classes=(CLEAN, *(replace(info, kind="image") for info in dataset.classes)),
        samples=samples,
        multi_label=any(len(classes) > 1 for classes, _ in found),
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
