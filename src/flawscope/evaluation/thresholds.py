"""Which probability counts as a defect: chosen on labelled images, and written into the bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from flawscope.bundle import Chosen
from flawscope.data.dataset import Dataset
from flawscope.data.groups import with_groups_of
from flawscope.data.split_file import Split
from flawscope.errors import UsageError
from flawscope.evaluation.chooser import MEASURES, Chooser, Measure, ThresholdChoice
from flawscope.evaluation.chosen_on import Unused, digest_of, kept
from flawscope.evaluation.classes import match_classes
from flawscope.evaluation.component_curve import Neighbours
from flawscope.evaluation.connectivity import Begin, ConnectivityChoice, ConnectivitySearch
from flawscope.evaluation.evaluate import (
    Compared,
    EvaluateOptions,
    ModelLike,
    Predictor,
    Progress,
    as_predictor,
    choose_part,
)
from flawscope.evaluation.report import Facts, Report, absent_note, without
from flawscope.evaluation.risk import RiskOptions
from flawscope.evaluation.risk_report import check_calibration, choose_by_risk
from flawscope.evaluation.stream import Planes, Stream, Truth
from flawscope.evaluation.width_report import choose_widths
from flawscope.inspection.inspector import Inspector
from flawscope.manifest import Manifest

METHODS = ("f1", "connectivity", "risk", "widths")


@dataclass(frozen=True, eq=False)
class ThresholdReport(Report):
    """Thresholds and minimum areas with the largest F1."""

    choices: tuple[ThresholdChoice, ...] = ()
    digests: str = ""
    """Of the images, as the bundle keeps them with the areas."""
    method: ClassVar[str] = "f1"

    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """Class name -> the choice as JSON takes it."""
        return {choice.class_name: choice.to_dict() for choice in self.choices}

    def draw(self, path: Path) -> None:
        """Draw F1 over the threshold, and over the minimum area."""
        from flawscope.evaluation.plots import draw_thresholds

        draw_thresholds(path, self.choices)

    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with these thresholds and areas."""
        rule = f"largest {_WORDS[self.choices[0].measure]} on {self.images} images"
        values = {c.class_name: Chosen(value=c.threshold, rule=rule, data=self.data) for c in self.choices}
        one_size = manifest.input.one_size
        areas = {
            c.class_name: Chosen(
                value=c.min_area_px,
                rule=rule,
                data=self.data,
                digests=self.digests,
                of_px=c.of_px if one_size else None,
            )
            for c in self.choices
        }
        return manifest.model_copy(
            update={
                "thresholds": {**manifest.thresholds, **values},
                "min_area_px": {**manifest.min_area_px, **areas},
                "promises": without(manifest.promises, values),
            }
        )

    def lines(self) -> list[str]:
        """The choice and the curve as bars of text."""
        out = []
        for choice in self.choices:
            out += [
                f"{choice.class_name}: threshold {choice.threshold:g}, minimum area {choice.min_area_px} px, "
                f"{choice.measure} {choice.score:.4f}",
                *_curve(choice),
            ]
        return out


