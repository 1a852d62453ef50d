"""The thesis on U-Nets with ResNet and EfficientNet encoders for Severstal: chapter 4, figures 61, 62, 65."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, Row, TableLayout

_SIZES = ("Total", "Trainable")

_LADDER = (
    Column("Epochs", "training/epochs", 0),
    Column("Train Dice", "training/train_dice"),
    Column("Val Dice", "training/val_dice"),
    Column("Train loss", "training/train_loss", 4),
    Column("Val loss", "training/val_loss", 4),
)

_FITTING = (
    Column("Minutes", "training/minutes_all", 2),
    Column("Train loss", "training/train_loss", 5),
    Column("Val loss", "training/val_loss", 5),
    Column("Train Dice", "training/train_dice"),
    Column("Val Dice", "training/val_dice"),
    Column("Test loss", "training/test_loss", 3),
    Column("Test Dice", "training/test_dice"),
)

_CELLS = ("tn", "fp", "fn", "tp")


def _presence() -> tuple[Column, ...]:
    columns = [
        Column("All right", "figures/exact_match"),
        Column("Each right", "figures/presence_accuracy"),
    ]
    for k in range(1, 5):
        columns += [Column(f"{cell.upper()} {k}", f"classes/#{k}/image_{cell}", 0) for cell in _CELLS]
        columns.append(Column(f"Accuracy {k}", f"classes/#{k}/image_accuracy"))
    return tuple(columns)


_PRESENCE = _presence()

_61: tuple[Row, ...] = (
    ("ResNet-34", (104.75, 0.00311, 0.00311, 0.904, 0.904, 0.033, 0.692)),
    ("ResNet-50", (147.91, 0.00194, 0.00194, 0.938, 0.938, 0.038, 0.701)),
    ("ResNet-101", (182.82, 0.00252, 0.0025, 0.926, 0.928, 0.036, 0.701)),
    ("EfficientNet-B0", (117.58, 0.00254, 0.00254, 0.927, 0.926, 0.047, 0.668)),
    ("EfficientNet-B1", (126.39, 0.0023, 0.0023, 0.927, 0.927, 0.039, 0.696)),
    ("EfficientNet-B3", (162.6, 0.0022, 0.0023, 0.924, 0.927, 0.034, 0.714)),
    ("EfficientNet-B5", (255.26, 0.0017, 0.0018, 0.941, 0.94, 0.045, 0.711)),
    ("EfficientNet-B7", (389.69, 0.0023, 0.0024, 0.926, 0.925, 0.034, 0.714)),
)

# Exact match, mean accuracy; then TN, FP, FN, TP and accuracy of each defect type.
_65: tuple[Row, ...] = (
    ("ResNet-34", (0.7, 0.915, 167, 15, 12, 56, 0.892, 189, 1, 13, 47, 0.944, 129, 28, 13, 80, 0.836,
                   168, 2, 1, 79, 0.988)),
    ("ResNet-50", (0.764, 0.933, 172, 10, 12, 56, 0.912, 190, 0, 14, 46, 0.944, 139, 18, 11, 82, 0.884,
                   169, 1, 12, 79, 0.992)),
    ("ResNet-101", (0.756, 0.927, 173, 9, 11, 57, 0.92, 187, 3, 13, 47, 0.936, 138, 19, 15, 78, 0.864,
                    168, 2, 1, 79, 0.988)),
    ("EfficientNet-B0", (0.748, 0.928, 173, 9, 17, 51, 0.896, 189, 1, 9, 51, 0.96, 139, 18, 15, 78, 0.868,
                         168, 2, 1, 79, 0.988)),
    ("EfficientNet-B1", (0.772, 0.933, 177, 5, 15, 53, 0.92, 188, 2, 8, 52, 0.96, 141, 16, 17, 76, 0.832,
                         167, 3, 1, 79, 0.984)),
    ("EfficientNet-B3", (0.804, 0.943, 178, 4, 15, 53, 0.924, 188, 2, 8, 52, 0.96, 140, 17, 10, 83, 0.892,
                         169, 1, 0, 80, 0.996)),
    ("EfficientNet-B5", (0.82, 0.949, 177, 5, 13, 55, 0.928, 189, 1, 7, 53, 0.968, 144, 13, 10, 83, 0.908,
                         169, 1, 1, 79, 0.992)),
    ("EfficientNet-B7", (0.804, 0.943, 178, 4, 15, 53, 0.924, 188, 2, 8, 52, 0.96, 140, 17, 10, 83, 0.892,
                         169, 1, 0, 80, 0.996)),
)  # fmt: skip


def _titles(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.title for column in columns)


TABLES: dict[str, TableLayout] = {
    "thesis-ladder": TableLayout(
        title="Thesis, chapter 4: one hold-out of 20 %, nothing balanced",
        first="Network",
        columns=_LADDER,
        printed=(
            Printed(
                "chapter 4",
                _titles(_LADDER),
                (
                    ("plain U-Net", (45, 0.77, 0.59, 0.01, 0.03)),
                    ("ResNet, lowest", (35, 0.80, 0.65, 0.01, 0.03)),
                    ("ResNet, highest", (40, 0.83, 0.68, 0.0079, 0.02)),
                    ("EfficientNet-B5", (None, 0.88, 0.70, 0.0052, 0.034)),
                ),
            ),
        ),
        note="Up to 200 epochs, patience 15. For the ResNets ranges over 34, 50 and 101 layers are printed. "
        "Ours: --folds 0 --set data.balance.method=none --set train.epochs=200.",
    ),
    "thesis-61": TableLayout(
        title="Thesis, figure 61: minutes of five folds together, means over folds, and the test part",
        first="Encoder",
        columns=_FITTING,
        printed=(Printed("figure 61", _titles(_FITTING), _61),),
        note="Minutes: of all folds together; printed: on a Tesla P100. "
        "Loss: binary cross-entropy. Dice: soft, of 16 images at a time. "
        "In the thesis copies were made before the folds and one set of weights went through all of them, so "
        "its validation images were trained on: the distance to its test part shows it.",
    ),
    "thesis-62": TableLayout(
        title="Thesis, figure 62: parameters of the networks",
        first="Encoder",
        columns=(
            Column("Total", "parameters/keras", 0),
            Column("Trainable", "parameters/keras_trainable", 0),
        ),
        printed=(
            Printed(
                "figure 62",
                _SIZES,
                (
                    ("ResNet-34", (24_456_589, 3_167_495)),
                    ("ResNet-50", (32_561_549, 9_059_079)),
                    ("ResNet-101", (51_605_901, 9_111_303)),
                    ("EfficientNet-B0", (10_115_936, 6_106_404)),
                    ("EfficientNet-B1", (12_641_604, 6_126_436)),
                    ("EfficientNet-B3", (17_868_268, 7_170_052)),
                    ("EfficientNet-B5", (37_469_108, 9_126_340)),
                    ("EfficientNet-B7", (75_048_532, 11_259_588)),
                ),
            ),
        ),
        note="As Keras counts, encoder frozen but for its batch normalisation; the plain U-Net has 600,756, "
        "all trainable. Over an encoder: what the thesis's network has, derived from ours, which has fewer "
        "(docs/severstal.md).",
    ),
    "thesis-65": TableLayout(
        title="Thesis, figure 65: which defect types an image shows",
        first="Encoder",
        columns=_PRESENCE,
        printed=(Printed("figure 65", _titles(_PRESENCE), _65),),
        note="250 test images. A type is told from 200 of 102,400 marked pixels on. One cell cannot be as "
        "printed: 169 + 1 + 12 + 79 of ResNet-50's type 4 are 261 images; 1 for 12 fits its accuracy.",
    ),
}
