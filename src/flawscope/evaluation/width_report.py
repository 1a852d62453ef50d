"""``threshold --method widths``: how much wider than the truth a model marks lines, at each threshold.

Truth is measured as predictions are, on the masks: draw those exactly (``flawscope synth``, a crack-width
gauge) and inspection tells true widths; take masks of annotators and it tells what they would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.report import Facts, Report
from flawscope.evaluation.stream import Stream
from flawscope.evaluation.width_pairs import Values, bias_and_spread, centreline_widths, paired_widths
from flawscope.inspection.areas import AreasAt
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.postprocess import open_area
from flawscope.inspection.widths import width_error_at, working_factor
from flawscope.manifest import InputSpec, Manifest, WidthErrors
from flawscope.measurement.findings import find
from flawscope.types import ClassInfo

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds at which the error is measured, beside the model's own."""
LEAST_POINTS = 200
"""Fewer places along centrelines say nothing."""
BANDS_PX = ((0.0, 2.0), (2.0, 5.0), (5.0, 10.0), (10.0, float("inf")))
"""True widths that the errors at the model's own threshold are told for, one by one."""


@dataclass(frozen=True, eq=False)
class WidthChoice:
    """The errors of one class."""

    class_name: str
    errors: WidthErrors
    threshold: float
    """The model's own."""
    bands: dict[str, tuple[int, float]]
    """True width in network pixels -> places and bias at the model's own threshold."""

    @property
    def bias_px(self) -> float:
        """At the model's own threshold."""
        return width_error_at(self.errors, self.threshold, 1.0).bias_px

    @property
    def u_px(self) -> float:
        """At the model's own threshold."""
        return width_error_at(self.errors, self.threshold, 1.0).u_px

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        bands = {name: {"points": count, "bias_px": bias} for name, (count, bias) in self.bands.items()}
        own = {"threshold": self.threshold, "bias_px": self.bias_px, "u_px": self.u_px}
        return {**own, "bands": bands, "errors": self.errors.model_dump(mode="json")}


