"""Smallest findings and smallest presence of each class, on the grid of the photograph at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flawscope.bundle import Bundle
from flawscope.manifest import Chosen

AreasAt = Callable[[tuple[int, int]], tuple[Mapping[str, int], Mapping[str, int]]]
"""Height and width of a photograph -> class name to minimum area in px, and to presence in px."""


@dataclass(frozen=True)
class LeastPixels:
    """What the bundles of an ensemble name, averaged; in proportion where it is meant for one size."""

    bundles: Sequence[Bundle]
    given_area_px: Mapping[str, int] = field(default_factory=dict)
    """Minimum areas that take the place of the bundles' own, on whatever photograph."""

    def at(self, size_hw: tuple[int, int] | None = None) -> tuple[dict[str, int], dict[str, int]]:
        """Class name -> minimum area, and class name -> presence, in px of a photograph of that size.

        Without a size the numbers as the bundles name them.
        """
        pixels = None if size_hw is None else size_hw[0] * size_hw[1]
        every = [bundle.manifest for bundle in self.bundles]
        names = [info.name for info in self.bundles[0].classes]
        areas = {name: _mean((one.min_area_px.get(name) for one in every), pixels) for name in names}
        presence = {name: _mean((one.presence_px.get(name) for one in every), pixels) for name in names}
        return {**areas, **self.given_area_px}, presence

    def meant_for_px(self, name: str) -> int | None:
        """Size of photograph that the minimum area of a class is meant for.

        None where it is for any, or where the bundles of an ensemble do not agree.
        """
        chosen = [bundle.manifest.min_area_px.get(name) for bundle in self.bundles]
        sizes = {None if one is None else one.of_px for one in chosen}
        return None if name in self.given_area_px or len(sizes) > 1 else sizes.pop()


def _mean(chosen: Iterable[Chosen | None], pixels: int | None) -> int:
    """The mean, rounded, but at least 1 where anything is asked for: a small image needs a pixel too."""
    values = [0.0 if one is None else one.value * _factor(one, pixels) for one in chosen]
    mean = sum(values) / len(values)
    return max(1, round(mean)) if mean > 0 else 0


def _factor(chosen: Chosen, pixels: int | None) -> float:
    return 1.0 if pixels is None or chosen.of_px is None else pixels / chosen.of_px


def areas_at(
    predictor: object, names: Sequence[str], size_hw: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Minimum areas and presence of classes in a photograph, of an Inspector or of what else names some."""
    known: AreasAt | None = getattr(predictor, "areas_px", None)
    areas: Mapping[str, int] = getattr(predictor, "min_area_px", {})
    presence: Mapping[str, int] = getattr(predictor, "presence_px", {})
    if known is not None:
        areas, presence = known(size_hw)
    return [areas.get(name, 0) for name in names], [presence.get(name, 0) for name in names]
