"""``submission.csv``: run lengths of every image and class, in either form of the Severstal competition.

``submission``: ``ImageId,ClassId,EncodedPixels``, a row an image and class that it shows.
``submission-joined``: ``ImageId_ClassId,EncodedPixels``, a row an image and class, empty where there is no
defect. The layout ``severstal`` reads both as ``train.csv``. Run lengths count from 1, down the columns.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from flawscope.images.atomic import write_text_atomic
from flawscope.images.rle import encode_rle
from flawscope.types import Prediction

SUBMISSIONS = {"submission": "submission.csv", "submission-joined": "submission-joined.csv"}
"""Format -> file of the whole run."""

Marks = dict[int, str]
"""Class id -> run lengths; classes without a pixel are left out."""


def marks_path(picture: Path) -> Path:
    """Where an image's run lengths wait for the end of the run: beside its small overlay ``picture``."""
    return picture.with_suffix(".rle")


def marks_of(prediction: Prediction) -> Marks:
    """Run lengths of each class; overlapping classes keep all of their pixels."""
    found: Marks = {}
    for place, class_id in enumerate(prediction.class_ids):
        plane = prediction.mask == class_id if prediction.stack is None else prediction.stack[place]
        if np.any(plane):
            found[class_id] = encode_rle(plane)
    return found


def write_marks(path: Path, prediction: Prediction) -> None:
    """Keep the run lengths of one image until the run ends. Raises OutputError."""
    write_text_atomic(path, json.dumps(marks_of(prediction)))


def read_marks(path: Path) -> Marks:
    """Read what `write_marks` kept; nothing where the image failed."""
    if not path.is_file():
        return {}
    return {int(class_id): text for class_id, text in json.loads(path.read_text(encoding="utf-8")).items()}


def write_submission(
    path: Path, images: Sequence[tuple[str, Path]], class_ids: Sequence[int], joined: bool
) -> None:
    """Write the table of a whole run.

    :param images: name of each image and where its run lengths wait.
    Raises OutputError.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["ImageId_ClassId", "EncodedPixels"] if joined else ["ImageId", "ClassId", "EncodedPixels"]
    )
    writer.writerows(_rows(images, class_ids, joined))
    write_text_atomic(path, text.getvalue())


def _rows(
    images: Sequence[tuple[str, Path]], class_ids: Sequence[int], joined: bool
) -> Iterator[tuple[str | int, ...]]:
    for name, where in images:
        marks = read_marks(where)
        for class_id in class_ids:
            if joined:
                yield f"{name}_{class_id}", marks.get(class_id, "")
            elif class_id in marks:
                yield name, class_id, marks[class_id]
