"""The look at every file before work starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flawscope.data.integrity import check
from flawscope.data.leaks import crossing
from flawscope.data.open import open_dataset
from flawscope.data.split import Split
from flawscope.errors import DataError

from .small import image_mask_set, photo, save, truth


def test_a_sound_set(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path))
    seen = []
    report = check(dataset, progress=lambda done, every: seen.append((done, every)))
    assert report.ok
    assert not report.warnings
    assert seen[-1] == (6, 6)
    assert report.usable(dataset) is dataset
    assert report.checks[0].size_hw == (24, 32)
    assert report.checks[0].positive_px == {1: 20}


def test_every_fault_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 8)
    content = (tmp_path / "images/001.png").read_bytes()
    (tmp_path / "images/001.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "masks/002.png").write_bytes(b"text")
    save(tmp_path / "masks/003.png", truth(3, (9, 9)) * 255)
    (tmp_path / "images/004.png").write_bytes(b"")
    dataset = open_dataset(tmp_path)
    report = check(dataset)
    assert report.bad_names == {"001", "002", "003", "004"}
    assert {problem.path: problem.kind for problem in report.errors} == {
        "001": "image",
        "002": "mask",
        "003": "mask",
        "004": "image",
    }
    with pytest.raises(DataError, match=r"4 of 8 samples(.|\n)*truncated(.|\n)*--skip-bad"):
        report.usable(dataset)
    left = report.usable(dataset, skip_bad=True)
    assert left.names == ("000", "005", "006", "007")
    assert len(left.problems) == 4


def test_undeclared_values(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 3)
    save(tmp_path / "masks/001.png", truth(1) * 7)
    report = check(open_dataset(tmp_path, mask_values={"255": "crack"}))
    assert report.bad_names == {"001"}
    assert "value 7" in report.errors[0].message


def test_no_positive_pixel(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", photo(number))
        save(tmp_path / f"masks/{number}.png", truth(number) * (255 if number == 2 else 0))
    dataset = open_dataset(tmp_path)
    assert check(dataset).ok
    report = check(dataset, Split(parts={"train": ("0", "1"), "test": ("2",)}))
    with pytest.raises(DataError, match="'train' marks a pixel"):
        report.usable(dataset)
    save(tmp_path / "masks/2.png", truth(2) * 0)
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match="none of 3 masks marks"):
        check(dataset).usable(dataset, skip_bad=True)


def test_nothing_left(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2)
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match="holds no sample"):
        check(dataset.subset([])).usable(dataset.subset([]))
    for path in (tmp_path / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="not one of 2 samples"):
        check(dataset).usable(dataset, skip_bad=True)


def test_copies_near_copies_and_leaks(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 6)
    large = photo(50, (96, 128))
    save(tmp_path / "images/001.png", photo(0))
    save(tmp_path / "images/002.png", large)
    save(tmp_path / "masks/002.png", truth(2, (96, 128)) * 255)
    save(tmp_path / "images/003.jpg", large, quality=85)
    (tmp_path / "images/003.png").unlink()
    save(tmp_path / "masks/003.png", truth(3, (96, 128)) * 255)
    dataset = open_dataset(tmp_path)
    split = Split(parts={"train": ("000", "002", "004"), "test": ("001", "003", "005")})
    report = check(dataset, split)
    assert report.copies == (("000", "001"),)
    assert report.near_copies == (("000", "001"), ("002", "003"))
    assert report.ties == {"000": "000", "001": "000", "002": "002", "003": "002"}
    assert [problem.kind for problem in report.warnings] == ["copies", "near-copies", "leak"]
    assert "2 groups" in report.warnings[-1].message
    assert not crossing(report.near_copies, Split(parts={"train": dataset.names}))


def test_mostly_marked_masks_may_be_inverted(tmp_path: Path) -> None:
    save(tmp_path / "images/1.png", photo(1))
    save(tmp_path / "masks/1.png", (1 - truth(1)) * 255)
    assert [problem.kind for problem in check(open_dataset(tmp_path)).warnings] == ["inverted"]


def test_class_that_occurs_nowhere(tmp_path: Path) -> None:
    dataset = open_dataset(image_mask_set(tmp_path, 2), mask_values={"255": "crack", "9": "joint"})
    assert [problem.kind for problem in check(dataset).warnings] == ["absent-class"]


def test_stacks_of_overlapping_classes(tmp_path: Path) -> None:
    from dataclasses import replace

    dataset = open_dataset(image_mask_set(tmp_path, 1))
    stack = np.zeros((24, 32, 3), bool)
    stack[:2, :, 0] = stack[:3, :, 2] = True
    sample = replace(dataset.samples[0], read_mask=lambda: stack)
    found = check(dataset.with_samples([sample])).checks[0]
    assert found.positive_px == {1: 64, 3: 96}


def test_copies_that_contradict_each_other(tmp_path: Path) -> None:
    root = image_mask_set(tmp_path / "masks", 4)
    (root / "images/002.png").write_bytes((root / "images/000.png").read_bytes())
    (root / "images/003.png").write_bytes((root / "images/001.png").read_bytes())
    (root / "masks/003.png").write_bytes((root / "masks/001.png").read_bytes())
    save(root / "masks/002.png", np.zeros((24, 32), np.uint8))
    (told,) = (problem for problem in check(open_dataset(root)).warnings if problem.kind == "label")
    assert "1 images occur several times with different labels, e.g. 000 and 002" in told.message

    for name, seed in (("good/0", 0), ("good/1", 1), ("bad/0", 2), ("bad/1", 0)):
        save(tmp_path / f"labels/{name}.png", photo(seed))
    (told,) = (p for p in check(open_dataset(tmp_path / "labels")).warnings if p.kind == "label")
    assert "bad/1 and good/0" in told.message


def test_memory_holds_a_fingerprint_an_image(tmp_path: Path) -> None:
    report = check(open_dataset(image_mask_set(tmp_path, 2)))
    found = report.checks[0].print
    assert found is not None
    assert found.thumbnail.nbytes <= 4096


def test_real_near_copies(data_root: Path) -> None:
    dataset = open_dataset(data_root / "crack_sc")
    report = check(dataset)
    assert report.ok
    pairs = {frozenset(group) for group in report.near_copies}
    for known in (("144", "228"), ("240", "135"), ("238", "136"), ("145", "229")):
        assert frozenset(known) in pairs
    assert not any(problem.kind == "leak" for problem in report.warnings)
