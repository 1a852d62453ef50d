"""Keys that only classification knows (``[classify]``). Imports no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from flawscope.training.section import Section

LOSSES_OF_LABELS = ("cross_entropy", "bce", "focal")
"""Losses that make sense of one answer an image; the others measure overlaps of areas."""


class ElasticConfig(Section):
    """Every pixel moved a little, neighbours alike (Simard, Steinkraus, Platt 2003)."""

    p: float = Field(0.0, ge=0, le=1, description="Probability for an image, 0..1.")
    amount_px: float = Field(1.0, ge=0, le=100, description="Standard deviation of the way, in px.")
    smooth_px: float = Field(7.0, ge=1, le=1000, description="Distance over which ways change, in px.")


class EraseConfig(Section):
    """A rectangle of the image replaced by its mean grey."""

    p: float = Field(0.0, ge=0, le=1, description="Probability for an image, 0..1.")
    share: tuple[float, float] = Field(
        (0.1, 0.4), description="Smallest and largest edge, as shares of the image's, 0..1."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.share[0] <= self.share[1] <= 1:
            raise ValueError(f"share is {list(self.share)}; expected smallest and largest, above 0 up to 1")
        return self


class ClassifyConfig(Section):
    """Whole images and their labels. Keys of [augment] hold too; whole batches are varied at once."""

    shift_px: int = Field(
        0, ge=0, le=1000, description="Largest shift by whole pixels either way, in px, as by a padded crop."
    )
    elastic: ElasticConfig = Field(default_factory=ElasticConfig, description="Elastic distortion.")
    erase: EraseConfig = Field(default_factory=EraseConfig, description="Erased rectangles.")
    train_figures: int = Field(
        0,
        ge=0,
        description="Training images, drawn once and not varied, on which accuracy and F1 are counted at "
        "each validation too; 0 = none.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: rare classes weigh more in the loss. softmax: images / (classes x own images) "
        "for each class; sigmoid: images without / images with the class (.01 to 100) for its presence, so "
        "that a gate's defective images weigh as much as its clean ones.",
    )
    sampling: Literal["all", "balanced"] = Field(
        "all", description="all: each image once an epoch; balanced: each class as often as any other."
    )
