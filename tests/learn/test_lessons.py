"""Every lesson runs at reduced size on generated digits, and what its page claims holds."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from flawscope.data.open import open_dataset
from lesson import BEGIN, END, Room, open_room, save, write_measured

LEARN = Path(__file__).resolve().parents[2] / "docs/learn"
SCRIPTS = sorted(LEARN.glob("[0-9][0-9]_*.py"))
MOST_BYTES = 60_000


def load(script: Path) -> ModuleType:
    """A lesson as a module; its name begins with a number, which ``import`` does not take."""
    spec = importlib.util.spec_from_file_location(f"lesson_{script.stem}", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with open_room(None, quick=True) as opened:
        yield opened
    torch.set_num_threads(threads)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_claims_of_a_lesson_hold(script: Path, room: Room, tmp_path: Path) -> None:
    lesson = load(script)
    report = lesson.run(room)
    assert report.claims
    assert not [claim for claim, held in report.claims.items() if not held], report.table()
    assert all(len(row) == len(report.header) for row in report.rows)
    save(lesson.draw(report), tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size < MOST_BYTES


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_page_has_its_figures_its_picture_and_questions_with_answers(script: Path) -> None:
    text = script.with_suffix(".md").read_text(encoding="utf-8")
    measured = text.partition(BEGIN.format(script.name))[2].partition(END)[0]
    assert "Measured on " in measured and "| --- |" in measured
    picture = LEARN / "images" / f"{script.stem}.png"
    assert f"](images/{script.stem}.png)" in text
    assert picture.stat().st_size < MOST_BYTES
    with Image.open(picture) as opened:
        assert opened.width <= 1000
    questions, _, answers = text.partition("## Questions")[2].partition("<details>")
    asked, answered = (re.findall(r"^\d+\.", part, re.MULTILINE) for part in (questions, answers))
    assert asked == answered and len(asked) >= 2
    assert f"python docs/learn/{script.name}" in text
    assert f"]({script.stem}.md)" in (LEARN / "README.md").read_text(encoding="utf-8")


def test_every_page_and_every_picture_has_its_script() -> None:
    stems = {script.stem for script in SCRIPTS}
    assert {page.stem for page in LEARN.glob("*.md")} == stems | {"README"}
    assert {picture.stem for picture in (LEARN / "images").iterdir()} == stems


def test_a_room_without_mnist_draws_the_same_digits_again(room: Room) -> None:
    with open_room(Path("no/such/folder"), quick=True) as other:
        mine, theirs = room.digits("test", 20), other.digits("test", 20)
        assert other.data == "generated digits"
    assert torch.equal(mine.images, theirs.images) and torch.equal(mine.labels, theirs.labels)
    assert sorted(set(room.digits("train", 200).labels.tolist())) == list(range(10))


def test_a_room_shows_mnist_where_it_is(data_root: Path) -> None:
    with open_room(data_root, quick=True) as real:
        digits = real.digits("test", 3)
        assert real.data == "MNIST" and digits.labels.tolist() == [7, 2, 1]
        whole = open_dataset(data_root / "mnist").part("test")
    assert digits.images.shape == (3, 1, 28, 28) and len(whole) == 10_000


def test_figures_are_put_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "x.md"
    page.write_text(f"before\n{BEGIN.format('x.py')}\nold\n{END}\nafter\n", encoding="utf-8")
    write_measured(page, "x.py", "new")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN.format('x.py')}\nnew\n{END}\nafter\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="no place"):
        write_measured(page, "x.py", "new")
