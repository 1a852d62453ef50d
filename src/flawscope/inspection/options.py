"""How to predict, apart from what the bundle fixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flawscope.errors import UsageError

Fusion = Literal["choose", "mean", "max"]
Scales = tuple[float, ...] | Literal["native", "auto"]


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Options of prediction; the defaults give the plain network at the photograph's own size."""

    flip_tta: bool = False
    """Mean over the four flips of each tile: four times the work."""
    scales: Scales = "native"
    """Sizes to work at, relative to the photograph, each once; ``auto`` finds one of the manifest's
    ``working_scales``."""
    fusion: Fusion = "choose"
    """With several scales: ``choose`` the most telling one, or the ``mean`` or ``max`` of all."""
    batch: int = 4
    """Tiles a run of the network. Results do not depend on it beyond 1e-5."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"batch is {self.batch}; expected 1 or more.")
        if self.fusion not in ("choose", "mean", "max"):
            raise UsageError(f"Unknown fusion {self.fusion!r}; expected choose, mean or max.")
        if isinstance(self.scales, str):
            if self.scales not in ("native", "auto"):
                raise UsageError(f"Unknown working scale {self.scales!r}; expected native, auto or numbers.")
        elif not self.scales or any(not 1 / 64 <= scale <= 8 for scale in self.scales):
            raise UsageError(f"Working scales are {self.scales}; expected numbers from 1/64 to 8.")
        else:  # a size that is named twice counts once in means
            object.__setattr__(self, "scales", tuple(dict.fromkeys(self.scales)))


def parse_working_scale(text: str) -> Scales:
    """``native``, ``auto``, or numbers as ``0.5`` or ``1,0.5,0.25``. UsageError for anything else."""
    if text in ("native", "auto"):
        return "native" if text == "native" else "auto"
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--working-scale {text!r} is not understood.\n"
            "Expected native, auto, or numbers such as 0.5 or 1,0.5."
        ) from None
    return PredictOptions(scales=scales).scales
