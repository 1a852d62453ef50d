"""What the documents show exists and can be run."""

from __future__ import annotations

import re
import shlex

import pytest

from flawscope.cli.app import VERBS, main

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
