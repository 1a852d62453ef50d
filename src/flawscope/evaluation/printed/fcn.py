"""Fully convolutional networks (Long et al. 2015): what skips bring, on PASCAL VOC."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, TableLayout

TABLES: dict[str, TableLayout] = {
    "fcn-voc": TableLayout(
        title="FCN: mean IU on the validation part of PASCAL VOC 2011, VGG-16",
        first="Network",
        columns=(Column("mean IU (%)", "figures/iou_pooled", 1, 100.0),),
        printed=(
            Printed(
                "skips refined one after another",
                ("mean IU (%)",),
                (("FCN-32s", (59.4,)), ("FCN-16s", (62.4,)), ("FCN-8s", (62.7,))),
            ),
        ),
        note="The mean over 21 classes of another data set: only the order of the rows can be compared with "
        "runs on defects, whose column is the IoU of their one class.",
    ),
}
