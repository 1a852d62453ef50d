"""Which class of the truth is which class of the model.

By name; one foreground class on each side matches itself; truth without names matches by index, and says
so; everything else needs ``--map TRUTH=MODEL``. A truth class may also be mapped to ``background`` or
``ignore``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.errors import ClassMappingError, ImageError, UsageError
from flawscope.types import IGNORE_INDEX, ClassInfo, Mask

BACKGROUND, IGNORE = "background", "ignore"


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """How truth is read to be compared with a model."""

    classes: tuple[ClassInfo, ...]
    """The model's classes that are counted, in its order."""
    planes: tuple[int, ...]
    """Their positions among the model's classes."""
    truth_ids: tuple[tuple[int, ...], ...]
    """For each, the ids in the truth that mean it."""
    order: tuple[int, ...]
    """Truth ids in the order of the channels of an H x W x C mask."""
    ignored_ids: tuple[int, ...] = ()
    silent: tuple[str, ...] = ()
    """Names of the model's classes that the truth never gives."""
    partners: tuple[str, ...] = ()
    """Who was taken for whom, where names did not say it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told where pixels are marked."""
        return (*self.partners, *self._of_silent("not counted"))

    @property
    def label_notes(self) -> tuple[str, ...]:
        """As ``notes``, of labels: an answer of the whole image that the truth never gives is still given."""
        return (*self.partners, *self._of_silent("wrong wherever named"))

    def _of_silent(self, what: str) -> tuple[str, ...]:
        return (f"not in the truth, so {what}: {', '.join(self.silent)}",) if self.silent else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the counted classes."""
        return tuple(info.name for info in self.classes)

    def truth(self, mask: Mask) -> tuple[npt.NDArray[np.uint8], ...]:
        """Return a plane H x W uint8 a counted class: 0 elsewhere, 1 the class, 255 ignore.

        ``mask`` is H x W class ids or H x W x C bool. Raises ImageError for another number of channels.
        """
        if mask.ndim == 3 and mask.shape[2] != len(self.order):
            raise ImageError(
                f"The mask has {mask.shape[2]} channels and the data set {len(self.order)} classes.\n"
                "Expected one channel a class."
            )
        ignored = _any_of(mask, self.ignored_ids, self.order)
        if mask.ndim == 2:
            ignored |= mask == IGNORE_INDEX
        out = []
        for ids in self.truth_ids:
            plane = _any_of(mask, ids, self.order).astype(np.uint8)
            plane[ignored] = IGNORE_INDEX
            out.append(plane)
        return tuple(out)


def match_classes(
    truth: Sequence[ClassInfo],
    model: Sequence[ClassInfo],
    mapping: Mapping[str, str] | None = None,
    *,
    truth_named: bool = True,
) -> ClassMatch:
    """Match the classes of a data set with those of a model.

    ``mapping`` is truth name -> model name, ``background`` or ``ignore``; names that it leaves out go by the
    rules. Raises ClassMappingError when a truth class finds no partner, UsageError for unknown names.
    """
    notes: list[str] = []
    target = _given(truth, model, mapping or {})
    left = [info for info in truth if info.id not in target]
    by_name = {info.name.casefold(): info.name for info in model}
    if left and all(info.name.casefold() in by_name for info in left):
        target |= {info.id: by_name[info.name.casefold()] for info in left}
    elif len(truth) == 1 and len(model) == 1 and left:
        target[truth[0].id] = model[0].name
        if truth_named:
            notes.append(f"'{truth[0].name}' of the data set is taken as '{model[0].name}' of the model")
    elif left and not truth_named and not mapping and {i.id for i in truth} <= {i.id for i in model}:
        by_id = {info.id: info.name for info in model}
        target |= {info.id: by_id[info.id] for info in truth}
        pairs = ", ".join(f"{info.id} = {by_id[info.id]}" for info in truth)
        notes.append(f"the data set does not name its classes; matched by index: {pairs}")
    elif left:
        raise _no_match(truth, model, left)
    return _match(truth, model, target, notes)


def parse_mapping(given: Sequence[str]) -> dict[str, str]:
    """Read ``TRUTH=MODEL`` texts. Raises UsageError."""
    pairs: dict[str, str] = {}
    for text in given:
        truth, equals, model = (part.strip() for part in text.partition("="))
        if not equals or not truth or not model:
            raise UsageError(f"--map {text!r} is not understood.\nExpected TRUTH=MODEL, e.g. fissure=crack.")
        if truth in pairs:
            raise UsageError(f"--map names '{truth}' twice.\nExpected each class of the truth once.")
        pairs[truth] = model
    return pairs


def _given(
    truth: Sequence[ClassInfo], model: Sequence[ClassInfo], mapping: Mapping[str, str]
) -> dict[int, str]:
    ids = {info.name: info.id for info in truth}
    targets = {info.name for info in model} | {BACKGROUND, IGNORE}
    for name, goal in mapping.items():
        if name not in ids:
            raise UsageError(
                f"--map names '{name}', which is no class of the data set.\n{_both(truth, model)}"
            )
        if goal not in targets:
            raise UsageError(f"--map names '{goal}', which is no class of the model.\n{_both(truth, model)}")
    return {ids[name]: goal for name, goal in mapping.items()}


def _match(
    truth: Sequence[ClassInfo], model: Sequence[ClassInfo], target: Mapping[int, str], notes: list[str]
) -> ClassMatch:
    ids = {info.name: tuple(i for i, goal in target.items() if goal == info.name) for info in model}
    counted = [k for k, info in enumerate(model) if ids[info.name]]
    if not counted:
        raise ClassMappingError(
            f"No class of the data set is mapped to a class of the model.\n{_both(truth, model)}"
        )
    return ClassMatch(
        classes=tuple(model[k] for k in counted),
        planes=tuple(counted),
        truth_ids=tuple(ids[model[k].name] for k in counted),
        order=tuple(info.id for info in truth),
        ignored_ids=tuple(i for i, goal in target.items() if goal == IGNORE),
        silent=tuple(info.name for info in model if not ids[info.name]),
        partners=tuple(notes),
    )


def _no_match(
    truth: Sequence[ClassInfo], model: Sequence[ClassInfo], left: Sequence[ClassInfo]
) -> ClassMappingError:
    lost = ", ".join(info.name for info in left)
    return ClassMappingError(
        f"No class of the model is known to mean: {lost}. {_both(truth, model)}\n"
        f"Say it with --map TRUTH=MODEL, e.g. --map '{left[0].name}={model[0].name}'."
    )


def _both(truth: Sequence[ClassInfo], model: Sequence[ClassInfo]) -> str:
    have = (", ".join(info.name for info in side) for side in (truth, model))
    return "The data set has: {}; the model has: {}.".format(*have)


def _any_of(mask: Mask, ids: Sequence[int], order: Sequence[int]) -> npt.NDArray[np.bool_]:
    out = np.zeros(mask.shape[:2], dtype=np.bool_)
    for class_id in ids:
        out |= mask == class_id if mask.ndim == 2 else mask[..., order.index(class_id)].astype(bool)
    return out
