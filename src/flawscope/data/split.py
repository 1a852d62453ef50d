"""Splits that do not leak: parts and folds, stratified, groups and near-copies kept together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups
from flawscope.data.split_file import PART_NAMES, Split, load_split, missing_names, write_split
from flawscope.data.strata import Unit, divide
from flawscope.data.units import find_ties, make_units
from flawscope.errors import DataError, UsageError

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
            f"Expected at least {need}, one a part or fold; take fewer parts, or another grouping: --group, "
            'or the key group in dataset.toml, e.g. group = "none" where no images belong together.'
        )


def _names(units: Iterable[Unit], order: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted((name for unit in units for name in unit.names), key=order.__getitem__))
