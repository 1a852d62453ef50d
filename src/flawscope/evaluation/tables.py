"""Printed tables of the papers, and where each of their columns stands in ``metrics.json``.

``LAYOUTS`` maps the names of ``flawscope table --like NAME`` to a layout. A layout says which figure of ours
a column is, and keeps what the paper printed, so that both can stand side by side. Another table is another
entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flawscope.errors import UsageError

Row = tuple[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    """As printed."""
    figure: str
    """Where it stands: ``figures/NAME``, ``classes/CLASS/NAME`` (``*`` = the only foreground class)."""
    decimals: int = 3
    factor: float = 1.0
    """100 for percentages."""


@dataclass(frozen=True, slots=True)
class Printed:
    """One block as the paper prints it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a table is laid out."""

    title: str
    first: str
    """Heading of the first column."""
    columns: tuple[Column, ...]
    """Rows are runs; or, with ``sources``, rows are source sets, columns are runs, and this is one figure."""
    printed: tuple[Printed, ...]
    sources: bool = False
    note: str = ""


_COREDEEP_1 = ("mIoU", "mF1", "FN", "FP", "C_IoU", "B_IoU", "C_P", "C_R", "C_F1", "B_F1")
_COREDEEP_2 = ("Baseline", "Baseline+", "SW", "SW94", "SW95", "SW96")

_COREDEEP_1_R50: tuple[Row, ...] = (
    ("Baseline", (0.73, 0.82, 20, 32, 0.485, 0.98, 0.73, 0.60, 0.649, 0.99)),
    ("Baseline+", (0.75, 0.83, 22, 30, 0.515, 0.98, 0.72, 0.65, 0.676, 0.99)),
    ("SW", (0.71, 0.80, 16, 11, 0.464, 0.96, 0.51, 0.89, 0.624, 0.98)),
    ("SW94", (0.75, 0.83, 21, 2, 0.526, 0.98, 0.67, 0.76, 0.680, 0.99)),
    ("SW95", (0.75, 0.83, 22, 2, 0.526, 0.98, 0.68, 0.74, 0.680, 0.99)),
    ("SW96", (0.75, 0.83, 22, 1, 0.525, 0.98, 0.70, 0.71, 0.678, 0.99)),
)
_COREDEEP_1_B4: tuple[Row, ...] = (
    ("Baseline", (0.76, 0.84, 5, 2, 0.543, 0.98, 0.78, 0.65, 0.689, 0.99)),
    ("Baseline+", (0.77, 0.85, 15, 6, 0.557, 0.98, 0.73, 0.71, 0.705, 0.99)),
    ("SW", (0.71, 0.80, 8, 4, 0.458, 0.96, 0.49, 0.93, 0.615, 0.98)),
    ("SW94", (0.76, 0.84, 11, 2, 0.550, 0.98, 0.66, 0.81, 0.699, 0.99)),
    ("SW95", (0.76, 0.84, 12, 1, 0.553, 0.98, 0.68, 0.78, 0.701, 0.99)),
    ("SW96", (0.77, 0.84, 11, 1, 0.552, 0.98, 0.70, 0.75, 0.700, 0.99)),
)
_COREDEEP_2_R50: tuple[Row, ...] = (
    ("Sylvie Chambon", (0.262, 0.165, 0.495, 0.298, 0.278, 0.254)),
    ("Eugen Muller", (0.342, 0.548, 0.531, 0.626, 0.625, 0.619)),
    ("CRACK500", (0.552, 0.584, 0.578, 0.555, 0.547, 0.534)),
    ("cracktree200", (0.109, 0.04, 0.059, 0.113, 0.121, 0.131)),
    ("Volker", (0.585, 0.601, 0.548, 0.66, 0.664, 0.666)),
    ("DeepCrack", (0.669, 0.684, 0.491, 0.625, 0.634, 0.645)),
    ("forest", (0.253, 0.467, 0.212, 0.322, 0.334, 0.349)),
    ("Rissbilder", (0.474, 0.503, 0.395, 0.525, 0.533, 0.54)),
    ("GAPS384", (0.282, 0.331, 0.366, 0.333, 0.315, 0.29)),
    ("CFD", (0.276, 0.459, 0.186, 0.287, 0.299, 0.315)),
)
_COREDEEP_2_B4: tuple[Row, ...] = (
    ("Sylvie Chambon", (0.229, 0.401, 0.452, 0.277, 0.256, 0.24)),
    ("Eugen Muller", (0.602, 0.612, 0.496, 0.618, 0.625, 0.631)),
    ("CRACK500", (0.591, 0.625, 0.574, 0.609, 0.604, 0.596)),
    ("cracktree200", (0.076, 0.028, 0.079, 0.176, 0.179, 0.169)),
    ("Volker", (0.65, 0.66, 0.527, 0.656, 0.663, 0.67)),
    ("DeepCrack", (0.747, 0.726, 0.511, 0.685, 0.696, 0.705)),
    ("forest", (0.432, 0.317, 0.231, 0.381, 0.398, 0.415)),
    ("Rissbilder", (0.51, 0.524, 0.381, 0.52, 0.529, 0.536)),
    ("GAPS384", (0.41, 0.413, 0.365, 0.374, 0.356, 0.327)),
    ("CFD", (0.401, 0.301, 0.212, 0.356, 0.373, 0.39)),
)

LAYOUTS: dict[str, TableLayout] = {
    "coredeep-1": TableLayout(
        title="CoreDeep, table 1: approaches on the test part",
        first="Approach",
        columns=(
            Column("mIoU", "figures/miou_image_mean", 2),
            Column("mF1", "figures/mf1_image_mean", 2),
            Column("FN", "figures/image_fn", 0),
            Column("FP", "figures/image_fp", 0),
            Column("C_IoU", "classes/*/iou_image_mean"),
            Column("B_IoU", "classes/background/iou_image_mean", 2),
            Column("C_P", "classes/*/precision_image_mean", 2),
            Column("C_R", "classes/*/recall_image_mean", 2),
            Column("C_F1", "classes/*/f1_image_mean"),
            Column("B_F1", "classes/background/f1_image_mean", 2),
        ),
        printed=(
            Printed("(a) ResNet-50", _COREDEEP_1, _COREDEEP_1_R50),
            Printed("(b) EfficientNet-B4", _COREDEEP_1, _COREDEEP_1_B4),
        ),
        note="IoU, precision, recall and F1 are means over images; FN and FP count images.",
    ),
    "coredeep-2": TableLayout(
        title="CoreDeep, table 2: crack IoU of each source set",
        first="Dataset",
        columns=(Column("C_IoU", "figures/iou_image_mean"),),
        printed=(
            Printed("(a) ResNet-50", _COREDEEP_2, _COREDEEP_2_R50),
            Printed("(b) EfficientNet-B4", _COREDEEP_2, _COREDEEP_2_B4),
        ),
        sources=True,
        note="Means over the images of a set that show a crack.",
    ),
    "attention-1": TableLayout(
        title="Full Attention U-Net, table 1: mIoU of four trained networks on ISBI 2012",
        first="Network",
        columns=(Column("mIoU (%)", "figures/miou_image_mean", 2, 100.0),),
        printed=(
            Printed(
                "50 epochs, batch 2, learning rate 1e-5",
                ("mIoU (%)",),
                (
                    ("U-net", (85.59,)),
                    ("Attention U-net", (90.85,)),
                    ("Advanced Attention U-net", (85.88,)),
                    ("Full Attention U-net", (90.02,)),
                ),
            ),
        ),
        note="The paper does not say which images it was measured on; the set has no labelled test part.",
    ),
}
"""Every table by name."""


def layout_named(name: str) -> TableLayout:
    """The layout of that name. Raises UsageError."""
    if name not in LAYOUTS:
        raise UsageError(f"There is no table {name!r}.\nExpected one of: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its limits, as the table shows it (factor applied)."""

    value: float | None
    decimals: int = 3
    low: float | None = None
    high: float | None = None
    sd: float | None = None

    def text(self, limits: bool = False) -> str:
        """The number, or ``-``; with ``limits`` also its 95 % limits or the sd over folds."""
        if self.value is None:
            return "-"
        shown = f"{self.value:.{self.decimals}f}"
        if limits and self.low is not None and self.high is not None:
            return f"{shown} [{self.low:.{self.decimals}f}, {self.high:.{self.decimals}f}]"
        return f"{shown} sd {self.sd:.{self.decimals}f}" if limits and self.sd is not None else shown


