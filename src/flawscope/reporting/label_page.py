"""What the report shows of a classifier: labels and probabilities instead of lengths and widths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from flawscope.reporting.page_values import NONE, Cell, FindingView, number
from flawscope.types import ClassInfo, Inspection

HEAD = ("Label", "Probability", "Time")
"""Columns of the overview."""

TABLE_HEAD = ("Class", "Probability")
"""Columns of an image's own table."""

_MOST_CLASSES = 5
_MOST_CARDS = 6


def is_labelled(inspections: Sequence[Inspection]) -> bool:
    """Whether a classifier looked at the images."""
    return any(item.scores for item in inspections)


def has_verdicts(classes: Sequence[ClassInfo]) -> bool:
    """Whether some label means that there is no defect; else every verdict would be the same."""
    return any(info.means_clean for info in classes)


def cards(inspections: Sequence[Inspection]) -> tuple[tuple[str, str, str, str], ...]:
    """Images, images of each label (the commonest first), failures: value, unit, caption, kind."""
    failed = sum(item.status != "ok" for item in inspections)
    count = Counter(_caption(item.label) for item in inspections if item.status == "ok")
    shown = count.most_common(_MOST_CARDS)
    others = sum(count.values()) - sum(images for _, images in shown)
    return (
        (number(len(inspections), 0), "", "image" if len(inspections) == 1 else "images", ""),
        *((number(images, 0), "", caption, "") for caption, images in shown),
        *([(number(others, 0), "", "otherwise labelled", "")] if others else []),
        (number(failed, 0), "", "failed", "bad" if failed else "good"),
    )


def _caption(label: str) -> str:
    return f"labelled {label.replace(';', ', ')}" if label else "without a label"


def cells(inspection: Inspection) -> tuple[Cell, ...]:
    """An image's row in the overview."""
    if inspection.status != "ok":
        return (Cell("failed", None), *(Cell(NONE) for _ in HEAD[1:]))
    return (
        Cell(inspection.label.replace(";", ", ") or NONE, None),
        probability(inspection.label_score),
        Cell(f"{number(inspection.seconds, 2)} s", inspection.seconds),
    )


def probability(share: float | None) -> Cell:
    """A probability of 0..1 in per cent; what rounds to all or nothing says so."""
    if share is None:
        return Cell(NONE)
    text = "> 99.9 %" if share > 0.9995 else "< 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"
    return Cell(text, share)


def rows(
    inspection: Inspection, classes: Sequence[ClassInfo], colours: Mapping[str, str]
) -> tuple[FindingView, ...]:
    """The most probable classes of an image, the first first."""
    order = sorted(range(len(inspection.scores)), key=lambda k: -inspection.scores[k])[:_MOST_CLASSES]
    return tuple(
        FindingView(
            rank,
            colours.get(classes[k].name, "#888888"),
            (Cell(classes[k].name, None), probability(inspection.scores[k])),
        )
        for rank, k in enumerate(order, start=1)
    )
