"""What belongs together stays so: the rule by which a converted set's names fall into its sources' groups.

Layouts do not hold groups. A rule in ``dataset.toml`` gives them back where one fits the new names; where
none does, that is told, because a split of the new set could tear groups apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flawscope.data.convert.plan import Entry, Plan
from flawscope.data.groups import GROUP_RULES, group_rule


def has_groups(plan: Plan) -> bool:
    """True when two images of the set belong together."""
    keys = [_own(entry) for entry in plan.entries]
    return len(set(keys)) < len(keys)


def fitting_rule(plan: Plan, renamed: Mapping[str, str]) -> str:
    """The rule (``prefix``, ``regex:...``) that gives exactly the groups of the plan; empty where none does.

    Args:
        plan: what is converted; the rules of its own sets are tried first.
        renamed: name in the plan -> the name that the layout gives, where that is another.
    """
    names = [renamed.get(entry.name, entry.name) for entry in plan.entries]
    wanted = _numbered(_own(entry) for entry in plan.entries)
    for spec in (*plan.groupings, *GROUP_RULES):
        rule = group_rule(spec)
        if _numbered(map(rule, names)) == wanted:
            return spec
    return ""


def _own(entry: Entry) -> tuple[str, str, str]:
    """What an image must stay with: its group in its own set; without a group it stands alone."""
    group = entry.sample.group
    return entry.prefix, group, "" if group else entry.sample.name


def _numbered(keys: Iterable[object]) -> list[int]:
    """Keys as numbers in order of appearance: equal lists are equal groupings."""
    seen: dict[object, int] = {}
    return [seen.setdefault(key, len(seen)) for key in keys]
