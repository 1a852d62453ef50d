"""How the C library keeps memory between training steps."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameter numbers of mallopt(3)."""
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask glibc to reuse large freed blocks rather than to return them to the system; True if it agreed.

    A training step frees and asks for the same large buffers again. By default each comes fresh from the
    system and is paid for in page faults: 7 to 10 % of a step of a small network on two cores. The setting
    holds for the whole process and cannot be taken back, so that the command calls this and the library does
    not. Does nothing where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST))
