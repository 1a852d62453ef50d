"""Keys of training in two steps (``[two_step]``), and the configuration of each step. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from flawscope.training.section import Section

if TYPE_CHECKING:
    from flawscope.training.config import TrainConfig

GATE, CLASSES = "gate", "classes"
"""Names of the steps and of their folders in a run."""


class TwoStepConfig(Section):
    """A gate that tells defective images from clean ones, then a class of each defective image."""

    steps: Literal["off", "gate", "both"] = Field(
        "off",
        description="both: a gate, then classes, as one bundle; gate: the gate alone, to be put before "
        "another network; off: one network.",
    )
    gate: dict[str, Any] = Field(
        default_factory=dict,
        description="Keys that differ for the gate, sections and all, e.g. train.batch. Its head is a "
        "sigmoid and its loss bce unless said here.",
    )
    gate_share: float = Field(
        0.5, gt=0, lt=1, description="Share of train.minutes that the gate may use, 0..1."
    )
    miss_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Largest share of defective images that the gate may take for clean: sets its threshold "
        "on the validation images. Not set: validation.threshold_rule does.",
    )
    protocol: Literal["none", "capstone-binary"] = Field(
        "none",
        description="Split where none is given: capstone-binary = per_class images of each class alone and "
        "as many clean ones, 10 % test, 20 % of the rest validation.",
    )
    per_class: int = Field(180, ge=1, description="Images of each class by the protocol.")


def gate_config(config: TrainConfig) -> TrainConfig:
    """The configuration of the first step. Raises ConfigError where its own keys are wrong."""
    table = _plain(config)
    table["input"]["activation"] = "sigmoid"
    table["loss"] = [{"name": "bce"}]
    table["bundle"]["name"] = f"{config.bundle.name or config.recipe} gate".strip()
    if config.train.minutes is not None:
        table["train"]["minutes"] = config.train.minutes * _share(config)
    return _checked(_merged(table, config.two_step.gate), "two_step.gate")


def classes_config(config: TrainConfig) -> TrainConfig:
    """The configuration of the second step: all that is said outside ``[two_step]``."""
    table = _plain(config)
    table["bundle"]["name"] = f"{config.bundle.name or config.recipe} classes".strip()
    return _checked(table, "classes")


def _share(config: TrainConfig) -> float:
    return config.two_step.gate_share if config.two_step.steps == "both" else 1.0


def _plain(config: TrainConfig) -> dict[str, Any]:
    table = config.model_dump(mode="json")
    table["two_step"] = {}
    return table


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are joined, values replaced."""
    out = dict(table)
    for key, value in changes.items():
        old = out.get(key)
        joined = isinstance(old, Mapping) and isinstance(value, Mapping) and key != "options"
        out[key] = _merged(old, value) if joined else value  # type: ignore[arg-type]
    return out


def _checked(table: Mapping[str, Any], where: str) -> TrainConfig:
    # The reader of configurations needs this module for its model.
    from flawscope.training.config_load import parse_config

    return parse_config(table, where)
