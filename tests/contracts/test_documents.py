"""What the documents show exists and can be run."""

from __future__ import annotations

import re
import shlex

import pytest

from flawscope.cli.app import VERBS, main
from flawscope.data.convert import TARGETS
from flawscope.data.open import LAYOUTS
from flawscope.reporting.tables import FINDINGS_COLUMNS, IMAGES_COLUMNS

from .source import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def commands() -> list[str]:
    """Every ``flawscope ...`` line in a code block or in backticks of the README and the docs."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found |= set(re.findall(r"^(?:\$ )?(flawscope [a-z]+ .*?)\s*(?:#.*)?$", text, flags=re.MULTILINE))
        found |= set(re.findall(r"`(flawscope [a-z]+ [^`]+)`", text))
    return sorted(one for one in found if one.split()[1] in VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: object) -> None:
    from pathlib import Path

    assert isinstance(page, Path)
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


@pytest.mark.parametrize("command", commands())
def test_every_command_shown_has_its_verb_and_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command.replace("...", " "), comments=True)
    assert main([words[1], "--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)) | {"--verbose", "--help"}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known


@pytest.mark.parametrize(
    ("head", "columns"), [("findings.csv", FINDINGS_COLUMNS), ("images.csv", IMAGES_COLUMNS)]
)
def test_the_page_of_folders_explains_every_column(head: str, columns: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "folders.md").read_text(encoding="utf-8")
    table = page.partition(f"Columns of `{head}`")[2].partition("| column |")[2].partition("\n\n")[0]
    cells = " ".join(line.split("|")[1] for line in table.splitlines()[1:])
    assert set(re.findall(r"`(\w+)`", cells)) == set(columns)


def test_the_page_of_layouts_lists_all_that_are_read_and_written() -> None:
    page = (ROOT / "docs" / "layouts.md").read_text(encoding="utf-8")
    read, _, written = page.partition("## From one layout to another")
    names = r"^\| `([a-z-]+)` \|"
    assert set(re.findall(names, read, flags=re.MULTILINE)) == LAYOUTS.keys()
    written = written.partition("## `dataset.toml`")[0]
    assert set(re.findall(names, written, flags=re.MULTILINE)) == TARGETS.keys()
