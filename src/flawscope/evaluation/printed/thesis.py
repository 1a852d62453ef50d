"""The thesis on U-Nets with ResNet and EfficientNet encoders for Severstal: figure 62."""

from __future__ import annotations

from flawscope.evaluation.printed.layout import Column, Printed, TableLayout

_SIZES = ("Total", "Trainable")

TABLES: dict[str, TableLayout] = {
    "thesis-62": TableLayout(
        title="Thesis, figure 62: parameters of the networks",
        first="Encoder",
        columns=(Column("Total", "", 0), Column("Trainable", "", 0)),
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
        note="As Keras counts, encoder frozen but for its batch normalisation. Derived from our networks in "
        "flawscope/models/keras_count.py. The plain U-Net has 600,756, all trainable.",
    ),
}
