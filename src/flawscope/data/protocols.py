"""The papers' splits by name: pure functions from names and labels to a split.

What stays together (``Labelled.together``) is never torn by any of them. Where a paper's counts are exact, so
are these, unless copies that must stay together do not come out even.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flawscope.data.dataset import Dataset
from flawscope.data.dealing import (
    CLEAN,
    SEVERAL,
    Labelled,
    apportion,
    checked_count,
    checked_share,
    class_ids,
    deal,
    draw,
    grouped_by,
    rounded_up,
    shuffled,
    too_few,
    whole_units,
)
from flawscope.data.groups import with_groups
from flawscope.data.split_file import Split
from flawscope.data.strata import Unit, divide
from flawscope.data.units import classes_and_shares, find_ties, roots_of
from flawscope.errors import DataError, UsageError


def coredeep(images: Sequence[Labelled], *, val: float = 0.2, seed: int = 0) -> Split:
    """CoreDeep: ``val`` of the training images of each source validate, the same for every experiment.

    The set's own part ``test`` stays; training images that show a photograph of it are left out. The rest of
    each source is rounded to whole images.

    Raises UsageError for a share outside (0, 1), DataError where nothing can be divided.
    """
    checked_share("val", val)
    test = [image for image in images if image.own_part == "test"]
    tested = {image.key for image in test}
    pool = [image for image in images if image.key not in tested]
    groups = len({image.key for image in pool})
    if groups < 2:
        raise DataError(
            f"coredeep: {len(pool)} training images make {groups} groups that must stay together.\n"
            "Expected at least 2, one to train and one to validate on."
        )
    by_source = grouped_by(pool, lambda image: image.source)
    strata = {source: shuffled(members, seed, source) for source, members in by_source.items()}
    sizes = {source: _part_of(len(members), val) for source, members in strata.items()}
    parts = deal(strata, {"val": sizes})
    return _split("coredeep", images, parts | ({"test": test} if test else {}), seed)


def _part_of(size: int, share: float) -> int:
    """A share of so many images, rounded; at least one of two."""
    return max(math.floor(share * size + 0.5), min(1, size - 1))


def capstone_classes(
    images: Sequence[Labelled], *, per_class: int = 180, test: float = 0.1, val: float = 0.2, seed: int = 0
) -> Split:
    """The capstone's second step: ``per_class`` images of each class that show it alone.

    ``test`` of them test, then ``val`` of the rest validate, shares rounded up: 518 / 130 / 72 of 4 x 180.
    Each part holds the classes alike. All other images are left out.

    Raises UsageError for wrong counts or shares, DataError where a class has too few images.
    """
    strata = _alone(images, per_class, seed, "capstone-classes")
    return _capstone("capstone-classes", images, strata, (test, val), seed)


def capstone_binary(
    images: Sequence[Labelled],
    *,
    per_class: int = 180,
    clean: int | None = None,
    test: float = 0.1,
    val: float = 0.2,
    seed: int = 0,
) -> Split:
    """The capstone's first step: the images of ``capstone_classes`` and as many clean ones.

    1036 / 260 / 144 of 720 + 720. With the same seed the defective images stand in the same parts as there
    (unless copies tie them to clean ones), so that the two steps together can be tested on one part.

    Raises as ``capstone_classes``, also where there are fewer than ``clean`` clean images.
    """
    strata = _alone(images, per_class, seed, "capstone-binary")
    wanted = sum(map(len, strata.values())) if clean is None else checked_count("clean", clean)
    have = [image for image in images if image.kind == CLEAN]
    strata[CLEAN] = draw(have, wanted, CLEAN, seed, "capstone-binary")
    return _capstone("capstone-binary", images, strata, (test, val), seed)


def thesis_test(
    images: Sequence[Labelled],
    *,
    per_class: int = 50,
    several: int = 50,
    folds: int = 5,
    clean: int | None = None,
    seed: int = 0,
) -> Split:
    """The thesis: ``per_class`` images of each class alone and ``several`` with several classes test.

    The rest is ``train``, in ``folds`` folds that hold the classes alike; of the clean images ``clean`` are
    kept (None = all; the thesis has none).

    Raises UsageError for wrong counts, DataError where there are too few images.
    """
    if folds == 1 or folds < 0:
        raise UsageError(f"--folds {folds}: folds validate each other.\nExpected 0 or at least 2.")
    lack = {f"class {number}": checked_count("per-class", per_class) for number in class_ids(images)}
    lack[SEVERAL] = checked_count("several", several, least=0)
    chosen = whole_units(images, lack, seed)
    for kind, missing in lack.items():
        have = sum(image.kind == kind for image in images)
        wanted = several if kind == SEVERAL else per_class
        if missing:
            raise too_few("thesis-test", kind, have, wanted)
    tested = {image.key for image in chosen}
    rest = [image for image in images if image.key not in tested]
    if clean is not None:
        spare = [image for image in rest if image.kind == CLEAN]
        kept = set(draw(spare, checked_count("clean", clean, least=0), CLEAN, seed, "thesis-test"))
        rest = [image for image in rest if image.kind != CLEAN or image in kept]
    units = [_unit(members) for members in grouped_by(rest, lambda image: image.key).values()]
    if len(units) < max(folds, 1):
        raise DataError(
            f"thesis-test: {len(rest)} images are left after the test part, in {len(units)} groups.\n"
            f"Expected at least {max(folds, 1)}, one a fold; lower --per-class, --several or --folds."
        )
    equal = {f"{number:04d}": 1 / folds for number in range(folds)}
    parts = divide(units, equal, seed).values() if folds else ()
    cut = [[name for unit in fold for name in unit.names] for fold in parts]
    return _split("thesis-test", images, {"train": rest, "test": chosen}, seed, cut)


Protocol = Callable[..., Split]

PROTOCOLS: dict[str, Protocol] = {
    "coredeep": coredeep,
    "capstone-classes": capstone_classes,
    "capstone-binary": capstone_binary,
    "thesis-test": thesis_test,
}
"""Name -> function ``(images, *, seed, counts and shares) -> Split``."""


def split_by_protocol(
    dataset: Dataset,
    protocol: str,
    *,
    group: str | None = None,
    ties: Mapping[str, str] | None = None,
    **options: float | None,
) -> Split:
    """Divide a data set as a paper did.

    Args:
        dataset: what to divide.
        protocol: a name of ``PROTOCOLS``.
        group: grouping rule (``folder``, ``prefix``, ``regex:...``); None = the samples' own groups.
        ties: name -> name it is tied to; None = read the images and look for near-copies.
        options: ``seed`` and what the protocol takes (``per_class``, ``val``, ...); None = its default.

    Raises:
        UsageError: no such protocol, or an option that it does not take.
        DataError: too few images.
    """
    function = protocol_named(protocol)
    given = {name: value for name, value in options.items() if value is not None}
    check_protocol(protocol, given)
    grouped = with_groups(dataset, group) if group else dataset
    tied = find_ties(grouped) if ties is None else ties
    made = function(labelled(grouped, tied), **given)
    return made.model_copy(update={"group_by": group or ("near-copies" if tied else None)})


def check_protocol(protocol: str, options: Mapping[str, Any]) -> None:
    """Refuse an unknown protocol, options that it does not take, values out of range. UsageError."""
    takes = [name for name in inspect.signature(protocol_named(protocol)).parameters if name != "images"]
    for name, value in options.items():
        option = name.replace("_", "-")
        if name not in takes:
            known = ", ".join("--" + one.replace("_", "-") for one in takes)
            raise UsageError(
                f"--{option}: the protocol {protocol} has no such option.\n"
                f"It takes {known}; the rest is fixed."
            )
        if name in _LEAST:
            checked_count(option, value, _LEAST[name])
        elif name in _SHARES:
            checked_share(option, value)


_LEAST, _SHARES = {"per_class": 1, "several": 0, "clean": 0}, ("test", "val")


def protocol_named(name: str) -> Protocol:
    """The function of a protocol. Raises UsageError for an unknown name."""
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"There is no protocol '{name}'.{hint}\nExpected one of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def labelled(dataset: Dataset, ties: Mapping[str, str]) -> list[Labelled]:
    """What protocols need to know of a data set's images. Reads each mask once."""
    samples = dataset.samples
    own = dataset.default_split.parts if dataset.default_split else {}
    part_of = {name: part for part, names in own.items() for name in names}
    roots = roots_of(samples, ties)
    shared = {root for root, count in Counter(roots).items() if count > 1}
    return [
        Labelled(
            sample.name,
            tuple(dict.fromkeys(classes)),
            sample.source,
            samples[root].name if root in shared else "",
            part_of.get(sample.name, ""),
        )
        for sample, root, (classes, _) in zip(samples, roots, classes_and_shares(samples), strict=True)
    ]


