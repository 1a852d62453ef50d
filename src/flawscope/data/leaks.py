"""What crosses a split: copies of one photograph, or one group, on two of its sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flawscope.data.dataset import Dataset, Problem
from flawscope.data.split_file import Split
from flawscope.data.units import tied_groups


def leaks(dataset: Dataset, split: Split, ties: Mapping[str, str]) -> list[Problem]:
    """What of a data set stands on two sides of a split.

    Args:
        dataset: the set, with its groups; names of the split that it does not hold are passed over.
        split: parts, and folds, which are sides of their own.
        ties: name -> name of the first image of the same photograph (``find_ties``).

    Returns:
        At most one problem for copies, one for groups and one for folds; none where nothing leaks.
    """
    groups: dict[str, list[str]] = {}
    for sample in dataset:
        if sample.group:
            groups.setdefault(sample.group, []).append(sample.name)
    found = [*crossing(tied_groups(ties), split), *crossing(list(groups.values()), split, "groups")]
    return [*found, *_tested_in_folds(split)]


def _tested_in_folds(split: Split) -> list[Problem]:
    """A warning when folds hold images that another part keeps apart: folds train on each other's images.

    Some sets cut their folds from all images, as another way to divide them; their parts are not for folds.
    """
    folded = {name for fold in split.folds for name in fold}
    for part in ("test", "calibration"):
        shared = [name for name in split.parts.get(part, ()) if name in folded]
        if shared:
            text = f"{len(shared)} images of the part '{part}' stand in the folds too, e.g. {shared[0]}"
            return [Problem("leak", "", f"{text}; networks of the folds are not to be tested on them")]
    return []


def crossing(
    groups: Sequence[Sequence[str]], split: Split, what: str = "groups of copies or near-copies"
) -> list[Problem]:
    """A warning when names of one group stand in different parts or folds; nothing else is looked at."""
    part_of = {name: part for part, names in split.parts.items() for name in names}
    # The folds divide the training part once more.
    fold_of = {name: f"fold {number}" for number, fold in enumerate(split.folds) for name in fold}
    torn: dict[int, dict[str, str]] = {}
    for number, group in enumerate(groups):
        for side_of in (fold_of, part_of):
            sides = {name: side_of[name] for name in group if name in side_of}
            if len(set(sides.values())) > 1:
                torn[number] = sides
    if not torn:
        return []
    images = sum(len(sides) for sides in torn.values())
    shown = ", ".join(f"{name} ({side})" for name, side in next(iter(torn.values())).items())
    text = f"{len(torn)} {what} ({images} images) cross the parts of the split, e.g. {shown}"
    return [Problem("leak", "", f"{text}; figures on them are too good")]
