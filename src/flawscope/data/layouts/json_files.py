"""JSON files of annotations: told by a look at both of their ends, and read whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flawscope.errors import LayoutError

_PEEK_BYTES = 1 << 16


def both_ends(path: Path) -> bytes:
    """The first and the last bytes of a file, for a cheap look at its keys; empty when it cannot be read.

    Keys may stand anywhere in a large file: run lengths of one photograph are longer than a look.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_PEEK_BYTES)
            stream.seek(max(len(head), path.stat().st_size - _PEEK_BYTES))
            return head + stream.read()
    except OSError:
        return b""


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises LayoutError when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise LayoutError(f"{path}: cannot be read as JSON ({error}).\nExport it again.") from error
