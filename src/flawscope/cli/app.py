"""The command ``flawscope``: a table of verbs, each loaded when it is called, and one way to report errors.

Help of the whole command comes from the table alone, so that it answers before anything heavy is imported.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flawscope import __version__
from flawscope.errors import FlawscopeError

VERBS: dict[str, str] = {
    "demo": "Inspect the bundled sample images with the bundled model.",
    "inspect": "Find and measure defects in photographs: masks, overlays, tables, a report.",
    "explore": "Check a data set, count what it holds, and show it on one page.",
    "synth": "Draw images with exact masks and widths.",
    "convert": "Write data sets in another layout, or several as one.",
    "split": "Divide a data set into parts or folds, written to a file.",
    "train": "Fit a network to labelled images; writes a run folder that holds a bundle.",
    "evaluate": "Compare a model with the truth, on every figure.",
    "table": "Put runs into a paper's table, beside the printed figures.",
    "threshold": "Choose a model's thresholds on labelled images.",
    "recipes": "List training recipes, or print one with its network and cost.",
    "bench": "Time each stage of an inspection on this machine and compare with limits.",
}
"""Each verb and its help. The function of the same name lies in ``flawscope/cli/VERB.py``."""

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code.

    0 done; 1 done, but some inputs failed; 2 wrong use or configuration; 3 nothing could be done, or a gate
    refused. Errors go to stderr in one or two lines; ``--verbose``, anywhere, adds the traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    verbose, given = _take_flag(given, "--verbose")
    if not given or given[0] in ("-h", "--help", "help"):
        return _print(_help())
    if given[0] == "--version":
        return _print(f"flawscope {__version__}")
    verb, rest = given[0], given[1:]
    if verb not in VERBS:
        return _fail(_unknown(verb), 2)
    try:
        return _run(verb, rest)
    except KeyboardInterrupt:
        return _fail("interrupted.", _INTERRUPTED, verbose)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, also not when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        return _report(verb, error, verbose)


def _run(verb: str, rest: list[str]) -> int:
    import typer

    function: Callable[..., Any] = getattr(importlib.import_module(f"flawscope.cli.{verb}"), verb)
    # Plain help and plain errors: the same look as the table's, and no import of rich behind --help.
    app = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False
    )
    app.command(name=verb)(function)
    command = typer.main.get_command(app)
    result = command.main(rest, prog_name=f"flawscope {verb}", standalone_mode=False)
    code = result if type(result) is int else 0
    # The library turns Ctrl-C into this code and says nothing.
    return _fail("interrupted.", code) if code == _INTERRUPTED else code


def _report(verb: str, error: Exception, verbose: bool) -> int:
    if isinstance(error, FlawscopeError):
        return _fail(str(error), error.exit_code, verbose)
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _fail(f"{error.format_message()}\nSee: flawscope {verb} --help", int(error.exit_code), verbose)
    if type(error).__name__ == "Abort":
        return _fail("interrupted.", _INTERRUPTED, verbose)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
        return _fail(f"{error.strerror}: {error.filename or 'the output folder'}.", 3, verbose)
    if isinstance(error, MemoryError):
        return _fail("memory ran out. Give fewer or smaller images at once, or a smaller batch.", 3, verbose)
    where = "" if verbose else " Run again with --verbose for the traceback."
    return _fail(
        f"unexpected {type(error).__name__}: {error}. This is a mistake in flawscope.{where}", 3, verbose
    )


def _take_flag(given: list[str], flag: str) -> tuple[bool, list[str]]:
    """Takes a flag out of the arguments, wherever it stands before a ``--``."""
    end = given.index("--") if "--" in given else len(given)
    kept = [one for one in given[:end] if one != flag]
    return len(kept) < end, kept + given[end:]


def _unknown(verb: str) -> str:
    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no verb {verb!r}.{hint}\nSee: flawscope --help"


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {text}" for name, text in VERBS.items())
    return (
        "Usage: flawscope VERB [OPTIONS]\n\n"
        "  Finds, measures and grades cracks and surface defects in photographs.\n\n"
        f"Verbs:\n{verbs}\n\n"
        "Options:\n"
        "  --help     Show this; flawscope VERB --help shows a verb's options.\n"
        "  --verbose  Show the traceback of an error.\n"
        "  --version  Show the version.\n\n"
        "Begin with: flawscope demo"
    )


def _print(text: str) -> int:
    sys.stdout.write(text + "\n")
    return 0


def _fail(message: str, code: int, verbose: bool = False) -> int:
    if verbose:
        import traceback

        traceback.print_exc()
    sys.stderr.write(f"flawscope: {message}\n")
    return code
