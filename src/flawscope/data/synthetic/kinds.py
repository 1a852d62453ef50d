"""What can be drawn: a plain table from the name of a kind to its renderer and its classes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from flawscope.data.synthetic import concrete, steel
from flawscope.data.synthetic.canvas import SynthImage
from flawscope.errors import UsageError
from flawscope.types import ClassInfo

Mix = tuple[tuple[tuple[int, ...], float], ...]
"""Pairs of the classes that stand together on a picture (none: ``()``) and their relative frequency."""

Renderer = Callable[..., SynthImage]
"""``(seed, size_hw, clean_share=None, mix=None) -> SynthImage``; None leaves the shares to the kind. A kind
of one class has no ``mix``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of procedural picture."""

    name: str
    render: Renderer
    check: Callable[[int, tuple[int, int]], None]
    """Raises UsageError when the seed or the size cannot be used."""
    classes: tuple[ClassInfo, ...]
    layout: Literal["image-mask", "severstal"] = "image-mask"
    """How it is written to disk."""
    size_hw: tuple[int, int] = (512, 512)
    """The usual height and width in px."""


def _render_concrete(seed: int, size_hw: tuple[int, int], clean_share: float | None = None) -> SynthImage:
    options = None if clean_share is None else concrete.ConcreteOptions(clean_share=clean_share)
    return concrete.render_concrete(seed, size_hw, options)


def _render_steel(
    seed: int, size_hw: tuple[int, int], clean_share: float | None = None, mix: Mix | None = None
) -> SynthImage:
    options = steel.SteelOptions(clean_share=clean_share)
    return steel.render_steel(
        seed, size_hw, options if mix is None else replace(options, combinations=dict(mix))
    )


_STEEL_COLOURS = ("#3b6fd4", "#8e44ad", "#f1c40f", "#e02b20")
"""The capstone paper's: blue, purple, yellow, red."""

KINDS: dict[str, Kind] = {
    "concrete": Kind(
        "concrete", _render_concrete, concrete.check_request, (ClassInfo(1, "crack", "#ffd400", "line"),)
    ),
    "steel": Kind(
        "steel",
        _render_steel,
        steel.check_request,
        # Named as real Severstal sets are, so that a network of one is scored on the other without a map.
        tuple(ClassInfo(i, f"class-{i}", colour, "area") for i, colour in enumerate(_STEEL_COLOURS, 1)),
        "severstal",
        (256, 1600),
    ),
}


def kind_named(name: str) -> Kind:
    """The kind of that name. Raises UsageError, which lists the kinds there are."""
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name, KINDS, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(
        f"There is no kind '{name}' of synthetic images.\nExpected one of: {', '.join(KINDS)}.{hint}"
    )
