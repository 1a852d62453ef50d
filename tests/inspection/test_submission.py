"""Submissions: what is written is what the layout of the competition reads back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.data.open import open_dataset
from flawscope.errors import UsageError
from flawscope.images.rle import decode_rle
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.outputs import check_formats
from flawscope.inspection.run import RunSettings, inspect_folder
from flawscope.inspection.submission import marks_of
from flawscope.types import Prediction

from .test_inspector import photograph
from .toy_networks import dark_bundle

BOTH = ("masks", "submission", "submission-joined")


@pytest.mark.parametrize("form", ["submission", "submission-joined"])
def test_a_submission_decodes_to_the_masks(form: str, tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "bundle")
    photos = tmp_path / "set" / "train_images"
    photos.mkdir(parents=True)
    Image.fromarray(photograph()).save(photos / "a.png")
    Image.fromarray(np.full((50, 60, 3), 220, np.uint8)).save(photos / "clean.png")
    result = inspect_folder(Inspector(bundle), RunSettings((photos,), tmp_path / "out", formats=BOTH))
    assert result.files[form] == f"{form}.csv"
    (tmp_path / "out" / f"{form}.csv").replace(tmp_path / "set" / "train.csv")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.layout == "severstal" and not dataset.problems
    for name in ("a", "clean"):
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{name}.png"))
        assert np.array_equal(dataset[name].mask, mask)
    assert mask.max() == 0 and dataset["a"].mask.max() == 1  # type: ignore[union-attr]


def test_forms_resume_and_failures(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "bundle")
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(photograph()).save(photos / "a.png")
    (photos / "b.png").write_bytes(b"no image")
    settings = RunSettings((photos,), tmp_path / "out", formats=BOTH, resume=True)
    inspect_folder(Inspector(bundle), settings)
    texts = [(tmp_path / "out" / f"{form}.csv").read_text(encoding="utf-8") for form in BOTH[1:]]
    lines, joined = (text.splitlines() for text in texts)
    assert lines[0] == "ImageId,ClassId,EncodedPixels" and lines[1].startswith("a.png,1,") and len(lines) == 2
    assert joined[0] == "ImageId_ClassId,EncodedPixels" and joined[2] == "b.png_1,"
    assert inspect_folder(Inspector(bundle), settings).resumed == 1
    assert (tmp_path / "out" / "submission.csv").read_text(encoding="utf-8") == texts[0]
    for path in (tmp_path / "out" / ".flawscope").glob("*.rle"):
        path.unlink()
    assert inspect_folder(Inspector(bundle), settings).resumed == 0, "without run lengths it is done again"
    with pytest.raises(UsageError, match="submission-joined"):
        check_formats(["submissions"])


def test_overlapping_classes_keep_all_of_their_pixels() -> None:
    stack = np.zeros((2, 3, 4), bool)
    stack[0, :2] = True
    stack[1, 1:] = True
    mask = np.where(stack[1], 2, stack[0]).astype(np.uint8)
    probability = stack.astype(np.float32)
    marks = marks_of(Prediction(mask, probability, (1, 2), stack))
    assert np.array_equal(decode_rle(marks[1], (3, 4)), stack[0])
    assert np.array_equal(decode_rle(marks[2], (3, 4)), stack[1])
    alone = marks_of(Prediction(mask, probability, (1, 2), None))
    assert np.array_equal(decode_rle(alone[1], (3, 4)), mask == 1)
    assert 3 not in alone
