"""Full Attention U-Net: table 1, and what the text says of its crack photographs."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, TableLayout

TABLES: dict[str, TableLayout] = {
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
    "attention-cracks": TableLayout(
        title="Full Attention U-Net, validation: mIoU on crack photographs made 682 x 256",
        first="Checkpoint",
        columns=(Column("mIoU (%)", "figures/miou_image_mean", 2, 100.0),),
        printed=(
            Printed(
                "Full Attention U-net, in the text and below figure 9",
                ("mIoU (%)",),
                (
                    ("best, all test photographs", (49.67,)),
                    ("incompletely trained, one photograph", (46.54,)),
                    ("overtrained, one photograph", (48.92,)),
                ),
            ),
        ),
        note="Counted on the network's grid (--at network). The photographs were not published.",
    ),
}
