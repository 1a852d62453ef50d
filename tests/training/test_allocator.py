"""The request to keep freed memory never fails, whatever C library there is."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from flawscope.training import allocator


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is only on Linux")
def test_glibc_agrees() -> None:
    # In a process of its own: the setting cannot be taken back.
    code = "from flawscope.training.allocator import keep_freed_memory as k; print(k())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    try:
        ctypes.CDLL("libc.so.6")
    except OSError:
        assert done.stdout.strip() == "False"
    else:
        assert done.stdout.strip() == "True"


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert allocator.keep_freed_memory() is False
