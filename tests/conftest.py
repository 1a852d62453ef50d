"""Fixtures shared by every room."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every CI run, so that a change is judged by what it changed.
settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real image sets; the test is skipped when it is absent."""
    root = os.environ.get("FLAWSCOPE_DATA", "")
    if not root or not Path(root).is_dir():
        pytest.skip("real image sets are absent (set FLAWSCOPE_DATA)")
    return Path(root)


def find_program(*names: str) -> str:
    """Path of the first of these programs that is installed.

    Without one the test is skipped; where FLAWSCOPE_REQUIRE_PROGRAMS is set, as in .ci/run, it fails.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    reason = f"the program {names[0]} is not installed"
    if os.environ.get("FLAWSCOPE_REQUIRE_PROGRAMS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for tests of pages."""
    return find_program("chromium", "chromium-browser", "google-chrome")
