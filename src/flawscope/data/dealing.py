"""Drawing images at random and dealing them to parts in exact numbers; what stays together stays whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flawscope.errors import DataError, UsageError

CLEAN, SEVERAL = "clean", "several"


@dataclass(frozen=True, slots=True)
class Labelled:
    """All that a protocol knows of an image."""

    name: str
    classes: tuple[int, ...] = ()
    """Class ids present; none = clean."""
    source: str = ""
    """The set it came from."""
    together: str = ""
    """Images of one value stay on one side; empty = stands alone."""
    own_part: str = ""
    """The part that its data set puts it in, if it has parts of its own."""

    @property
    def key(self) -> str:
        """What it must stay with: ``together``, or itself."""
        # A name that another image uses as its group must not join the two.
        return f"group {self.together}" if self.together else f"image {self.name}"

    @property
    def kind(self) -> str:
        """``clean``, ``class 3`` (it alone), or ``several``."""
        if not self.classes:
            return CLEAN
        return f"class {self.classes[0]}" if len(self.classes) == 1 else SEVERAL


def draw(images: Sequence[Labelled], count: int, kind: str, seed: int, protocol: str) -> list[Labelled]:
    """``count`` images at random; several that must stay together only where there are not enough others.

    Raises DataError, which names ``protocol`` and ``kind``, for fewer than ``count`` images.
    """
    if len(images) < count:
        raise too_few(protocol, kind, len(images), count)
    seen: Counter[str] = Counter()
    ranked = []
    for image in shuffled(images, seed, kind):
        ranked.append((seen[image.key], image))
        seen[image.key] += 1
    return [image for _, image in sorted(ranked, key=lambda pair: pair[0])[:count]]


def deal(
    strata: Mapping[str, Sequence[Labelled]], sizes: Mapping[str, Mapping[str, int]]
) -> dict[str, list[Labelled]]:
    """Deal shuffled images to the parts of ``sizes`` (part -> stratum -> images) and the rest to ``train``.

    Images that stay together go first, to the part with most room for them; single ones make the sizes exact.
    """
    room = {part: dict(of) for part, of in sizes.items()}
    left = {kind: len(members) - sum(of[kind] for of in room.values()) for kind, members in strata.items()}
    room = {"train": left, **room}
    parts: dict[str, list[Labelled]] = {part: [] for part in room}
    kind_of = {image.name: kind for kind, members in strata.items() for image in members}
    units = grouped_by([image for members in strata.values() for image in members], lambda image: image.key)
    for members in sorted(units.values(), key=len, reverse=True):
        need = Counter(kind_of[image.name] for image in members)
        if len(members) > 1:
            part = max(room, key=lambda one: min(room[one][kind] - count for kind, count in need.items()))
        else:
            kind = kind_of[members[0].name]
            part = next((one for one in sizes if room[one][kind] > 0), "train")
        parts[part] += members
        for kind, count in need.items():
            room[part][kind] -= count
    return parts


def whole_units(images: Sequence[Labelled], lack: dict[str, int], seed: int) -> list[Labelled]:
    """Images that fill ``lack`` (kind -> number, counted down here) in whole units, single images first."""
    units = list(grouped_by(shuffled(images, seed, "test"), lambda image: image.key).values())
    chosen = []
    for members in sorted(units, key=len):
        need = Counter(image.kind for image in members)
        if all(lack.get(kind, 0) >= count for kind, count in need.items()):
            chosen += members
            for kind, count in need.items():
                lack[kind] -= count
    return chosen


def grouped_by(images: Iterable[Labelled], key: Callable[[Labelled], str]) -> dict[str, list[Labelled]]:
    """The images of each key, keys and images in the order in which they come."""
    groups: dict[str, list[Labelled]] = {}
    for image in images:
        groups.setdefault(key(image), []).append(image)
    return groups


def shuffled(images: Sequence[Labelled], seed: int, stream: str) -> list[Labelled]:
    """The images in an order of their own for each stream, so that no draw depends on another."""
    rng = np.random.default_rng([seed, *stream.encode()])
    return [images[int(number)] for number in rng.permutation(len(images))]


def class_ids(images: Iterable[Labelled]) -> list[int]:
    """The ids of all classes that occur, rising."""
    return sorted({number for image in images for number in image.classes})


def apportion(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Whole shares of ``total`` in proportion to ``sizes``, by largest remainder; of equals the first."""
    everything = sum(sizes.values())
    shares = {kind: total * size // everything for kind, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda kind: -(total * sizes[kind] % everything))
    for kind in by_remainder[: total - sum(shares.values())]:
        shares[kind] += 1
    return shares


def rounded_up(value: float) -> int:
    """The next whole number, with a grain of salt for floating point: 0.1 * 720 is 72."""
    return math.ceil(round(value, 6))


def checked_share(name: str, value: float) -> float:
    """The share, if it is one. Raises UsageError."""
    if not 0 < value < 1:
        raise UsageError(f"--{name} {value:g}: is no share.\nExpected a number between 0 and 1.")
    return value


def checked_count(name: str, value: int, least: int = 1) -> int:
    """The number of images, if it is at least ``least``. Raises UsageError."""
    if value < least:
        raise UsageError(f"--{name} {value}: is no number of images.\nExpected at least {least}.")
    return value


def too_few(protocol: str, kind: str, have: int, wanted: int) -> DataError:
    """The error that says how many images of a kind were found and how many are needed."""
    what = {CLEAN: "clean images", SEVERAL: "images with several classes"}.get(
        kind, f"images of {kind} alone"
    )
    option = {CLEAN: "clean", SEVERAL: "several"}.get(kind, "per-class")
    found = f"{have} were found" if have < wanted else f"of {have} too many must stay together"
    return DataError(
        f"{protocol}: needs {wanted} {what}; {found}.\nGive more images, or a smaller --{option}."
    )
