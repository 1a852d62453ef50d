"""Fixtures shared by every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real image sets; the test is skipped when it is absent."""
    root = os.environ.get("FLAWSCOPE_DATA", "")
    if not root or not Path(root).is_dir():
        pytest.skip("real image sets are absent (set FLAWSCOPE_DATA)")
    return Path(root)
