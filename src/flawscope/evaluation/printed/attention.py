"""Full Attention U-Net: table 1."""

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
}
