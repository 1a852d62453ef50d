"""How much memory an image needs, and how much this machine has to give."""

from __future__ import annotations

import os
from pathlib import Path

from flawscope.errors import MemoryLimitError

_SHARE = 0.8
"""Share of the free memory that one image may take; the rest is for the work on it."""
_SMALL_BYTES = 64e6


def available_bytes() -> int | None:
    """Free memory of this process in bytes (the container's limit included); None where it cannot be told."""
    found = [value for value in (_meminfo(), _cgroup()) if value is not None]
    if found:
        return min(found)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _cgroup() -> int | None:
    pairs = (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    )
    for limit_file, usage_file in pairs:
        try:
            limit = Path(limit_file).read_text(encoding="ascii").strip()
            if limit.isdigit():
                return max(0, int(limit) - int(Path(usage_file).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return None


def gigabytes(count: float) -> str:
    """``1.6 GB`` or ``35 MB``, decimal units."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def check_size(
    path: str | os.PathLike[str],
    size_hw: tuple[int, int],
    bytes_per_px: float,
    max_pixels: int | None = None,
) -> None:
    """Refuse an image before it is decoded.

    Args:
        path: for the message.
        size_hw: height and width in pixels, from the header.
        bytes_per_px: memory needed at the peak, per pixel.
        max_pixels: the user's limit (``--max-pixels``); None = only memory decides.

    Raises:
        MemoryLimitError: more pixels than ``max_pixels``, or more memory than the machine has free.
    """
    pixels = size_hw[0] * size_hw[1]
    need = pixels * bytes_per_px
    size = f"{size_hw[1]} x {size_hw[0]} px ({pixels / 1e6:.1f} megapixels)"
    what = f"{path}: {size} needs {gigabytes(need)} of memory"
    if max_pixels is not None and pixels > max_pixels:
        raise MemoryLimitError(
            f"{what}.\nExpected at most {max_pixels:,} pixels; raise --max-pixels or cut it into parts."
        )
    # Small images are let through unasked: the figure is a snapshot, and reading it costs time.
    free = available_bytes() if need > _SMALL_BYTES else None
    if free is not None and need > _SHARE * free:
        raise MemoryLimitError(
            f"{what}, but only {gigabytes(free)} are free.\n"
            "Cut the image into parts, or use a machine with more memory."
        )
