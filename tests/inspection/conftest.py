"""What runs over folders are tried with."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.bundle import Bundle

from .runs import photographs
from .toy_networks import dark_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return dark_bundle(tmp_path / "bundle")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos")
