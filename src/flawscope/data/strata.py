"""Dividing units (samples, or groups of them) among parts so that every part looks like the whole.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011), carried over to units of several
samples: the rarest label goes first, and each of its units to the part that lacks most of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Unit:
    """Samples that stay together, and how many of them carry each label."""

    names: tuple[str, ...]
    labels: Mapping[str, int]


def divide(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, list[Unit]]:
    """Divide units among parts.

    Args:
        units: what to divide; never torn.
        shares: part -> share of the samples; the shares sum to 1.
        seed: breaks ties, the same seed gives the same division.

    Returns:
        Part -> its units; every unit stands in exactly one part.
    """
    order = np.random.default_rng(seed).permutation(len(units))
    left = dict.fromkeys(int(number) for number in order)
    total = sum(len(unit.names) for unit in units)
    labels: Counter[str] = Counter()
    for unit in units:
        labels.update(unit.labels)
    lack_all = {part: share * total for part, share in shares.items()}
    lack = {label: {part: share * count for part, share in shares.items()} for label, count in labels.items()}
    holders: dict[str, list[int]] = {label: [] for label in labels}
    for number in left:
        for label in units[number].labels:
            holders[label].append(number)
    parts: dict[str, list[Unit]] = {part: [] for part in shares}

    def put(number: int, part: str) -> None:
        unit = units[number]
        del left[number]
        parts[part].append(unit)
        lack_all[part] -= len(unit.names)
        for label, count in unit.labels.items():
            lack[label][part] -= count
            labels[label] -= count

    while labels and any(labels.values()):
        rarest = min(
            (label for label in labels if labels[label] > 0), key=lambda label: (labels[label], label)
        )
        here = [number for number in holders[rarest] if number in left]
        # Large units first: small ones can still even things out after them.
        for number in sorted(here, key=lambda number: -len(units[number].names)):
            need = lack[rarest]
            put(number, max(parts, key=lambda part: (round(need[part], 9), lack_all[part])))
    for number in sorted(left, key=lambda number: -len(units[number].names)):
        put(number, max(parts, key=lambda part: lack_all[part]))
    _fill_empty(parts)
    return parts


def _fill_empty(parts: dict[str, list[Unit]]) -> None:
    """Give a part that came out empty the smallest unit of the part with most units."""
    for units in parts.values():
        richest = max(parts, key=lambda other: len(parts[other]))
        if not units and len(parts[richest]) > 1:
            smallest = min(parts[richest], key=lambda unit: len(unit.names))
            parts[richest].remove(smallest)
            units.append(smallest)
