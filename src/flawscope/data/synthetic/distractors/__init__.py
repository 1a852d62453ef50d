"""Things that fool crack detectors: drawn on the canvas, never in the mask.

What the surface itself carries (joints, paint, tar, stains) is drawn before the cracks, which then break
it. What lies on it or falls on it (shadows, cables, plants, chalk) is drawn after. Thin covers (a grass
blade, a cable, a pen stroke) may cross a crack and its label stays, as annotators draw through them; wide
opaque covers (leaves) keep clear of the cracks, so that no label lies under something that hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from flawscope.data.synthetic.canvas import Canvas, CrackTruth
from flawscope.data.synthetic.distractors import (
    arris,
    cables,
    chalk,
    crazing,
    facades,
    formwork,
    joints,
    paint,
    pits,
    plants,
    scratches,
    sealing,
    shadows,
    stains,
    tones,
    webs,
    welds,
    writing,
)
from flawscope.errors import UsageError

Distractor = Callable[[np.random.Generator, Canvas, Sequence[CrackTruth]], None]
Stage = Literal["before", "after"]

DISTRACTORS: dict[str, Distractor] = {
    "slab-joints": joints.slab_joints,
    "formwork-seams": formwork.formwork_seams,
    "board-prints": formwork.board_prints,
    "tie-holes": formwork.tie_holes,
    "weld-seam": welds.weld_seam,
    "runs": stains.runs,
    "spots": stains.spots,
    "puddle": stains.puddle,
    "paint-line": paint.paint_line,
    "crazed-paint": crazing.crazed_paint,
    "print-text": writing.print_text,
    "bugholes": pits.bugholes,
    "popouts": pits.popouts,
    "tyre-marks": scratches.tyre_marks,
    "tar-line": sealing.tar_line,
    "patch-edge": sealing.patch_edge,
    "chipped-arris": arris.chipped_arris,
    "joint-shadow": arris.joint_shadow,
    "open-joint": arris.open_joint,
    "two-tones": tones.two_tones,
    "ledge": tones.ledge,
    "grooves": facades.grooves,
    "louvres": facades.louvres,
    "opening": facades.opening,
    "dark-border": tones.dark_border,
    "scratches": scratches.scratches,
    "handwriting": writing.handwriting,
    "scrawl": writing.scrawl,
    "chalk-along": chalk.chalk_along,
    "cable": cables.cable,
    "grass": plants.grass,
    "leaves": plants.leaves,
    "twigs": plants.twigs,
    "web": webs.web,
    "hairs": webs.hairs,
    "cable-shadow": shadows.cable_shadow,
    "branch-shadow": shadows.branch_shadow,
}
"""Every distractor by name."""

_AFTER = {
    "louvres", "opening", "dark-border", "scratches", "handwriting", "scrawl", "chalk-along", "cable",
    "grass", "leaves", "twigs", "web", "hairs", "cable-shadow", "branch-shadow",
}  # fmt: skip

_COMMON: Mapping[str, float] = {
    "runs": 0.05, "spots": 0.15, "puddle": 0.05, "paint-line": 0.04, "print-text": 0.02, "popouts":
    0.06, "two-tones": 0.05, "ledge": 0.04, "dark-border": 0.03, "scratches": 0.05, "handwriting": 0.05,
    "scrawl": 0.04, "chalk-along": 0.05, "cable": 0.06, "grass": 0.06, "leaves": 0.07, "twigs": 0.06,
    "web": 0.02, "hairs": 0.03, "cable-shadow": 0.07, "branch-shadow": 0.07,
}  # fmt: skip
_BY_MATERIAL: Mapping[str, Mapping[str, float]] = {
    "concrete": {
        "slab-joints": 0.14, "formwork-seams": 0.16, "board-prints": 0.1, "tie-holes": 0.1, "runs": 0.12,
        "bugholes": 0.22, "handwriting": 0.08, "chalk-along": 0.08,
    },
    "asphalt": {
        "slab-joints": 0.05, "paint-line": 0.12, "tyre-marks": 0.12, "tar-line": 0.08, "patch-edge": 0.08,
        "puddle": 0.1, "leaves": 0.12, "twigs": 0.1,
    },
    "brick": {
        "chipped-arris": 0.3, "joint-shadow": 0.5, "open-joint": 0.2, "runs": 0.1, "grooves": 0.12,
        "louvres": 0.07, "opening": 0.08, "ledge": 0.1, "dark-border": 0.06, "grass": 0.1, "cable": 0.08,
        "branch-shadow": 0.12, "cable-shadow": 0.1,
    },
    "plaster": {
        "louvres": 0.05, "opening": 0.06, "runs": 0.1, "scratches": 0.1, "bugholes": 0.08, "cable": 0.08,
        "web": 0.05,
    },
    "painted-steel": {"weld-seam": 0.3, "runs": 0.15, "scratches": 0.2, "ledge": 0.12, "spots": 0.1},
}  # fmt: skip


_BY_CHANCE = {*_COMMON, *(name for odds in _BY_MATERIAL.values() for name in odds)}
"""What pictures have by chance; the others are painted where they are asked for by name."""


def stage_of(name: str) -> Stage:
    """Whether a distractor is drawn before the cracks (part of the surface) or after (on top of it)."""
    return "after" if name in _AFTER else "before"


def check_names(names: tuple[str, ...], where: str) -> None:
    """Raises UsageError for names that no distractor has; ``where`` is the option that holds them."""
    strange = sorted(set(names) - set(DISTRACTORS))
    if strange:
        raise UsageError(
            f"{where} names {', '.join(strange)}.\nExpected names of distractors: {', '.join(DISTRACTORS)}."
        )


def draw_distractors(
    rng: np.random.Generator,
    canvas: Canvas,
    cracks: Sequence[CrackTruth],
    stage: Stage,
    always: Collection[str] = (),
    others: bool = True,
) -> list[str]:
    """Draw distractors of one stage: those of ``always``, and others each by its chance for this material.

    Returns their names. Others are about one per stage on average; every fifth picture has none, some are
    crowded.
    """
    odds = {**_COMMON, **_BY_MATERIAL.get(canvas.material, {})}
    crowd = float(rng.choice([0.0, 0.7, 1.2, 2.2], p=[0.2, 0.3, 0.35, 0.15]))
    asked = _BY_CHANCE | set(always)
    names = [name for name in DISTRACTORS if stage_of(name) == stage and name in asked]
    crowd *= others
    drawn = [name for name in names if rng.random() < crowd * odds.get(name, 0.0) or name in always]
    for name in drawn:
        DISTRACTORS[name](rng, canvas, cracks)
    return drawn
