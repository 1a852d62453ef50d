"""Fixtures shared by every room."""

from __future__ import annotations

import os
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
