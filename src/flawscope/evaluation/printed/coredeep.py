"""CoreDeep (2023): tables 1 and 2."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, Row, TableLayout

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

TABLES: dict[str, TableLayout] = {
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
}
