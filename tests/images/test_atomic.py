"""Files appear whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from flawscope.errors import OutputError
from flawscope.images.atomic import atomic_path, make_folder, write_bytes_atomic, write_text_atomic


def test_writes_and_creates_folders(tmp_path: Path) -> None:
    goal = tmp_path / "a b" / "größe" / "x.txt"
    write_text_atomic(goal, "Riß\n")
    assert goal.read_bytes() == "Riß\n".encode()
    assert [path.name for path in goal.parent.iterdir()] == ["x.txt"]


def test_names_that_are_no_text_stay_apart_and_come_back_from_json(tmp_path: Path) -> None:
    names = ["fa\udce7ade", "fa\udce8ade", "größe"]
    write_text_atomic(tmp_path / "x.json", json.dumps(names, ensure_ascii=False))
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == names


def test_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    goal = tmp_path / "x.bin"
    write_bytes_atomic(goal, b"old")
    with pytest.raises(ZeroDivisionError), atomic_path(goal) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert goal.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [goal]


def test_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "mask.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path


def test_longest_name_a_file_system_takes(tmp_path: Path) -> None:
    goal = tmp_path / ("n" * 251 + ".csv")
    write_bytes_atomic(goal, b"1")
    assert goal.read_bytes() == b"1"


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX")
def test_rights_follow_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    write_bytes_atomic(tmp_path / "ours", b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match=r"out.*(stands|folder)"):
        make_folder(tmp_path / "out")
    with pytest.raises(OutputError):
        write_bytes_atomic(tmp_path / "out" / "x.csv", b"")


def test_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(OutputError, match=r"x\.csv"):
        write_bytes_atomic(tmp_path / "x.csv", b"")


def test_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"), atomic_path(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
