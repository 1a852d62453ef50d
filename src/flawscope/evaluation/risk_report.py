"""From losses to a promise in the bundle: which data may be asked, and all that the promise hangs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from flawscope.bundle import Chosen
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import BundleError, UsageError
from flawscope.evaluation.chosen_on import Unused
from flawscope.evaluation.evaluate import Compared, Predictor
from flawscope.evaluation.report import Facts, Report, absent_note
from flawscope.evaluation.risk import RiskChoice, RiskChooser, RiskOptions
from flawscope.evaluation.stream import Planes, Stream, Truth
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.promises import file_run
from flawscope.manifest import Manifest, Promise

_SET_ASIDE = "Set images aside with: flawscope split DATASET --calibration 0.1, and train by that split."

ALONE = (
    "each image counted as a unit of its own, for no groups are known: where several show one photograph or "
    "part, the promise is too good; name what belongs together: flawscope split DATASET --group RULE"
)

UNIT = "group of the data set (a sample without one stands alone)"


@dataclass(frozen=True, eq=False)
class RiskReport(Report):
    """The highest thresholds that keep a promise about misses; minimum areas stay as they are."""

    choices: tuple[RiskChoice, ...] = ()
    predictor: Predictor | None = None
    method: ClassVar[str] = "risk"

    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """Class name -> the choice as JSON takes it."""
        return {choice.class_name: choice.to_dict() for choice in self.choices}

    def draw(self, path: Path) -> None:
        """Draw the mean loss over the threshold, and the level."""
        from flawscope.evaluation.plots import draw_risk

        draw_risk(path, self.choices)

    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with the thresholds and what they promise.

        Raises BundleError for a model that is no bundle by itself: a promise names the file that was run.
        """
        values = {
            c.class_name: Chosen(
                value=c.threshold, rule=f"{c.options.words} ({c.units} units)", data=self.data
            )
            for c in self.choices
        }
        promises = {c.class_name: self._promise(c) for c in self.choices}
        return manifest.model_copy(
            update={
                "thresholds": {**manifest.thresholds, **values},
                "promises": {**manifest.promises, **promises},
            }
        )

    def lines(self) -> list[str]:
        """The choice as text."""
        out = []
        for c in self.choices:
            out += [
                f"{c.class_name}: threshold {c.threshold:g}: {c.options.words}",
                f"  {c.method}; the {c.units} units ({c.images} images) miss {c.risk_there:.4f} on average",
                f"  holds for minimum area {c.min_area_px} px, presence {c.presence_px} px, this runtime, "
                "tile and file, and for units drawn as these were",
            ]
        return out

    def _promise(self, choice: RiskChoice) -> Promise:
        inspector = self.predictor
        if not isinstance(inspector, Inspector) or len(inspector.bundles) != 1:
            raise BundleError("A promise is written into one bundle; an average of models has none.")
        bundle = inspector.bundle
        file = file_run(bundle, inspector.runtime_name) or ""
        return Promise(
            risk=choice.options.risk,
            level=choice.options.level,
            confidence=choice.options.confidence,
            method=choice.method,
            unit=UNIT,
            units=choice.units,
            data=self.data,
            threshold=choice.threshold,
            min_area_px=choice.min_area_px,
            presence_px=inspector.presence_px[choice.class_name],
            file=file,
            sha256=bundle.manifest.sha256[file],
            runtime=inspector.runtime_name,
            input=bundle.manifest.input,
            flip_tta=inspector.options.flip_tta,
            scales=inspector.options.scales,
            fusion=inspector.options.fusion,
        )


def choose_by_risk(
    stream: Stream, options: RiskOptions, unused: Unused, facts: Callable[..., Facts]
) -> RiskReport:
    """Choose on a stream of images; minimum area and presence are those of the model.

    Raises DataError, and UsageError for an image that is not ``unused``.
    """
    predictor = stream.predictor
    chooser = RiskChooser(
        stream.match.names,
        options,
        getattr(predictor, "min_area_px", {}),
        getattr(predictor, "presence_px", {}),
        getattr(predictor, "areas_px", None),
    )

    def take(one: Compared, planes: Planes, truth: Truth) -> None:
        unused.check(one)
        chooser.add(one.sample.group_key, planes, truth)

    stream.feed(take)
    choices = chooser.choose()
    alone = [] if any(sample.group for sample in stream.dataset) else [ALONE]
    several = len(predictor.classes) > 1 and not _overlapping(predictor)
    more = ["classes compete for pixels: the promise counts what is cut at a class's own threshold"]
    notes = [*alone, *absent_note(chooser.absent), *(more if several else [])]
    notes += [note for choice in choices for note in choice.notes]
    return RiskReport(facts(chooser.images, *notes), choices, predictor)


def check_calibration(dataset: Dataset, chosen: Dataset, part: str, run_split: Split | None) -> list[str]:
    """Refuse images that trained or selected the model; return what the user should know.

    A model does better on images that its weights or their choice come from than on others, and on those that
    share a group with them, so a promise from there would be broken. ``chosen`` is the part of ``dataset``
    that it is to come from. :class:`Unused` refuses what its minimum areas come from. Raises UsageError.
    """
    if part in ("train", "val"):
        raise UsageError(
            f"Part '{part}' trained or selected the model, so no promise can come from it.\n{_SET_ASIDE}"
        )
    if run_split is not None:
        _check_groups(dataset, chosen, part, run_split)
    notes = []
    if run_split is None:
        notes.append("nothing here says which images trained the model: see that none of these did")
    if part == "test":
        notes.append("part 'test' is used up by this: test the promise on other images")
    return notes


def _check_groups(dataset: Dataset, chosen: Dataset, part: str, run_split: Split) -> None:
    """Raises UsageError where an image of ``chosen``, or of its group, is among those of the run."""
    used = {name for key in ("train", "val") for name in run_split.parts.get(key, ())}
    used |= {name for fold in run_split.folds for name in fold}
    seen = [name for name in chosen.names if name in used]
    if seen:
        raise UsageError(
            f"{len(seen)} images of part '{part}' trained or selected the model, e.g. {seen[0]}; no promise "
            f"can come from them.\n{_SET_ASIDE}"
        )
    groups = {sample.group_key for sample in dataset if sample.name in used}
    near = [sample for sample in chosen if sample.group_key in groups]
    if near:
        raise UsageError(
            f"{len(near)} images of part '{part}' are of a group that trained or selected the model, e.g. "
            f"{near[0].name} ({near[0].group_key}); no promise can come from them.\n{_SET_ASIDE}"
        )


def _overlapping(predictor: Predictor) -> bool:
    return any(bundle.manifest.multi_label for bundle in getattr(predictor, "bundles", ()))
