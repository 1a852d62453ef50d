"""Keys of what is learned by: loss, optimiser, schedule, and what their options may be. Imports no torch."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from flawscope.training.option_ranges import (
    LOSS_OPTIONS,
    OPTIMISER_OPTIONS,
    SCHEDULE_OPTIONS,
    check_options,
)
from flawscope.training.section import Section

Options = dict[str, Any]


class LossTerm(Section):
    """One term of the loss; the terms are summed."""

    name: str = Field(description="Name in flawscope.training.losses.LOSSES.")
    weight: float = Field(default=1.0, gt=0, description="Factor of this term, above 0.")
    options: Options = Field(default_factory=dict, description="Options of that loss, e.g. alpha, gamma.")

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        check_options(LOSS_OPTIONS.get(self.name), self.options)
        return self


class OptimiserConfig(Section):
    """How the weights move."""

    name: str = Field(default="adamw", description="sgd, adagrad, adadelta, rmsprop, adam or adamw.")
    lr: float = Field(
        default=1e-3, gt=0, le=10, description="Learning rate (the peak, for schedules that rise)."
    )
    weight_decay: float = Field(
        default=1e-2, ge=0, le=1, description="Weight decay, 0..1; none on norms and biases."
    )
    options: Options = Field(default_factory=dict, description="Further options, e.g. momentum, betas.")

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        check_options(OPTIMISER_OPTIONS, self.options)
        return self


class ScheduleConfig(Section):
    """How the learning rate moves over the steps."""

    name: str = Field(default="onecycle", description="constant, plateau, cosine or onecycle.")
    warmup_steps: int = Field(default=0, ge=0, description="Steps of a linear rise before the schedule.")
    options: Options = Field(
        default_factory=dict,
        description="Options of that schedule, e.g. rise, final, factor, patience; a plateau watches the "
        "validation loss, with mode = 'max' train.monitor.",
    )

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        check_options(SCHEDULE_OPTIONS.get(self.name), self.options)
        return self
