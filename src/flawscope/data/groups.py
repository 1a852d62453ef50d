"""What belongs together: rules that turn a sample's name into the group that a split must not tear apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import UsageError

GroupRule = Callable[[str], str]


def _folder(name: str) -> str:
    return name.rpartition("/")[0] or name


def _prefix(name: str) -> str:
    return re.sub(r"[_\-. ][^_\-. /]*$", "", name)


GROUP_RULES: dict[str, GroupRule] = {"folder": _folder, "prefix": _prefix, "none": lambda name: name}
"""``folder``: samples of one folder; ``prefix``: the name less its last field (``a_5_38`` is of ``a_5``)."""


def group_rule(spec: str) -> GroupRule:
    """The rule of a name, or of ``regex:PATTERN`` (the first bracket, or the whole match, is the group).

    Raises:
        UsageError: an unknown rule or a pattern that does not compile.
    """
    if spec in GROUP_RULES:
        return GROUP_RULES[spec]
    if not spec.startswith("regex:"):
        raise UsageError(
            f"There is no grouping '{spec}'.\nExpected {', '.join(GROUP_RULES)} or regex:PATTERN for --group."
        )
    try:
        pattern = re.compile(spec.removeprefix("regex:"))
    except re.error as error:
        raise UsageError(f"--group {spec}: the pattern does not compile ({error}).\nCorrect it.") from error

    def by_pattern(name: str) -> str:
        match = pattern.search(name)
        if match is None:
            return name
        return match.group(1 if pattern.groups else 0) or name

    return by_pattern


def rule_in_words(words: str | None) -> str:
    """The rule that a split's ``group_by`` names, if it names one: split files may say it in words."""
    text = (words or "").lower()
    if text in GROUP_RULES or text.startswith("regex:"):
        return words or ""
    if "last field" in text:
        return "prefix"
    if text in ("item", "part", "plate") or "folder" in text:
        return "folder"
    return ""


def with_groups(dataset: Dataset, spec: str) -> Dataset:
    """The data set with every sample's group set by a rule. Raises UsageError."""
    rule = group_rule(spec)
    return dataset.with_samples(replace(sample, group=rule(sample.name)) for sample in dataset)


def with_groups_of(dataset: Dataset, split: Split | None) -> Dataset:
    """The data set with the groups that a split was made by; as it is where it has its own, or none is named.

    Raises UsageError.
    """
    rule = rule_in_words(None if split is None else split.group_by)
    if not rule or any(sample.group for sample in dataset):
        return dataset
    return with_groups(dataset, rule)
