"""Parameters of networks in the rows of printed tables: only here may tables and networks meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawscope.evaluation.table_runs import Wanted
    from flawscope.evaluation.table_text import Labelled

_COUNTED = "ours, as Keras counts"
_DERIVED = "its like in Keras, derived"
"""Another network than ours, with other skips: its figures must not be taken for ours."""


def parameters_of(network: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Figures of ``parameters/NAME`` for a network, and what they are in words.

    None (``{}``, and ``ours``) without torch, or where no table has its like.
    """
    from flawscope.evaluation.table_text import OURS

    try:
        import torch  # noqa: F401
    except ImportError:
        return {}, OURS
    from flawscope.models.keras_count import figure_62, is_derived

    found = figure_62(network, options)
    if not found:
        return {}, OURS
    return {"parameters": found}, _DERIVED if is_derived(network) else _COUNTED


def with_parameters(rows: Sequence[Labelled], wanted: Sequence[Wanted]) -> list[Labelled]:
    """Rows with the parameters of the networks that were asked for; figures without a model stay alone."""
    return [_with(row, one) for row, one in zip(rows, wanted, strict=True)]


def _with(row: Labelled, one: Wanted) -> Labelled:
    found, origin = _of_model(one)
    return replace(row, metrics={**row.metrics, **found}, parameters_are=origin)


def _of_model(one: Wanted) -> tuple[dict[str, Any], str]:
    from flawscope.bundle import Bundle
    from flawscope.errors import UsageError
    from flawscope.evaluation.runs import find_models
    from flawscope.evaluation.table_text import OURS

    try:
        models = find_models(one.path)
    except UsageError:
        return {}, OURS
    stage = Bundle.load(models.bundle or models.folds[0]).manifest.stages[-1]
    return parameters_of(stage.network.name, stage.network.options)
