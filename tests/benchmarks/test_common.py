"""Result files of benchmarks, and what they say of the machine."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path

import pytest

from common import (
    add_folder,
    data_folder,
    finite,
    go_on_with,
    machine,
    make_parser,
    write_result,
    write_table,
)


def test_result_file_has_figures_and_machine_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    write_result(path, {"a": 1.23456789, "b": math.nan, "c": {"d": (1, "x", None, True)}})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["figures"] == {"a": 1.234568, "b": None, "c": {"d": [1, "x", None, True]}}
    assert set(content) == {"figures", "machine"}
    assert [item.name for item in path.parent.iterdir()] == ["result.json"]
    write_result(None, {"a": 1})


def test_machine_names_neither_host_nor_paths() -> None:
    facts = machine()
    assert {"cpu", "cores", "ram_gb", "python", "torch", "os"} <= set(facts)
    text = json.dumps(facts)
    assert facts["cores"] >= 1 and str(Path.home()) not in text
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4


def test_finite_takes_numpy_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert finite({"x": numpy.float32(0.5), "y": numpy.inf, "z": []}) == {"x": 0.5, "y": None, "z": []}


def test_data_comes_from_the_option_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSCOPE_DATA", str(tmp_path))
    assert make_parser("One line.\n\nMore.").parse_args([]).data == tmp_path
    assert make_parser(None).parse_args(["--data", "x"]).data == Path("x")
    monkeypatch.delenv("FLAWSCOPE_DATA")
    assert make_parser("x").parse_args([]).data is None


def test_a_folder_of_strips_takes_the_place_of_the_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = make_parser("x", data=False)
    add_folder(parser)
    assert vars(parser.parse_args([])) == {"json": None, "folder": None}
    assert parser.parse_args(["--folder", str(tmp_path)]).folder == tmp_path.resolve()
    for words, said in ((["--data", "x"], "--data"), (["--folder", str(tmp_path / "no")], "is no folder")):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(words)
        assert stop.value.code == 2 and said in capsys.readouterr().err


def test_a_table_is_written_in_both_forms(tmp_path: Path) -> None:
    rows = [{"run": "a", "f1": 0.123456789}, {"run": "b", "f1": None, "unused": 1}, {"run": "c", "n": 3}]
    write_table(tmp_path / "new" / "table", ["run", "f1", "n"], rows)
    text = (tmp_path / "new" / "table.csv").read_text(encoding="utf-8")
    assert text == "run,f1,n\na,0.123457,\nb,,\nc,,3\n"
    lines = (tmp_path / "new" / "table.md").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["| run | f1 | n |", "| --- | --- | --- |", "| a | 0.123 |  |"] and len(lines) == 5


def test_missing_data_ends_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for data in (None, tmp_path):
        with pytest.raises(SystemExit) as stop:
            data_folder(data, "cfd")
        assert stop.value.code == 2
    assert "no folder 'cfd'" in capsys.readouterr().err
    (tmp_path / "cfd").mkdir()
    assert data_folder(tmp_path, "cfd") == tmp_path


def test_a_folder_goes_on_with_the_settings_it_began_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go_on_with(tmp_path, {"size": (96, 192), "epochs": 30})
    go_on_with(tmp_path, {"size": (96, 192), "epochs": 30})
    with pytest.raises(SystemExit) as ended:
        go_on_with(tmp_path, {"size": (128, 256), "epochs": 30})
    assert ended.value.code == 2
    assert "size = [96, 192], not [128, 256]" in capsys.readouterr().err