@dataclass(frozen=True, eq=False)
class ConnectivityReport(Report):
    """Thresholds as high as cracks bear without falling apart; minimum areas stay as they are."""

    choices: tuple[ConnectivityChoice, ...] = ()
    method: ClassVar[str] = "connectivity"

    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """Class name -> the choice as JSON takes it."""
        return {choice.class_name: choice.to_dict() for choice in self.choices}

    def draw(self, path: Path) -> None:
        """Draw figure 7: thresholds of all images, and those above .899."""
        from flawscope.evaluation.plots import draw_connectivity

        draw_connectivity(path, self.choices)

    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with these thresholds."""
        values = {
            c.class_name: Chosen(
                value=c.threshold,
                rule=f"connectivity: middle of the fullest of ten bins over {len(c.images)} images",
                data=self.data,
            )
            for c in self.choices
        }
        return manifest.model_copy(
            update={
                "thresholds": {**manifest.thresholds, **values},
                "promises": without(manifest.promises, values),
            }
        )

    def lines(self) -> list[str]:
        """The choice and the histogram as bars of text."""
        out = []
        for choice in self.choices:
            most = max(choice.counts)
            out.append(
                f"{choice.class_name}: threshold {choice.threshold:g} (named {choice.name}), from "
                f"{len(choice.images)} images; {choice.above_high} of them above 0.899"
            )
            out += [
                f"  {low:.3f}-{high:.3f}  {count:>5}  {'#' * round(40 * count / most)}"
                for low, high, count in zip(choice.edges, choice.edges[1:], choice.counts, strict=False)
            ]
        return out


_WORDS = {
    "f1": "pooled strict F1",
    "f1_tol2": "pooled F1 within 2 px",
    "mean": "mean of pooled strict F1 and F1 within 2 px",
}


def choose_threshold(
    model: ModelLike,
    dataset: Dataset,
    split: Split | None = None,
    part: str | None = None,
    method: str = "f1",
    *,
    measure: Measure = "mean",
    neighbours: Neighbours = 8,
    begin: Begin = "lowest",
    risk: RiskOptions | None = None,
    run_split: Split | None = None,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Choose the threshold of each class on a part of a data set.

    ``method``: ``f1`` (with minimum areas; ``measure``: strict F1, F1 within 2 px, or their mean, pooled over
    all pixels), ``connectivity`` (CoreDeep's search, beginning at the
    ``lowest`` probability or at ``half``; ``neighbours`` 4 or 8 make a component), ``risk`` (a
    promise about misses, see :class:`flawscope.evaluation.risk.RiskOptions`) or ``widths`` (no threshold, but
    how much too wide the model marks lines, which inspection takes off). ``part`` defaults to ``val``,
    for ``risk`` to ``calibration``; ``run_split``, the split that the model was trained by, tells whether a
    promise may come from there. A set without any split is used whole, but for ``risk``. Raises UsageError
    for an unknown method or measure, and for a part that a promise cannot come from; DataError when no image
    shows a class.
    """
    if method not in METHODS:
        raise UsageError(f"There is no method {method!r}.\nExpected one of: {', '.join(METHODS)}, gate.")
    if measure not in MEASURES:
        raise UsageError(f"There is no measure {measure!r}.\nExpected one of: {', '.join(MEASURES)}.")
    options = options or EvaluateOptions()
    wanted = part or ("calibration" if method == "risk" else "val")
    # Images for a promise are set aside on purpose; those for a choice may be all there are.
    whole = split is None and dataset.default_split is None and wanted == "val"
    if method == "risk":
        dataset = with_groups_of(with_groups_of(dataset, split), run_split)
    chosen, shown, notes = choose_part(dataset, split, "all" if whole else wanted)
    data = f"{dataset.root.name}, part {shown}"
    predictor, title = as_predictor(model, options)
    _check_marks(predictor, dataset, title)
    if method == "risk":
        notes += check_calibration(dataset, chosen, shown, run_split)
    match = match_classes(
        dataset.classes, predictor.classes, options.mapping, truth_named=dataset.classes_named
    )
    stream = Stream(predictor, match, chosen, progress)

    def facts(images: int, *more: str) -> Facts:
        return Facts(images, shown, data, tuple(stream.failed), (*notes, *more, *match.notes))

    if method == "risk":
        return choose_by_risk(stream, risk or RiskOptions(), Unused(predictor, data), facts)
    if method == "widths":
        if not isinstance(predictor, Inspector):
            raise UsageError(f"Errors of widths are those of a bundle; {title} is none.")
        return choose_widths(stream, predictor, predictor.options, facts)
    if method == "connectivity":
        return _by_connectivity(stream, ConnectivitySearch(match.names, neighbours, begin), facts)
    return _by_f1(stream, measure, facts)


def _check_marks(predictor: Predictor, dataset: Dataset, title: str) -> None:
    if "classification" in (dataset.task, getattr(predictor, "task", "segmentation")):
        what = f"{dataset.root} holds labels of images"
        if dataset.task == "segmentation":
            what = f"The model {title} labels whole images"
        raise UsageError(
            f"{what}; thresholds are chosen here for marked pixels.\n"
            "`flawscope train` chooses those of a sigmoid classifier; `flawscope inspect --threshold` sets "
            "others. A softmax classifier has none: it names the most probable class."
        )


def _by_f1(stream: Stream, measure: Measure, facts: Callable[..., Facts]) -> ThresholdReport:
    digests: set[str] = set()
    with Chooser(stream.match.names, measure) as chooser:

        def take(one: Compared, planes: Planes, truth: Truth) -> None:
            chooser.add(planes, truth)
            digests.add(digest_of(one.image))

        stream.feed(take)
        choices = chooser.choose()
        return ThresholdReport(facts(chooser.images, *absent_note(chooser.absent)), choices, kept(digests))


def _by_connectivity(
    stream: Stream, search: ConnectivitySearch, facts: Callable[..., Facts]
) -> ConnectivityReport:
    stream.feed(lambda one, planes, truth: search.add(one.sample.name, planes, truth))
    choices = search.choose()
    silent = [
        f"{count} images with {name} have no say: nothing in them reaches 0.5"
        for name, count in zip(stream.match.names, search.silent, strict=True)
        if count
    ]
    early = [
        f"{choice.at_once} of {len(choice.images)} images of {choice.class_name} have more components at a "
        "tenth of their range than at 0.5, which ends the search there: faint specks, no cracks. "
        "--begin half leaves them out"
        for choice in choices
        if choice.at_once > len(choice.images) / 2
    ]
    return ConnectivityReport(facts(search.images, *absent_note(search.absent), *silent, *early), choices)


def _curve(choice: ThresholdChoice) -> list[str]:
    """The curve as bars of text, at every twentieth and at the choice."""
    f1, f1_tol2, chosen = choice.curves["f1"], choice.curves["f1_tol2"], round(choice.threshold * 100)
    lines = ["  threshold  f1      f1_tol2"]
    for k in sorted({*range(5, 100, 5), chosen}):
        mark = "  <- chosen" if k == chosen else ""
        bar = "#" * round(40 * float(f1_tol2[k - 1]))
        lines.append(f"  {k / 100:<9.2f}  {float(f1[k - 1]):.4f}  {float(f1_tol2[k - 1]):.4f}  {bar}{mark}")
    return lines
