"""The capstone on Severstal in two steps (Terra, 2020): figures 17 and 19."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, Row, TableLayout

_TITLES = ("Loss", "Accuracy", "F1", "Precision", "Recall")
_FIGURES = ("loss", "accuracy", "f1_macro", "precision_macro", "recall_macro")

_BENCHMARKS = Printed(
    "segmentation kernels, in its text",
    _TITLES,
    (
        ("B1: U-Net, ResNet-18, 50 epochs (its F1: Dice)", (0.02, None, 0.8, None, None)),
        ("B2: U-Net, ResNet-34, 30 epochs (its F1: Dice)", (0.01, None, 0.7, None, None)),
    ),
)


def _layout(step: str, title: str, printed: tuple[Row, ...], note: str) -> TableLayout:
    columns = tuple(
        Column(head, f"steps/{step}/figures/{name}", 3) for head, name in zip(_TITLES, _FIGURES, strict=True)
    )
    blocks = (Printed("capstone", _TITLES, printed), _BENCHMARKS)
    return TableLayout(title, "Images", columns, blocks, note=note)


TABLES: dict[str, TableLayout] = {
    "capstone-17": _layout(
        "gate",
        "Capstone, figure 17: the first step, clean or defective",
        (
            ("training set", (0.238817, 0.917954, 0.921498, 0.884169, 0.966085)),
            ("test set", (0.308860, 0.916667, 0.925556, 0.912857, 0.939231)),
        ),
        "The capstone's F1, precision and recall are means over batches, ours count all images. Its "
        "benchmarks measure the overlap of masks: their numbers lie on another scale.",
    ),
    "capstone-19": _layout(
        "classes",
        "Capstone, figure 19: the second step, which defect",
        (
            ("training set", (0.281925, 0.893822, 0.893985, 0.867077, 0.924242)),
            ("test set", (0.320426, 0.847222, 0.859759, 0.845915, 0.875000)),
        ),
        "On the images that have a defect. Ours are means over the classes; the capstone's pool all (image, "
        "class) pairs at one half, as means over batches. Its benchmarks measure the overlap of masks.",
    ),
}
