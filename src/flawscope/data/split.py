"""Splits that do not leak: parts and folds, stratified, groups and near-copies kept together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from flawscope.data.copies import Fingerprint, exact_copies, fingerprint, near_copies, tie
from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups
from flawscope.data.split_file import PART_NAMES, Split, load_split, missing_names, write_split
from flawscope.data.strata import Unit, divide
from flawscope.errors import DataError, ImageError, UsageError
from flawscope.types import IGNORE_INDEX, Sample

__all__ = [
    "PART_NAMES",
    "STRATA",
    "Split",
    "carve_validation",
    "find_ties",
    "load_split",
    "missing_names",
    "split",
    "write_split",
]

STRATA = ("source", "class", "positive")
"""``source``: the set a sample came from; ``class``: each class present (also several at once);
``positive``: clean, or the quarter its marked share falls into."""

_THREADS = 4


def split(
    dataset: Dataset,
    test: float = 0.2,
    val: float = 0.2,
    calibration: float = 0.0,
    folds: int = 0,
    stratify: str | Sequence[str] | None = "source,class",
    group: str | None = None,
    seed: int = 0,
    ties: Mapping[str, str] | None = None,
) -> Split:
    """Divide a data set.

    Args:
        dataset: what to divide.
        test: share of all samples, in [0, 1); likewise ``val`` and ``calibration``. The rest is ``train``.
        val: as ``test``; not used when there are folds, which take its place.
        calibration: as ``test``.
        folds: K validation folds over everything outside ``test`` and ``calibration``; 0 = none.
        stratify: names of ``STRATA``, joined by commas; None or ``"none"`` = do not.
        group: grouping rule (``folder``, ``prefix``, ``regex:...``); None = the samples' own groups.
        seed: the same seed, data and options give the same split.
        ties: name -> name it is tied to (``IntegrityReport.ties``); None = read the images and look for
            near-copies, ``{}`` = tie nothing.

    Returns:
        The split. No group and no set of near-copies stands on both sides of it.

    Raises:
        UsageError: shares or names that make no sense.
        DataError: fewer groups than parts or folds.
    """
    wanted = _strata(stratify)
    shares = _shares(test, 0.0 if folds else val, calibration)
    if folds == 1 or folds < 0:
        raise UsageError(f"--folds {folds}: folds validate each other.\nExpected 0 or at least 2.")
    grouped = with_groups(dataset, group) if group else dataset
    tied = find_ties(grouped) if ties is None else ties
    units = make_units(grouped, grouped.names, wanted, tied)
    _enough(len(units), max(len(shares), folds + len(shares) - 1), dataset)
    parts = divide(units, shares, seed)
    order = {name: number for number, name in enumerate(dataset.names)}
    fold_names: tuple[tuple[str, ...], ...] = ()
    if folds:
        _enough(len(parts["train"]), folds, dataset)
        equal = {f"{number:04d}": 1 / folds for number in range(folds)}
        fold_names = tuple(_names(fold, order) for fold in divide(parts["train"], equal, seed).values())
    return Split(
        parts={part: _names(parts[part], order) for part in PART_NAMES if part in parts},
        folds=fold_names,
        group_by=group or ("near-copies" if tied else None),
        stratify_by=",".join(wanted) or None,
        seed=seed,
    )


def carve_validation(
    dataset: Dataset,
    names: Sequence[str],
    share: float = 0.2,
    seed: int = 0,
    ties: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take a validation part out of training names, by group, each source alike.

    Args:
        dataset: the set that the names are of.
        names: the training names.
        share: share of them for validation, in (0, 1).
        seed: the same seed gives the same parts.
        ties: as for ``split``.

    Returns:
        The names left for training and those for validation, disjoint, in the order of the data set.

    Raises:
        UsageError: a share outside (0, 1).
        DataError: fewer than two groups.
    """
    if not 0 < share < 1:
        raise UsageError(f"The validation share is {share:g}.\nExpected a number between 0 and 1.")
    chosen = dataset.subset(names)
    tied = find_ties(chosen) if ties is None else ties
    units = make_units(chosen, chosen.names, ("source", "class"), tied)
    _enough(len(units), 2, dataset)
    parts = divide(units, {"train": 1 - share, "val": share}, seed)
    order = {name: number for number, name in enumerate(dataset.names)}
    return _names(parts["train"], order), _names(parts["val"], order)


def find_ties(dataset: Dataset) -> dict[str, str]:
    """Copies and near-copies: name -> the first name that shows the same photograph, for those that have any.

    Reads every image once; images that cannot be read are left to the integrity check.
    """

    def look(sample: Sample) -> Fingerprint | None:
        try:
            return fingerprint(sample.image())
        except ImageError:
            return None

    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(look, dataset.samples))
    readable = [(name, item) for name, item in zip(dataset.names, found, strict=True) if item is not None]
    prints = [item for _, item in readable]
    pairs = [*exact_copies(prints), *near_copies(prints)]
    roots = tie(len(prints), pairs)
    tied = {index for pair in pairs for index in pair}
    return {readable[number][0]: readable[roots[number]][0] for number in sorted(tied)}


