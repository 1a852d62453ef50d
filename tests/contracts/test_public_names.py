"""What is public is listed, documented and there."""

from __future__ import annotations

import re

import pytest

import flawscope
from flawscope.cli.app import VERBS

from .source import PACKAGE, ROOT

REFERENCE = ROOT / "docs" / "reference.md"


def test_the_reference_lists_exactly_the_public_names() -> None:
    documented = re.findall(r"^### `(\w+)", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(documented) == sorted(flawscope.__all__)


@pytest.mark.parametrize("name", flawscope.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    assert getattr(flawscope, name).__doc__


def test_public_names_show_in_dir_and_others_do_not_exist() -> None:
    assert set(flawscope.__all__) <= set(dir(flawscope))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = flawscope.no_such_name


def test_every_verb_has_its_file_and_every_file_its_verb() -> None:
    files = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {"__init__", "app"}
    helpers = {name for name in files if name.startswith("_")}
    assert files - helpers == VERBS.keys()


def test_every_version_is_the_same() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {flawscope.__version__}" in changelog
