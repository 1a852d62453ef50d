"""What a benchmark of many runs keeps when it is cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kept
from common import write_result


def never() -> dict[str, float]:
    raise AssertionError("measured twice")


def test_a_row_is_made_once_and_all_are_told_in_the_order_of_their_end(tmp_path: Path) -> None:
    rows = kept.Rows(tmp_path, None)
    assert rows.take("b", lambda: {"value": 1 / 3, "low": float("nan")}) == {"value": 0.333333, "low": None}
    rows.take("a-b", lambda: {"value": 2})
    again = kept.Rows(tmp_path, None)
    assert again.take("b", never)["value"] == 0.333333 and again.take("a-b", never) == {"value": 2}
    assert [row["value"] for row in again.all()] == [0.333333, 2]


def test_a_result_file_loses_no_row_of_another_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "r.json"
    rows = kept.Rows(tmp_path / "one", result)
    rows.take("a", lambda: {"value": 1 / 3})
    write_result(result, {"runs": rows.all()})
    kept.Rows(tmp_path / "one", result)  # goes on
    before = result.read_text()
    for folder in ("two", "one/rows"):
        with pytest.raises(SystemExit):
            kept.Rows(tmp_path / folder, result)
    result.write_text(json.dumps({"figures": {"sets": {}}}))
    with pytest.raises(SystemExit):
        kept.Rows(tmp_path / "one", result)
    assert "name another --json" in capsys.readouterr().err and before != result.read_text()


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    def cut(out: Path) -> None:
        out.mkdir()
        (out / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.make_whole(tmp_path / "set", cut)
    assert not (tmp_path / "set").exists()
    made = kept.make_whole(tmp_path / "set", lambda out: (out / "images").mkdir(parents=True))
    assert [path.name for path in made.iterdir()] == ["images"]
    assert kept.make_whole(made, cut) == made and [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_run_that_was_cut_goes_on_and_one_that_is_done_rests(tmp_path: Path) -> None:
    out = tmp_path / "run"
    calls: list[list[str]] = []

    def run(command: object) -> None:
        calls.append([str(word) for word in command])  # type: ignore[attr-defined]
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
        for name in ("config.toml", "split.json"):
            (out / name).touch()

    assert kept.quiet_minute_before(out, lambda: 30.0) == 30.0
    assert kept.quiet_minute_before(out, lambda: 20.0) == 20.0  # nothing has begun: measured anew
    kept.train(["train"], out, run)
    kept.train(["train"], out, run)
    assert kept.quiet_minute_before(out, lambda: 99.0) == 20.0
    assert calls == [["train"], ["train", "--resume"]] and kept.times_cut(out) == 1
    for name in ("metrics.json", "checkpoints/last.json", "bundle/manifest.json"):
        assert not kept.is_done(out)
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).touch()
    kept.train(["train"], out, run)
    assert len(calls) == 2 and kept.times_cut(out) == 1 and kept.times_cut(tmp_path / "other") == 0