def make_units(
    dataset: Dataset, names: Sequence[str], strata: Sequence[str], ties: Mapping[str, str]
) -> list[Unit]:
    """Samples that must stay together (same group, or tied, directly or through others) with their labels."""
    samples = [dataset[name] for name in names]
    place = {name: number for number, name in enumerate(names)}
    first_of_group: dict[str, int] = {}
    pairs = []
    for number, sample in enumerate(samples):
        # A sample without a group stands alone, even when another's group bears its name.
        if sample.group:
            pairs.append((first_of_group.setdefault(sample.group, number), number))
    pairs += [(place[one], place[two]) for one, two in ties.items() if one in place and two in place]
    pairs += _shared_roots(ties, place)
    roots = tie(len(samples), pairs)
    labels = _labels(dataset, samples, strata)
    members: dict[int, list[int]] = {}
    for number, root in enumerate(roots):
        members.setdefault(root, []).append(number)
    units = []
    for numbers in members.values():
        count: dict[str, int] = {}
        for label in (label for number in numbers for label in labels[number]):
            count[label] = count.get(label, 0) + 1
        units.append(Unit(tuple(names[number] for number in numbers), count))
    return units


def _shared_roots(ties: Mapping[str, str], place: Mapping[str, int]) -> list[tuple[int, int]]:
    """Two samples tied to a third that is not among the names are tied to each other all the same."""
    first: dict[str, int] = {}
    return [
        (first.setdefault(root, place[name]), place[name]) for name, root in ties.items() if name in place
    ]


def _labels(dataset: Dataset, samples: Sequence[Sample], strata: Sequence[str]) -> list[list[str]]:
    labels: list[list[str]] = [[] for _ in samples]
    if "source" in strata and len(dataset.sources) > 1:
        for label, sample in zip(labels, samples, strict=True):
            label.append(f"source {sample.source}")
    if not {"class", "positive"} & set(strata):
        return labels
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_classes_and_share, samples))
    if "class" in strata:
        for label, (classes, _) in zip(labels, found, strict=True):
            label += [f"class {number}" for number in classes] or ["clean"]
    if "positive" in strata:
        marked = np.array([share for _, share in found if share > 0])
        edges = np.quantile(marked, (0.25, 0.5, 0.75)) if len(marked) else np.zeros(3)
        for label, (_, share) in zip(labels, found, strict=True):
            label.append(f"quarter {np.searchsorted(edges, share)}" if share > 0 else "quarter none")
    return labels


def _classes_and_share(sample: Sample) -> tuple[tuple[int, ...], float]:
    """Class ids present and the marked share of the image."""
    if sample.labels or sample.read_mask is None:
        return sample.labels, float(bool(sample.labels))
    try:
        mask = sample.read_mask()
    except ImageError:
        return (), 0.0
    if mask.ndim == 3:
        present = np.flatnonzero(mask.any(axis=(0, 1))) + 1
        return tuple(int(number) for number in present), float(mask.any(axis=2).mean())
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[[0, IGNORE_INDEX]] = 0
    return tuple(int(number) for number in np.flatnonzero(counts)), float(counts.sum() / mask.size)


def _strata(stratify: str | Sequence[str] | None) -> tuple[str, ...]:
    words = stratify.split(",") if isinstance(stratify, str) else list(stratify or ())
    wanted = tuple(word.strip() for word in words if word.strip() not in ("", "none"))
    for word in wanted:
        if word not in STRATA:
            raise UsageError(f"--stratify {word}: unknown.\nExpected {', '.join(STRATA)} or none.")
    return wanted


def _shares(test: float, val: float, calibration: float) -> dict[str, float]:
    given = {"val": val, "calibration": calibration, "test": test}
    for part, share in given.items():
        if not 0 <= share < 1:
            raise UsageError(
                f"--{part} {share:g}: is no share.\nExpected a number from 0 up to, not with, 1."
            )
    rest = 1 - sum(given.values())
    if rest <= 1e-9:
        raise UsageError(
            f"The shares sum to {1 - rest:g}, nothing is left to train on.\nExpected less than 1."
        )
    return {"train": rest} | {part: share for part, share in given.items() if share > 0}


def _enough(have: int, need: int, dataset: Dataset) -> None:
    if have < need:
        raise DataError(
            f"{dataset.root}: {len(dataset)} samples make {have} groups that must stay together.\n"
            f"Expected at least {need}, one a part or fold; take fewer parts or another --group."
        )


def _names(units: Iterable[Unit], order: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted((name for unit in units for name in unit.names), key=order.__getitem__))
