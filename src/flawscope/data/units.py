"""What stands together in a split: samples of one group, and copies of one photograph; and what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from flawscope.data.copies import Fingerprint, exact_copies, fingerprint, near_copies, tie
from flawscope.data.dataset import Dataset
from flawscope.data.strata import Unit
from flawscope.errors import ImageError
from flawscope.types import IGNORE_INDEX, Sample

_THREADS = 4


def find_ties(
    dataset: Dataset,
    known: Mapping[str, Fingerprint] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, str]:
    """Copies and near-copies: name -> the first name that shows the same photograph, for those that have any.

    Reads every image once, but for those whose fingerprint is ``known``; images that cannot be read are left
    to the integrity check. ``progress`` is called with (done, all, name) after each image.
    """

    def look(sample: Sample) -> Fingerprint | None:
        if known is not None and sample.name in known:
            return known[sample.name]
        try:
            return fingerprint(sample.image())
        except ImageError:
            return None

    found: list[Fingerprint | None] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for sample, item in zip(dataset, pool.map(look, dataset.samples), strict=True):
            found.append(item)
            if progress is not None:
                progress(len(found), len(dataset), sample.name)
    readable = [(name, item) for name, item in zip(dataset.names, found, strict=True) if item is not None]
    prints = [item for _, item in readable]
    pairs = [*exact_copies(prints), *near_copies(prints)]
    roots = tie(len(prints), pairs)
    tied = {index for pair in pairs for index in pair}
    return {readable[number][0]: readable[roots[number]][0] for number in sorted(tied)}


def tied_groups(ties: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The names of each photograph that ``ties`` (name -> first name) knows several images of."""
    groups: dict[str, list[str]] = {}
    for name, first in ties.items():
        groups.setdefault(first, []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def ties_in_words(ties: Mapping[str, str]) -> str:
    """How many images are tied, for a line to the user; empty when none is."""
    groups = tied_groups(ties)
    if not groups:
        return ""
    images = sum(len(group) for group in groups)
    photographs = f"{len(groups)} photograph{'s' if len(groups) > 1 else ''}"
    return f"tied {images} images that show {photographs}; all of one photograph stand on one side"


def roots_of(samples: Sequence[Sample], ties: Mapping[str, str]) -> list[int]:
    """For each sample the first one that it must stay with: of its group, or tied, also through others."""
    place = {sample.name: number for number, sample in enumerate(samples)}
    first_of_group: dict[str, int] = {}
    first_of_tie: dict[str, int] = {}
    pairs = []
    for number, sample in enumerate(samples):
        # A sample without a group stands alone, even when another's group bears its name.
        if sample.group:
            pairs.append((first_of_group.setdefault(sample.group, number), number))
    for name, root in ties.items():
        if name not in place:
            continue
        if root in place:
            pairs.append((place[root], place[name]))
        # Two samples tied to a third that is not among them are tied to each other all the same.
        pairs.append((first_of_tie.setdefault(root, place[name]), place[name]))
    return tie(len(samples), pairs)


def make_units(
    dataset: Dataset, names: Sequence[str], strata: Sequence[str], ties: Mapping[str, str]
) -> list[Unit]:
    """Samples that must stay together (same group, or tied, directly or through others) with their labels."""
    samples = [dataset[name] for name in names]
    labels = _labels(dataset, samples, strata)
    members: dict[int, list[int]] = {}
    for number, root in enumerate(roots_of(samples, ties)):
        members.setdefault(root, []).append(number)
    units = []
    for numbers in members.values():
        count: dict[str, int] = {}
        for label in (label for number in numbers for label in labels[number]):
            count[label] = count.get(label, 0) + 1
        units.append(Unit(tuple(names[number] for number in numbers), count))
    return units


def _labels(dataset: Dataset, samples: Sequence[Sample], strata: Sequence[str]) -> list[list[str]]:
    labels: list[list[str]] = [[] for _ in samples]
    if "source" in strata and len(dataset.sources) > 1:
        for label, sample in zip(labels, samples, strict=True):
            label.append(f"source {sample.source}")
    if not {"class", "positive"} & set(strata):
        return labels
    found = classes_and_shares(samples)
    if "class" in strata:
        for label, (classes, _) in zip(labels, found, strict=True):
            label += [f"class {number}" for number in classes] or ["clean"]
    if "positive" in strata:
        marked = np.array([share for _, share in found if share > 0])
        edges = np.quantile(marked, (0.25, 0.5, 0.75)) if len(marked) else np.zeros(3)
        for label, (_, share) in zip(labels, found, strict=True):
            label.append(f"quarter {np.searchsorted(edges, share)}" if share > 0 else "quarter none")
    return labels


def classes_and_shares(samples: Sequence[Sample]) -> list[tuple[tuple[int, ...], float]]:
    """Of each sample the class ids present, in order, and the marked share of the image, 0..1.

    Reads each mask once. A mask that cannot be read counts as empty: the integrity check names it.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return [((), 0.0) if isinstance(item, ImageError) else item for item in pool.map(_look, samples)]


def classes_or_errors(samples: Sequence[Sample]) -> list[tuple[int, ...] | ImageError]:
    """Of each sample the class ids present, in order, or why its mask cannot be read. Reads each once."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return [item if isinstance(item, ImageError) else item[0] for item in pool.map(_look, samples)]


def _look(sample: Sample) -> tuple[tuple[int, ...], float] | ImageError:
    if sample.labels or sample.read_mask is None:
        return sample.labels, float(bool(sample.labels))
    try:
        mask = sample.read_mask()
    except ImageError as error:
        return error
    if mask.ndim == 3:
        present = np.flatnonzero(mask.any(axis=(0, 1))) + 1
        return tuple(int(number) for number in present), float(mask.any(axis=2).mean())
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[[0, IGNORE_INDEX]] = 0
    return tuple(int(number) for number in np.flatnonzero(counts)), float(counts.sum() / mask.size)