def _alone(images: Sequence[Labelled], per_class: int, seed: int, protocol: str) -> dict[str, list[Labelled]]:
    """``per_class`` images of each class that show it alone."""
    ids = class_ids(images)
    if not ids:
        raise DataError(
            f"{protocol}: not one of {len(images)} images shows a class.\nExpected labelled images."
        )
    strata = grouped_by(images, lambda image: image.kind)
    kinds = [f"class {number}" for number in ids]
    wanted = checked_count("per-class", per_class)
    return {kind: draw(strata.get(kind, []), wanted, kind, seed, protocol) for kind in kinds}


def _capstone(
    protocol: str,
    images: Sequence[Labelled],
    strata: Mapping[str, list[Labelled]],
    shares: tuple[float, float],
    seed: int,
) -> Split:
    test, val = checked_share("test", shares[0]), checked_share("val", shares[1])
    left = {kind: len(members) for kind, members in strata.items()}
    sizes = {}
    for part, share in (("test", test), ("val", val)):
        sizes[part] = _sizes(share, left)
        left = {kind: size - sizes[part][kind] for kind, size in left.items()}
    return _split(protocol, images, deal(strata, sizes), seed)


def _sizes(share: float, left: Mapping[str, int]) -> dict[str, int]:
    """Images of each kind for a part. The defective ones as if there were no clean ones, so that both of the
    capstone's steps deal them alike."""
    defective = {kind: size for kind, size in left.items() if kind != CLEAN}
    sizes = apportion(rounded_up(share * sum(defective.values())), defective)
    if CLEAN in left:
        wanted = rounded_up(share * sum(left.values())) - sum(sizes.values())
        sizes[CLEAN] = min(max(wanted, 0), left[CLEAN])
    return sizes


def _split(
    protocol: str,
    images: Sequence[Labelled],
    parts: Mapping[str, Iterable[Labelled]],
    seed: int,
    folds: Sequence[Iterable[str]] = (),
) -> Split:
    order = {image.name: number for number, image in enumerate(images)}

    def sort(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(names, key=order.__getitem__))

    named = {
        part: sort(image.name for image in parts[part]) for part in ("train", "val", "test") if part in parts
    }
    return Split(parts=named, folds=tuple(map(sort, folds)), stratify_by=f"protocol {protocol}", seed=seed)


def _unit(members: Sequence[Labelled]) -> Unit:
    labels = Counter(
        label for image in members for label in ([f"class {number}" for number in image.classes] or [CLEAN])
    )
    return Unit(tuple(image.name for image in members), labels)
