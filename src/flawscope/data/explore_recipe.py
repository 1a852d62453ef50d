"""Which recipe suits a data set, and why: a few rules over what ``explore`` counted."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flawscope.data.dataset import Dataset
from flawscope.data.explore_look import ImageRow

_SMALL_PX = 32
_MANY_CLEAN = 0.3
_UNEVEN = 5.0
_FEW = 40
_THIN_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A recipe to begin with."""

    recipe: str
    """Its name; empty where flawscope has none of the kind."""
    kind: str
    """What kind of recipe it is."""
    reason: str
    advice: tuple[str, ...] = ()
    """What else the figures say about training on this set."""

    @property
    def command(self) -> str:
        """How to begin; empty without a recipe."""
        return f"flawscope train {self.recipe} --data DATASET --out RUN" if self.recipe else ""


def suggest(dataset: Dataset, rows: Sequence[ImageRow], recipes: Collection[str]) -> Suggestion:
    """The first recipe of the kind that fits which is among ``recipes`` (names), and advice.

    rows: images that can be used; at least one.
    """
    kind, names, reason = _classified(dataset, rows) if _is_labels(dataset) else _segmented(dataset, rows)
    chosen = next((name for name in names if name in recipes), "")
    if not chosen:
        reason += f"; no recipe of this kind is installed (its name would be {names[0]})"
    return Suggestion(chosen, kind, reason, tuple(_advice(dataset, rows)))


def _is_labels(dataset: Dataset) -> bool:
    return dataset.task == "classification"


def _classified(dataset: Dataset, rows: Sequence[ImageRow]) -> tuple[str, tuple[str, ...], str]:
    count = sum(any(info.id in row.classes for row in rows) for info in dataset.classes)
    side = max(max(row.size_hw) for row in rows)
    labels = f"images with {'several labels' if dataset.multi_label else 'one label'} each, {count} classes"
    if side <= _SMALL_PX:
        return "small classifier", ("mnist-lab", "classify-quick"), f"{labels}, at most {side} px a side"
    return "classifier", ("classify-quick",), labels


def _segmented(dataset: Dataset, rows: Sequence[ImageRow]) -> tuple[str, tuple[str, ...], str]:
    present = [info for info in dataset.classes if any(info.id in row.classes for row in rows)]
    clean = sum(not row.classes for row in rows) / len(rows)
    if len(present) == 1 and present[0].kind == "line":
        reason = f"masks of one thin class, {present[0].name}, in {len(rows)} images"
        return "crack segmentation", ("crack-quick",), reason
    reason = f"masks of {len(present)} class{'' if len(present) == 1 else 'es'}, in {len(rows)} images"
    if len(present) > 1 and clean >= _MANY_CLEAN:
        reason += f", {clean:.0%} of them clean: a gate in front spares segmenting those"
        return "two-step segmentation", ("two-step", "segment-quick"), reason
    if dataset.layout == "severstal":
        return "steel strip segmentation", ("severstal-unet", "segment-quick"), f"{reason}, on long strips"
    return "segmentation of areas", ("segment-quick",), reason


def _advice(dataset: Dataset, rows: Sequence[ImageRow]) -> list[str]:
    counts = {
        info.name: n for info in dataset.classes if (n := sum(info.id in row.classes for row in rows)) > 0
    }
    told = []
    if len(counts) > 1 and max(counts.values()) >= _UNEVEN * min(counts.values()):
        rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        target = round(statistics.median(counts.values()))
        told.append(
            f"{common} is {max(counts.values()) / min(counts.values()):.0f} times as frequent as {rare}: "
            f"balance the training part, e.g. --set data.balance.target={target}."
        )
    if sum(bool(row.classes) for row in rows) < _FEW:
        told.append(f"Fewer than {_FEW} images show a class: figures are uncertain; use --folds 5.")
    if _is_labels(dataset):
        return told
    marked = [row.share for row in rows if row.classes]
    if marked and statistics.fmean(marked) < _THIN_SHARE:
        told.append(
            f"Only {statistics.fmean(marked):.2%} of a defective image is marked: crops laid on defects "
            "(data.positive_share) matter, and accuracy says nothing."
        )
    if len(marked) == len(rows):
        told.append("No image is clean: false alarms on sound surface cannot be measured; add some.")
    return told