@dataclass(frozen=True, eq=False)
class WidthReport(Report):
    """Errors of widths; thresholds and areas stay as they are."""

    choices: tuple[WidthChoice, ...] = ()
    method: ClassVar[str] = "widths"

    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """Class name -> the errors as JSON takes them."""
        return {choice.class_name: choice.to_dict() for choice in self.choices}

    def draw(self, path: Path) -> None:
        """Draw the bias over the threshold, and its spread."""
        from flawscope.evaluation.plots import draw_widths

        draw_widths(path, self.choices)

    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with these errors."""
        errors = {choice.class_name: choice.errors for choice in self.choices}
        return manifest.model_copy(update={"width_errors": {**manifest.width_errors, **errors}})

    def lines(self) -> list[str]:
        """The errors as text."""
        out = []
        for choice in self.choices:
            out.append(
                f"{choice.class_name}: marked {choice.bias_px:+.2f} px wider than the truth at threshold "
                f"{choice.threshold:g} ({choice.errors.points} places), +-{choice.u_px:.2f} px without that"
            )
            out += [
                f"  true width {name} px: {bias:+.2f} px ({count} places)"
                for name, (count, bias) in choice.bands.items()
            ]
            rows = zip(choice.errors.thresholds, choice.errors.bias_px, choice.errors.u_px, strict=True)
            out += [
                f"  threshold {level:<5.2f} {bias:+.2f} px  +-{spread:.2f} px" for level, bias, spread in rows
            ]
        return out


@dataclass(eq=False)
class WidthSearch:
    """Takes images one by one: the pairs of each line class at each threshold."""

    classes: Sequence[ClassInfo]
    thresholds: Mapping[str, float]
    areas_of: AreasAt
    spec: InputSpec
    scales: tuple[float, ...] = (1.0,)
    images: int = 0
    _pairs: dict[tuple[str, float], list[Values]] = field(default_factory=dict)

    def levels(self, name: str) -> tuple[float, ...]:
        """The thresholds of a class, rising."""
        own = round(self.thresholds[name], 6)
        return tuple(sorted({*LEVELS, own} - {0.0, 1.0}))

    def add(self, planes: Sequence[Any], truth: Sequence[Any]) -> None:
        """Take one image: a plane H x W a class of probabilities, and of truth (0, 1, 255 ignore)."""
        factor = working_factor(planes[0].shape, self.spec, self.scales)
        min_area_px, _ = self.areas_of(planes[0].shape)
        for info, plane, true in zip(self.classes, planes, truth, strict=True):
            if info.kind != "line":
                continue
            one = ClassInfo(1, info.name)
            true_xy, true_px = centreline_widths(find(true, classes=[one]))
            if not len(true_xy):
                continue
            for level in self.levels(info.name):
                mask = open_area((plane >= np.float32(level)) & (true != 255), min_area_px[info.name])
                found = find(mask, classes=[one], probability=plane[None])
                pairs = paired_widths(*centreline_widths(found), true_xy, true_px)
                self._pairs.setdefault((info.name, level), []).append(factor * pairs)
        self.images += 1

    def choose(self, data: str) -> tuple[WidthChoice, ...]:
        """The errors of each class that shows enough. Raises DataError when none does."""
        lines = [info.name for info in self.classes if info.kind == "line"]
        choices = [choice for name in lines if (choice := self._choice(name, data)) is not None]
        if not choices:
            raise DataError(
                f"The {self.images} images show fewer than {LEAST_POINTS} places where a found line lies on "
                f"a true one ({', '.join(lines) or 'the model has no class of lines'}).\n"
                "Give more images, or a model that finds more in them."
            )
        return tuple(choices)

    def _choice(self, name: str, data: str) -> WidthChoice | None:
        own = round(self.thresholds[name], 6)
        rows = []
        for level in self.levels(name):
            pairs = self._all(name, level)
            if len(pairs) >= LEAST_POINTS:
                rows.append((level, *(round(value, 4) for value in bias_and_spread(pairs))))
        if not rows:
            return None
        points = len(self._all(name, own)) or len(self._all(name, rows[0][0]))
        thresholds, bias, spread = zip(*rows, strict=True)
        rule = f"median of marked less true width on {self.images} images"
        errors = WidthErrors(
            thresholds=thresholds, bias_px=bias, u_px=spread, points=points, rule=rule, data=data
        )
        return WidthChoice(name, errors, own, self._bands(self._all(name, own)))

    def _bands(self, pairs: Values) -> dict[str, tuple[int, float]]:
        out = {}
        for low, high in BANDS_PX:
            some = pairs[(pairs[:, 1] >= low) & (pairs[:, 1] < high)]
            if len(some):
                name = f"{low:g}-{high:g}" if np.isfinite(high) else f"from {low:g}"
                out[name] = (len(some), bias_and_spread(some)[0])
        return out

    def _all(self, name: str, level: float) -> Values:
        return np.vstack([np.zeros((0, 2)), *self._pairs.get((name, level), [])])


def choose_widths(
    stream: Stream, inspector: Inspector, predict: PredictOptions, facts: Callable[..., Facts]
) -> WidthReport:
    """The errors of widths over a stream of labelled images.

    Raises UsageError for several working scales at once, and DataError as :meth:`WidthSearch.choose`.
    """
    scales = (1.0,) if predict.scales == "native" else predict.scales
    if isinstance(scales, str) or len(scales) != 1:
        raise UsageError(
            "Errors of widths are measured at one working scale.\n"
            "Leave --working-scale out, or name one size."
        )
    match = stream.match
    search = WidthSearch(
        match.classes, inspector.thresholds, inspector.areas_px, inspector.bundle.manifest.input, scales
    )
    stream.feed(lambda _one, planes, truth: search.add(planes, truth))
    done = facts(search.images)
    return WidthReport(done, search.choose(done.data))