def cell_of(metrics: Mapping[str, Any], column: Column) -> Cell:
    """The figure of a column in the content of a ``metrics.json``; empty where it has none.

    Raises UsageError where ``*`` stands for several classes.
    """
    kind, *path, name = column.figure.split("/")
    figures: Any = metrics.get(kind, {})
    for key in path:
        figures = figures.get(_only_class(metrics) if key == "*" else key, {})
    return _cell(figures.get(name), column)


def source_cells(metrics: Mapping[str, Any], column: Column) -> dict[str, Cell]:
    """The figure of a column for each source set."""
    name = column.figure.rpartition("/")[2]
    return {
        source: _cell(figures.get(name), column) for source, figures in metrics.get("sources", {}).items()
    }


def _cell(figure: Mapping[str, float | None] | None, column: Column) -> Cell:
    scaled = {
        key: None if value is None else value * column.factor
        for key in ("value", "low", "high", "sd")
        for value in [(figure or {}).get(key)]
    }
    return Cell(scaled["value"], column.decimals, scaled["low"], scaled["high"], scaled["sd"])


def _only_class(metrics: Mapping[str, Any]) -> str:
    names = [name for name in metrics.get("classes", {}) if name != "background"]
    if len(names) != 1:
        raise UsageError(
            f"The table is of one class; the figures have {len(names)}: {', '.join(names)}.\n"
            "Evaluate with --map TRUTH=MODEL so that one class is left."
        )
    return str(names[0])
