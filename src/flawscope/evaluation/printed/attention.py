"""Full Attention U-Net: table 1, and what the text says of its crack photographs."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, TableLayout

_COLUMNS = (
    Column("mIoU (%)", "figures/iou_image_mean", 2, 100.0),
    Column("mean with background (%)", "figures/miou_image_mean", 2, 100.0),
)
_TITLES = tuple(column.title for column in _COLUMNS)
_RULE = (
    "mIoU: IoU of what is looked for, mean over images (equation 2); ours also averaged with the background."
)
"""Why: docs/decisions/0004."""

TABLES: dict[str, TableLayout] = {
    "attention-1": TableLayout(
        title="Full Attention U-Net, table 1: mIoU of four trained networks on ISBI 2012",
        first="Network",
        columns=_COLUMNS,
        printed=(
            Printed(
                "50 epochs, batch 2, learning rate 1e-5",
                _TITLES,
                (
                    ("U-net", (85.59, None)),
                    ("Attention U-net", (90.85, None)),
                    ("Advanced Attention U-net", (85.88, None)),
                    ("Full Attention U-net", (90.02, None)),
                ),
            ),
        ),
        note=f"{_RULE} The paper does not say on which images; the set has no labelled test part.",
    ),
    "attention-cracks": TableLayout(
        title="Full Attention U-Net, validation: mIoU on crack photographs made 682 x 256",
        first="Checkpoint",
        columns=_COLUMNS,
        printed=(
            Printed(
                "Full Attention U-net, in the text and below figure 9",
                _TITLES,
                (
                    ("best, all test photographs", (49.67, None)),
                    ("incompletely trained, one photograph", (46.54, None)),
                    ("overtrained, one photograph", (48.92, None)),
                ),
            ),
        ),
        note=f"{_RULE} Counted on the network's grid (--at network). The photographs were not published.",
    ),
}
