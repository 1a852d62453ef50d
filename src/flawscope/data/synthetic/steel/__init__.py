"""The composer of kind ``steel``: strips of flat steel with the four kinds of defect, or without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import SynthImage
from flawscope.data.synthetic.steel.defects import DEFECTS, draw_defect
from flawscope.data.synthetic.steel.marks import draw_marks
from flawscope.data.synthetic.steel.strip import cut_edge, sound_strip
from flawscope.errors import UsageError

_STREAM = 41
"""Changes every picture of this kind; raise it only when old seeds may be given up."""

MIN_SIDE_PX = 64
MAX_SIDE_PX = 8192

COMPETITION: Mapping[tuple[int, ...], int] = {
    (): 5902, (1,): 769, (2,): 195, (3,): 4759, (4,): 516,
    (3, 4): 284, (1, 3): 91, (1, 2): 35, (2, 3): 14, (1, 2, 3): 2, (2, 4): 1,
}  # fmt: skip
"""Classes that a training image of the Severstal competition shows -> number of images (12,568 in all)."""


@dataclass(frozen=True, slots=True)
class SteelOptions:
    """What strips hold."""

    clean_share: float | None = None
    """Strips without a defect, 0..1; None: as the competition, 47 %."""
    combinations: Mapping[tuple[int, ...], float] = field(default_factory=lambda: dict(COMPETITION))
    """Classes that stand together on a strip -> relative frequency."""


def check_request(seed: int, size_hw: tuple[int, int]) -> None:
    """Raise UsageError for a negative seed or sides outside 64..8192 px."""
    if seed < 0:
        raise UsageError(f"seed is {seed}; expected a whole number from 0 on.")
    if any(not MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size_hw):
        raise UsageError(
            f"size_hw is {size_hw[0]} x {size_hw[1]}; expected {MIN_SIDE_PX} to {MAX_SIDE_PX} px a side."
        )


def render_steel(seed: int, size_hw: tuple[int, int], options: SteelOptions | None = None) -> SynthImage:
    """One strip with its exact mask; the same bytes for the same arguments, whatever was drawn before.

    The mask is H x W uint8: 0 sound, 1 pitted, 2 thin trace, 3 scratches and streaks, 4 rough patch. Raises
    UsageError as `check_request`, for shares outside 0..1 and for unknown classes.
    """
    options = options or SteelOptions()
    check_request(seed, size_hw)
    names, odds = _odds(options)
    choice_rng, ground_rng, mark_rng, defect_rng, camera_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence([_STREAM, seed]).spawn(5)
    )
    classes = names[int(choice_rng.choice(len(names), p=odds))]
    strip = sound_strip(ground_rng, size_hw)
    cut_edge(ground_rng, strip)
    drawn = draw_marks(mark_rng, strip)
    mask = np.zeros(size_hw, np.uint8)
    # Large patches first: small defects find room beside them.
    for class_id in sorted(classes, reverse=True):
        draw_defect(defect_rng, strip, mask, class_id)
    strip.grey[~strip.metal] = np.minimum(strip.grey[~strip.metal], np.float32(0.02))
    levels = strip.grey * np.float32(255)
    levels += noise.field("white", camera_rng, size_hw) * np.float32(camera_rng.uniform(0.4, 1.8))
    grey = np.clip(levels, 0, 255).astype(np.uint8)
    recipe = {"kind": "steel", "seed": seed, "classes": list(classes), "marks": drawn, **strip.notes}
    return SynthImage(np.repeat(grey[..., None], 3, axis=2), mask, (), recipe)


def _odds(options: SteelOptions) -> tuple[list[tuple[int, ...]], list[float]]:
    counts = {tuple(sorted(names)): float(count) for names, count in options.combinations.items()}
    unknown = sorted({number for names in counts for number in names} - set(DEFECTS))
    if unknown:
        raise UsageError(f"steel has no class {unknown[0]}; expected some of {', '.join(map(str, DEFECTS))}.")
    share = options.clean_share
    if share is not None:
        if not 0 <= share <= 1:
            raise UsageError(f"clean_share is {share}; expected a share from 0 to 1.")
        rest = sum(count for names, count in counts.items() if names)
        counts = (
            {names: count / rest * (1 - share) for names, count in counts.items() if names} if rest else {}
        )
        counts[()] = share if rest else 1.0
    total = sum(counts.values())
    if total <= 0 or min(counts.values()) < 0:
        raise UsageError("combinations hold no positive number; expected classes with their frequency.")
    return list(counts), [count / total for count in counts.values()]
