"""Rare classes brought up by turned and flipped copies, common ones drawn down (thesis, 5.1.1).

For training parts only: call it after the split. A copy carries its original's group and reads its pixels
through the original, so it can neither leak nor cost memory before it is looked at.

The thesis counts images a class, those with several classes too, and brings each class to 1,291 of them. It
does not say which images with several classes it copied, how a picture is turned by 10 degrees within its
frame, nor what it does where four turns and flips are not enough. Here all images that show a rare class are
copied alike; beyond its border a turned picture goes on mirrored, with its mask; turns and flips are
combined, then repeated.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import DataError, UsageError
from flawscope.types import Mask, RgbImage, Sample

COPY = "#"
"""Stands between a photograph's name and how a copy of it was turned or flipped."""

TARGET = 1291
"""Images a class in the thesis."""

Classes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A picture flipped, then turned about its middle within its frame."""

    name: str
    left_right: bool = False
    top_bottom: bool = False
    angle_deg: int = 0
    """Counter-clockwise."""

    def image(self, pixels: RgbImage) -> RgbImage:
        """H x W x 3 uint8, of the same size; interpolated where it is turned."""
        flipped = self._flip(pixels)
        return _turn(flipped, self.angle_deg, Image.Resampling.BILINEAR) if self.angle_deg else flipped

    def mask(self, mask: Mask) -> Mask:
        """H x W uint8 or H x W x C bool, of the same size and values: each pixel takes its nearest."""
        flipped = self._flip(mask)
        if not self.angle_deg:
            return flipped
        if flipped.ndim == 2:
            return _turn(flipped.astype(np.uint8), self.angle_deg, Image.Resampling.NEAREST)
        planes = [
            _turn(plane.astype(np.uint8), self.angle_deg, Image.Resampling.NEAREST).astype(flipped.dtype)
            for plane in np.moveaxis(flipped, -1, 0)
        ]
        return np.stack(planes, axis=-1)

    def _flip(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        rows, columns = (
            slice(None, None, -1 if turned else 1) for turned in (self.top_bottom, self.left_right)
        )
        return np.ascontiguousarray(array[rows, columns])


def _turn(array: npt.NDArray[np.uint8], angle_deg: int, how: Image.Resampling) -> npt.NDArray[np.uint8]:
    """Turn within the frame; beyond its border the picture goes on mirrored."""
    height, width = array.shape[:2]
    cosine, sine = abs(math.cos(math.radians(angle_deg))), abs(math.sin(math.radians(angle_deg)))
    rows = max(0, math.ceil((width * sine + height * cosine - height) / 2)) + 1
    columns = max(0, math.ceil((width * cosine + height * sine - width) / 2)) + 1
    wide = np.pad(array, [(rows, rows), (columns, columns)] + [(0, 0)] * (array.ndim - 2), "symmetric")
    turned = np.asarray(Image.fromarray(wide).rotate(angle_deg, how))
    return np.ascontiguousarray(turned[rows : rows + height, columns : columns + width])


TRANSFORMS: dict[str, View] = {
    "rotate180": View("rotate180", left_right=True, top_bottom=True),
    "rotate10": View("rotate10", angle_deg=10),
    "flip-horizontal": View("flip-horizontal", left_right=True),
    "flip-vertical": View("flip-vertical", top_bottom=True),
}
"""Name -> what it does; ``flip-horizontal`` is left for right."""


def views(transforms: Sequence[str]) -> tuple[View, ...]:
    """All different views that the named transforms give, alone first, then combined.

    Raises UsageError for an unknown name or none at all.
    """
    for name in transforms:
        if name not in TRANSFORMS:
            raise UsageError(f"There is no transform '{name}'.\nExpected some of: {', '.join(TRANSFORMS)}.")
    found: dict[tuple[bool, bool, int], View] = {}
    for count in range(1, len(transforms) + 1):
        for chosen in combinations(transforms, count):
            parts = [TRANSFORMS[name] for name in chosen]
            left_right = sum(part.left_right for part in parts) % 2 == 1
            top_bottom = sum(part.top_bottom for part in parts) % 2 == 1
            angle_deg = sum(part.angle_deg for part in parts)
            view = View("+".join(chosen), left_right, top_bottom, angle_deg)
            if left_right or top_bottom or angle_deg:
                found.setdefault((left_right, top_bottom, angle_deg), view)
    if not found:
        raise UsageError(f"No transform is named.\nExpected some of: {', '.join(TRANSFORMS)}.")
    return tuple(found.values())


def plan_copies(
    classes: Sequence[Classes], target: int = TARGET, clean: int | None = None, seed: int = 0
) -> list[int]:
    """How often each image is shown: 0 = left out, 1 = as it is, more = with so many less one copies.

    Args:
        classes: the class ids that each image shows; none = clean.
        target: images that each class shall be in, those with several classes included.
        clean: how many clean images are kept, drawn at random; None = all.
        seed: the same seed gives the same plan.

    Returns:
        A number an image. Every class that any image shows is then in ``target`` images, unless too many
        of its images show a rarer class too.
    """
    rng = np.random.default_rng([seed, target])
    times = [1] * len(classes)
    bare = [number for number, shown in enumerate(classes) if not shown]
    if clean is not None and clean < len(bare):
        for number in rng.permutation(bare)[clean:]:
            times[int(number)] = 0
    count = Counter(class_id for shown in classes for class_id in shown)
    served: set[int] = set()
    for class_id in sorted(count, key=lambda one: (count[one], one)):
        if count[class_id] < target:
            _bring_up(class_id, classes, times, count, served, target, rng)
            served.add(class_id)
    _draw_down(classes, times, count, target, rng)
    return times


def _bring_up(
    class_id: int,
    classes: Sequence[Classes],
    times: list[int],
    count: Counter[int],
    served: set[int],
    target: int,
    rng: np.random.Generator,
) -> None:
    holders = [number for number, shown in enumerate(classes) if class_id in shown]
    # Images that show a class which has its number already would bring that one above it.
    free = [number for number in holders if not served & set(classes[number])] or holders
    order = rng.permutation(free)
    for turn in range(target - count[class_id]):
        number = int(order[turn % len(order)])
        times[number] += 1
        count.update(classes[number])


def _draw_down(
    classes: Sequence[Classes], times: list[int], count: Counter[int], target: int, rng: np.random.Generator
) -> None:
    """Take away, one showing at a time, what shows only classes above the target; copies before originals."""
    for least in (2, 1):
        removed = True
        while removed:
            removed = False
            for number in rng.permutation(len(classes)):
                shown = classes[int(number)]
                if shown and times[number] >= least and all(count[one] > target for one in shown):
                    times[number] -= 1
                    count.subtract(shown)
                    removed = True


def balanced(
    samples: Sequence[Sample],
    classes_of: Mapping[str, Classes],
    target: int = TARGET,
    clean: int | None = None,
    transforms: Sequence[str] = tuple(TRANSFORMS),
    seed: int = 0,
) -> tuple[Sample, ...]:
    """Training samples with each class in ``target`` images.

    Args:
        samples: the training part, and nothing else.
        classes_of: sample name -> class ids that count; none = clean.
        target: as for ``plan_copies``, likewise ``clean`` and ``seed``.
        transforms: names of ``TRANSFORMS`` that copies are made by.

    Returns:
        The samples that are kept, each followed by its copies. A copy is named ``NAME#VIEW`` and has its
        original's group; an original without a group gets its own name as one, so that no split can tear
        the two apart.

    Raises:
        UsageError: unknown transforms, or a target below 1.
        DataError: no sample shows any class.
    """
    kinds = views(transforms)
    shown = [classes_of.get(sample.name, ()) for sample in samples]
    _check(shown, target)
    found: list[Sample] = []
    for number, (sample, times) in enumerate(
        zip(samples, plan_copies(shown, target, clean, seed), strict=True)
    ):
        if not times:
            continue
        original = replace(sample, group=sample.group_key)
        found.append(original)
        # Neighbours begin with different views, so that each view is as frequent as any other.
        found += [_copy(original, kinds, number + turn, turn) for turn in range(times - 1)]
    return tuple(found)


def _copy(sample: Sample, kinds: Sequence[View], number: int, turn: int) -> Sample:
    view = kinds[number % len(kinds)]
    again = turn // len(kinds)
    name = f"{sample.name}{COPY}{view.name}" + (f".{again + 1}" if again else "")
    mask = None if sample.read_mask is None else Viewed(sample.read_mask, view.mask)
    return replace(sample, name=name, image=Viewed(sample.image, view.image), read_mask=mask)


@dataclass(frozen=True, slots=True)
class Viewed:
    """Reads pixels and changes them when called. A class, so that worker processes can have it."""

    read: Callable[[], npt.NDArray[Any]]
    change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

    def __call__(self) -> npt.NDArray[Any]:
        """The changed pixels. Raises what reading them raises."""
        return self.change(self.read())


def sampling_weights(
    samples: Sequence[Sample],
    classes_of: Mapping[str, Classes],
    target: int = TARGET,
    clean: int | None = None,
) -> tuple[float, ...]:
    """How often each sample should be drawn, 1 = as often as there are images, instead of copying it.

    A sample weighs ``target`` over the number of images of its class, the mean over its classes where it
    shows several; ``clean`` images weigh as if there were so many of them (None = 1 each).

    Raises as ``balanced``.
    """
    shown = [classes_of.get(sample.name, ()) for sample in samples]
    _check(shown, target)
    count = Counter(class_id for one in shown for class_id in one)
    bare = sum(not one for one in shown)
    of_clean = 1.0 if clean is None else min(1.0, clean / max(bare, 1))
    return tuple(
        sum(target / count[class_id] for class_id in one) / len(one) if one else of_clean for one in shown
    )


def _check(shown: Sequence[Classes], target: int) -> None:
    if target < 1:
        raise UsageError(f"The target is {target} images a class.\nExpected at least 1.")
    if not any(shown):
        raise DataError(
            f"Not one of {len(shown)} training images shows a class that shall be balanced.\n"
            "Expected at least one; see data.balance.classes."
        )
