"""Files that appear whole or not at all.

A file is written beside its goal under a temporary name and moved over it in one step, so a reader
(or a killed process) never meets half a file. Every OSError becomes an OutputError that names the
path and the way out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from flawscope.errors import OutputError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another output folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another output folder"),
    errno.EACCES: ("no right to write there", "choose a folder you may write to"),
    errno.EPERM: ("no right to write there", "choose a folder you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder you may write to"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "choose another output folder"),
    errno.EEXIST: ("a file stands where a folder is needed", "choose another output folder"),
    errno.EISDIR: ("a folder stands where the file should go", "remove it or choose another output"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "shorten the name"),
}


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn an OSError met while writing ``path`` into an OutputError with the way out."""
    reason, advice = _REASONS.get(error.errno or 0, (error.strerror or str(error), "check the output folder"))
    return OutputError(f"{path}: cannot be written, {reason}.\nExpected a writable place: {advice}.")


def make_folder(path: str | Path) -> Path:
    """Create a folder and its parents; return it.

    Raises:
        OutputError: a file is in the way, or there is no right to create it.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``; on success it replaces ``path``.

    The temporary name keeps the suffix, so writers that choose a format by suffix work. Parent
    folders are created. When the block raises, the temporary file is removed and ``path`` stays as it was.

    Raises:
        OutputError: for every OSError inside the block or while replacing.
    """
    goal = Path(path)
    make_folder(goal.parent)
    # A name of its own: the goal's may already be as long as the file system allows.
    temporary = goal.parent / f".tmp-{secrets.token_hex(8)}{goal.suffix[:16]}"
    try:
        # 0o666 less the umask: the rights that any new file has (tempfile would make private ones).
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _finish(temporary, goal)
    except OSError as error:
        raise output_error(goal, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _finish(temporary: Path, goal: Path) -> None:
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(goal)


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all. Raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, whole or not at all. Raises OutputError.

    Bytes of a file name that are no UTF-8 (lone surrogates in Python) are written as ``\\udcXX``: names stay
    apart, and JSON reads them back.
    """
    write_bytes_atomic(path, text.encode("utf-8", "backslashreplace"))


def remove_file(path: str | Path) -> None:
    """Remove a file, if there is one. Raises OutputError."""
    goal = Path(path)
    try:
        goal.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(goal, error) from error


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it becomes ``path``, which must be new or empty.

    When the block raises, or the process is killed, nothing stands under ``path``.

    Raises:
        OutputError: ``path`` holds something already, or cannot be written.
    """
    goal = Path(path)
    try:
        occupied = goal.exists() and (not goal.is_dir() or any(goal.iterdir()))
    except OSError as error:
        raise output_error(goal, error) from error
    if occupied:
        raise OutputError(
            f"{goal}: exists already.\nExpected a new or empty folder: remove it or choose another."
        )
    make_folder(goal.parent)
    temporary = make_folder(goal.parent / f".tmp-{secrets.token_hex(8)}")
    try:
        yield temporary
        if goal.is_dir():
            goal.rmdir()
        temporary.replace(goal)
    except OSError as error:
        raise output_error(goal, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
