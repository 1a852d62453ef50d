"""Keys of frozen encoders and of runs of folds (``[encoder]``, ``[folds]``). Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flawscope.training.section import Section


class EncoderConfig(Section):
    """An encoder that was trained before: how long it is held still, and how slowly it learns after that."""

    freeze: bool = Field(
        False,
        description="Hold the encoder's weights still. Needs weights (model.options.encoder_weights or "
        "train.init); without any the run goes unfrozen and says so.",
    )
    norm: Literal["train", "freeze"] = Field(
        "train",
        description="Its batch normalisation while it is frozen: train: scales, offsets and statistics go on "
        "learning, as Keras' encoder_freeze has it; freeze: they stay, too.",
    )
    unfreeze_at: int = Field(
        0, ge=0, description="Epoch, counted from 0, from which on the encoder learns; 0 = never."
    )
    lr_factor: float = Field(
        1.0, gt=0, le=1, description="Its learning rate as a share of the others', above 0 up to 1."
    )


class FoldsConfig(Section):
    """How a run of folds is made. The thesis: copies before, weights carried; both let a fold see its
    validation images."""

    count: int = Field(0, ge=0, description="Folds when --folds is not given; 0 = one run.")
    copies: Literal["inside", "before"] = Field(
        "inside",
        description="Copies of data.balance are made inside: of each fold's training part; before: of all "
        "images, before they are dealt to folds, so that copies of one photograph validate on each other.",
    )
    weights: Literal["afresh", "carried"] = Field(
        "afresh",
        description="Every fold starts afresh, or goes on with the weights that the fold before kept "
        "(train.keep: of its best epoch, or its last), which were trained on its validation images.",
    )
