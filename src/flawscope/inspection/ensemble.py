"""Bundles that answer together, and values that are given in place of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from flawscope.bundle import Bundle
from flawscope.errors import BundleError, UsageError
from flawscope.inspection.options import Scales

BundleLike = Bundle | str | os.PathLike[str]


def load_all(bundle: BundleLike | Sequence[BundleLike]) -> tuple[Bundle, ...]:
    """The bundle, or several of one task and with the same classes. Raises UsageError and BundleError."""
    single = isinstance(bundle, Bundle | str | os.PathLike)
    items: Sequence[BundleLike] = [bundle] if single else list(bundle)  # type: ignore[list-item, arg-type]
    if not items:
        raise UsageError("No model was given; expected at least one bundle.")
    loaded = tuple(item if isinstance(item, Bundle) else Bundle.load(item) for item in items)
    first = [(item.id, item.name) for item in loaded[0].classes]
    for other in loaded:
        if other.manifest.task != loaded[0].manifest.task:
            raise BundleError(
                f"{other.source} is a {other.manifest.task} bundle and {loaded[0].source} a "
                f"{loaded[0].manifest.task} one; an ensemble needs one task."
            )
        if [(item.id, item.name) for item in other.classes] != first:
            raise BundleError(
                f"The bundles {loaded[0].source} and {other.source} have different classes; "
                "an ensemble needs the same classes in the same order."
            )
    return loaded


def check_given(
    bundles: Sequence[Bundle],
    scales: Scales,
    thresholds: Mapping[str, float] | None,
    min_area_px: Mapping[str, int] | None,
) -> None:
    """Refuse what none of the bundles can heed, instead of passing over it in silence.

    Raises UsageError, and BundleError for classifiers that cannot answer together.
    """
    names = [item.name for item in bundles[0].classes]
    check_known(names, thresholds, "threshold")
    check_known(names, min_area_px, "minimum area")
    sized = all(bundle.manifest.input.mode == "resize" for bundle in bundles)
    if sized and scales not in ("native", "auto", (1.0,)):
        raise UsageError(
            f"A working scale is given, but {bundles[0].source} sizes every photograph to its own input.\n"
            "Leave --working-scale out."
        )
    if bundles[0].manifest.task == "classification":
        check_labels(bundles, thresholds, min_area_px)


def check_known(names: Sequence[str], values: Mapping[str, float] | None, what: str) -> None:
    """Refuse names that are no class of the model. Raises UsageError."""
    unknown = sorted(set(values or {}) - set(names))
    if unknown:
        raise UsageError(
            f"A {what} is given for {', '.join(map(repr, unknown))}.\n"
            f"The model's classes are: {', '.join(names)}."
        )


def check_labels(
    bundles: Sequence[Bundle], thresholds: Mapping[str, float] | None, min_area_px: Mapping[str, int] | None
) -> None:
    """Refuse what a classifier cannot heed."""
    heads = {bundle.manifest.input.activation for bundle in bundles}
    if len(heads) > 1:
        raise BundleError(
            "An ensemble of classifiers needs heads of one kind; found softmax and sigmoid.\n"
            "Leave some of the bundles out."
        )
    if len({bundle.manifest.two_step for bundle in bundles}) > 1:
        raise BundleError(
            "An ensemble of classifiers labels in one step or in two; found bundles of both.\n"
            "Leave some of the bundles out."
        )
    if thresholds and heads == {"softmax"}:
        raise UsageError(
            f"A threshold is given, but {bundles[0].source} has a softmax head: it names the most probable "
            "class, whatever its probability.\nLeave --threshold out; scores.csv holds the probabilities."
        )
    if any((min_area_px or {}).values()):
        raise UsageError(
            f"A minimum area is given, but {bundles[0].source} labels whole images.\nLeave --min-area out."
        )


def check_values(thresholds: Mapping[str, float], min_area_px: Mapping[str, int]) -> None:
    """Refuse thresholds outside 0..1 and areas below 0. Raises UsageError."""
    for name, value in thresholds.items():
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"The threshold of {name!r} is {value}; expected 0 to 1.")
    for name, area in min_area_px.items():
        if area < 0:
            raise UsageError(f"The minimum area of {name!r} is {area}; expected 0 px or more.")
