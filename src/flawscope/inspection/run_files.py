"""What an output folder holds beside the files of its images: those of the whole run, and which shards ended.

Both are noted in ``OUT/.flawscope/``, so that a later run removes what it does not write itself and never a
file that somebody else put there.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from flawscope.images.atomic import remove_file, write_text_atomic
from flawscope.images.listing import STATE_FOLDER


class RunFiles:
    """Tables, report and ``run.json`` of one output folder."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._note = out / STATE_FOLDER / "run_files.json"

    def written(self) -> set[str]:
        """Names of the files that runs wrote there; empty where nothing is known."""
        try:
            names = json.loads(self._note.read_text(encoding="utf-8"))
            # The note may have travelled: a name can only be that of a file in the folder itself.
            return {name for name in names if name == Path(name).name}
        except (OSError, ValueError, TypeError):
            return set()

    def begin(self, names: Iterable[str]) -> None:
        """Note files before they are written, so that they are known whatever happens. Raises OutputError."""
        self._keep(self.written() | set(names))

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove all that runs wrote there but these. Raises OutputError."""
        kept = set(names)
        for name in sorted(self.written() - kept):
            remove_file(self._out / name)
        self._keep(kept)

    def _keep(self, names: set[str]) -> None:
        write_text_atomic(self._note, json.dumps(sorted(names)))


class EndedShards:
    """Which shards have all of their images in the journal."""

    def __init__(self, out: Path) -> None:
        self._folder = out / STATE_FOLDER

    def add(self, shard: tuple[int, int]) -> None:
        """Note that a shard, (I, N), has ended. Raises OutputError."""
        # A mark that differs each time: the same shard may run again.
        write_text_atomic(self._folder / f"shard-{shard[0]}-of-{shard[1]}", secrets.token_hex(8))

    def now(self) -> frozenset[tuple[str, str]]:
        """The marks so far; it changes whenever a shard ends."""
        found = set()
        for path in self._folder.glob("shard-*-of-*"):
            try:
                found.add((path.name, path.read_text(encoding="utf-8")))
            except OSError:  # being replaced: to be seen the next time
                found.add((path.name, ""))
        return frozenset(found)
