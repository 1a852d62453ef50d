"""A whole data set explored: what is written, what is told, and that nothing is dropped in silence."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawscope.data import explore as explore_module
from flawscope.data.dataset import Dataset
from flawscope.data.explore import Exploration, explore
from flawscope.data.explore_look import ClassFigures, ImageRow
from flawscope.data.explore_recipe import suggest
from flawscope.data.explore_sheets import choose, on_black
from flawscope.data.open import open_dataset, open_unread
from flawscope.data.split import Split
from flawscope.errors import DataError, OutputError
from flawscope.images.rle import build_rles, decode_rle

from .small import image_mask_set, photo, save, truth

RECIPES = ("crack-quick", "segment-quick", "classify-quick", "two-step", "mnist-lab")
TABLES = {
    "integrity", "copies", "classes", "classes_per_image", "combinations", "co_occurrence", "sources",
    "sizes", "images", "shares", "components", "widths", "width_histogram",
}  # fmt: skip


def steel_set(root: Path, count: int = 6) -> Path:
    """A set in the Severstal layout: every other strip clean, one with two classes."""
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(count):
        save(root / f"train_images/{number}.jpg", photo(number, (40, 160)))
        if number % 2:
            mask = truth(number, (40, 160), 1 if number > 1 else 2)
            texts = build_rles(np.stack([mask == 1, mask == 2], axis=2))
            rows += [f"{number}.jpg,{n},{text}" for n, text in enumerate(texts, 1) if text]
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def read_table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def look_at(root: Path, out: Path, **options: object) -> Exploration:
    return explore(open_unread(root), out, workers=1, recipes=RECIPES, **options)  # type: ignore[arg-type]


def test_everything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = look_at(steel_set(tmp_path / "steel"), out)
    assert {path.name for path in out.iterdir()} == {
        "report.html", "explore.json", "master.csv", *(f"{name}.csv" for name in TABLES),
    }  # fmt: skip
    facts = json.loads((out / "explore.json").read_text())
    assert facts["images"] == 6 and facts["failed"] == 0 and facts["layout"] == "severstal"
    assert set(facts["tables"]) == TABLES - {"images", "integrity"}
    assert len(found.rows) == 6 and found.failed == 0
    page = (out / "report.html").read_text()
    assert "'class-3' occurs in no mask" in page.replace("&#39;", "'")
    for colour in ("#3b6fd4", "#8e44ad"):
        assert colour in page, "the paper's colours"


def test_a_sound_set(tmp_path: Path) -> None:
    found = look_at(image_mask_set(tmp_path / "set", 3), tmp_path / "out")
    assert found.report.ok and not found.warnings
    assert "Nothing is wrong with the files." in (tmp_path / "out" / "report.html").read_text()


def test_the_master_table_gives_the_masks_back(tmp_path: Path) -> None:
    root = steel_set(tmp_path / "steel")
    look_at(root, tmp_path / "out")
    dataset = open_dataset(root)
    rows = read_table(tmp_path / "out", "master")
    assert [row["image"] for row in rows] == list(dataset.names)
    for row in rows:
        mask = dataset[row["image"]].mask
        assert mask is not None
        ids = [int(n) for n in row["class_ids"].split()]
        assert ids == [n for n in range(1, 5) if (mask == n).any()]
        assert row["defect"] == ("yes" if ids else "no") and int(row["n_classes"]) == len(ids)
        for info in dataset.classes:
            assert (decode_rle(row[f"rle:{info.name}"], (40, 160)) == (mask == info.id)).all()


def test_workers_change_nothing(tmp_path: Path) -> None:
    root = image_mask_set(tmp_path / "set", 70)
    one = look_at(root, tmp_path / "one")
    two = explore(open_unread(root), tmp_path / "two", workers=2, recipes=RECIPES)
    assert one.rows == two.rows
    for name in ("master.csv", "images.csv", "explore.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_every_fault_is_named(tmp_path: Path) -> None:
    root = image_mask_set(tmp_path / "set", 30)
    content = (root / "images/001.png").read_bytes()
    (root / "images/001.png").write_bytes(content[: len(content) // 2])
    save(root / "masks/002.png", truth(2, (9, 9)) * 255)
    (root / "masks/003.png").unlink()
    (root / "images/004.png").unlink()
    save(root / "images/005.png", photo(5, (24, 30)))
    save(root / "masks/005.png", truth(5, (24, 30)) * 255)
    (root / "images/007.png").write_bytes((root / "images/006.png").read_bytes())
    split = Split(parts={"train": ("006", "008"), "test": ("007",)})
    seen: list[tuple[int, int, str]] = []
    found = look_at(root, tmp_path / "out", split=split, progress=lambda *told: seen.append(told))
    assert found.failed == 2 and len(found.rows) == 26 and seen[-1] == (28, 28, "029")
    told = {(row["severity"], row["kind"]) for row in read_table(tmp_path / "out", "integrity")}
    assert {("error", "image"), ("error", "mask"), ("warning", "no-mask"), ("warning", "no-image")} <= told
    assert {("warning", "copies"), ("warning", "leak"), ("warning", "size")} <= told
    assert [(row["image"], row["kind"], row["part"]) for row in read_table(tmp_path / "out", "copies")] == [
        ("006", "copy", "train"),
        ("007", "copy", "test"),
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "2 of 28 images cannot be used" in page and "006 (train), 007 (test)" in page


def test_undeclared_values_are_errors(tmp_path: Path) -> None:
    root = image_mask_set(tmp_path / "set", 4)
    save(root / "masks/001.png", truth(1) * 7)
    found = explore(open_unread(root, mask_values={"255": "crack"}), tmp_path / "out", workers=1)
    assert [problem.path for problem in found.report.errors] == ["001"]
    assert "value 7" in found.report.errors[0].message


def test_classified_images(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"set/{'bad' if number % 3 else 'good'}/{number}.png", photo(number, (40, 40)))
    found = look_at(tmp_path / "set", tmp_path / "out")
    assert "shares" not in found.tables and found.suggestion is not None
    assert found.suggestion.recipe == "classify-quick"
    assert [row[3] for row in found.tables["classes"].rows] == [4, 2]
    assert (tmp_path / "out" / "report.html").read_text().count("<figure") == 6


def test_nothing_to_look_at(tmp_path: Path) -> None:
    dataset = open_unread(image_mask_set(tmp_path / "set", 3))
    with pytest.raises(DataError, match="holds no sample"):
        explore(dataset.with_samples(()), tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        explore(dataset, tmp_path / "file", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_worker_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise explore_module.BrokenProcessPool("gone")

    monkeypatch.setattr(explore_module, "in_order", broken)
    with pytest.raises(DataError, match="--workers 1"):
        look_at(image_mask_set(tmp_path / "set", 3), tmp_path / "out")
    assert not (tmp_path / "out" / "master.csv").exists()


# --- contact sheets and the suggestion ------------------------------------------------------------------


def rows_of(shares: Sequence[dict[int, float]]) -> list[ImageRow]:
    return [
        ImageRow(
            f"{number:02d}", "s", (40, 60), 1, 1, 1,
            {n: ClassFigures(share, 9) for n, share in found.items()}, sum(found.values()),
        )
        for number, found in enumerate(shares)
    ]  # fmt: skip


def test_sheets_show_every_step_of_a_share() -> None:
    rows = rows_of([{1: 0.01 * (number + 1)} for number in range(20)] + [{}, {1: 0.5, 2: 0.1}])
    names = choose(rows, 1, 5)
    assert names == ["02", "06", "10", "14", "18"]
    assert choose(rows, 2, 5) == ["21"] and choose(rows, None, 3) == ["20"] and choose(rows, 3, 2) == []


def test_masks_on_black(tmp_path: Path) -> None:
    dataset = open_dataset(steel_set(tmp_path))
    mask = np.zeros((40, 160), np.uint8)
    mask[3, 7], mask[20:30, 100:120], mask[39, 159] = 1, 4, 255
    drawn = on_black(mask, dataset.classes, (20, 80))
    assert drawn.shape == (20, 80, 3)
    assert drawn[1, 3].tolist() == [0x3B, 0x6F, 0xD4], "a single pixel stays"
    assert drawn[12, 55].tolist() == [0xE0, 0x2B, 0x20] and drawn[19, 79].tolist() == [96, 96, 96]
    assert not drawn[5].any()


@pytest.fixture
def cracks(tmp_path: Path) -> Dataset:
    return open_dataset(image_mask_set(tmp_path, 3))


def test_suggestions_name_recipes_that_exist(cracks: Dataset, tmp_path: Path) -> None:
    thin = rows_of([{1: 0.004}] * 50)
    chosen = suggest(cracks, thin, RECIPES)
    assert chosen.recipe == "crack-quick" and "flawscope train crack-quick" in chosen.command
    assert any("0.40%" in line for line in chosen.advice) and any("clean" in line for line in chosen.advice)
    none = suggest(cracks, thin, ())
    assert none.recipe == "" and none.command == "" and "crack-quick" in none.reason


def test_suggestions_by_kind_of_set(tmp_path: Path) -> None:
    steel = open_dataset(steel_set(tmp_path))
    uneven = rows_of([{1: 0.1}] * 40 + [{2: 0.1}] * 4 + [{}] * 40)
    chosen = suggest(steel, uneven, RECIPES)
    assert chosen.recipe == "two-step" and "48%" in chosen.reason
    assert any("data.balance.target=22" in line for line in chosen.advice)
    assert suggest(steel, uneven, ("segment-quick",)).recipe == "segment-quick"
    all_marked = rows_of([{1: 0.1}, {2: 0.1}])
    assert suggest(steel, all_marked, RECIPES).kind == "steel strip segmentation"
    areas = replace(steel, layout="image-mask")
    chosen = suggest(areas, all_marked, RECIPES)
    assert chosen.recipe == "segment-quick" and any("--folds" in line for line in chosen.advice)
    digits = replace(steel, task="classification")
    small = [replace(row, size_hw=(28, 28)) for row in all_marked]
    assert suggest(digits, small, RECIPES).recipe == "mnist-lab"
