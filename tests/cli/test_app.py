"""The frame around the verbs: help, errors, exit codes, time to answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import ModuleType

import pytest

import flawscope
from flawscope.cli import app
from flawscope.errors import ConfigError, DataError

COMMAND = [sys.executable, "-m", "flawscope"]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A verb ``probe`` whose work a test may choose."""
    module = ModuleType("flawscope.cli.probe")

    def probe(number: int = 0) -> None:
        """Do what the test wants."""
        module.work(number)

    module.probe = probe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flawscope.cli.probe", module)
    monkeypatch.setitem(app.VERBS, "probe", "Do what the test wants.")
    return module


def raising(error: BaseException) -> object:
    def work(_number: int) -> None:
        raise error

    return work


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        assert app.main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(name in shown for name in app.VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--version"]) == 0
    assert capsys.readouterr().out == f"flawscope {flawscope.__version__}\n"


@pytest.mark.parametrize("name", app.VERBS)
def test_every_verb_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([name, "--help"]) == 0
    assert f"Usage: flawscope {name}" in capsys.readouterr().out


def test_a_misspelt_verb_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["inspct"]) == 2
    assert "Did you mean inspect?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("found this, expected that."), 2, "found this"),
        (DataError("no images."), 3, "no images"),
        (OSError(28, "No space left on device", "out/x.png"), 3, "No space left on device: out/x.png"),
        (MemoryError(), 3, "memory ran out"),
        (KeyError("size"), 3, "unexpected KeyError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_a_line_and_a_code(
    verb: ModuleType, error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.work = raising(error)  # type: ignore[attr-defined]
    assert app.main(["probe"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert len(shown.err.splitlines()) <= 2


def test_verbose_shows_the_traceback_from_anywhere(
    verb: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.work = raising(DataError("no images."))  # type: ignore[attr-defined]
    for arguments in (["--verbose", "probe"], ["probe", "--verbose", "--number", "1"]):
        assert app.main(arguments) == 3
        assert "Traceback" in capsys.readouterr().err


def test_wrong_options_exit_2(verb: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    verb.work = lambda number: None  # type: ignore[attr-defined]
    for arguments in (["probe", "--numbr", "1"], ["probe", "--number", "many"], ["probe", "extra"]):
        assert app.main(arguments) == 2
        assert "See: flawscope probe --help" in capsys.readouterr().err


def test_a_verb_may_choose_its_exit_code(verb: ModuleType) -> None:
    import typer

    verb.work = raising(typer.Exit(1))  # type: ignore[attr-defined]
    assert app.main(["probe"]) == 1
    verb.work = lambda number: None  # type: ignore[attr-defined]
    assert app.main(["probe"]) == 0


def test_a_reader_who_leaves_is_no_error() -> None:
    code = "import sys; from flawscope.cli.app import main; sys.exit(main(['recipes']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("arguments", "limit_s"), [(["--help"], 0.15), (["inspect", "--help"], 0.3)])
def test_help_answers_at_once(arguments: list[str], limit_s: float) -> None:
    """Processor time of the best of five: what other programs take does not count."""
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
        after = os.times()
        times.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
        time.sleep(0.01)
    assert min(times) < limit_s
