"""Parameters of networks in the rows of printed tables: only here may tables and networks meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawscope.evaluation.table_runs import Wanted
    from flawscope.evaluation.table_text import Labelled


def parameters_of(network: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of ``parameters/NAME`` for a network; none without torch, or where no table has its like."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return {}
    from flawscope.models.keras_count import figure_62

    found = figure_62(network, options)
    return {"parameters": found} if found else {}


def with_parameters(rows: Sequence[Labelled], wanted: Sequence[Wanted]) -> list[Labelled]:
    """Rows with the parameters of the networks that were asked for; figures without a model stay alone."""
    return [
        replace(row, metrics={**row.metrics, **_of_model(one)}) for row, one in zip(rows, wanted, strict=True)
    ]


def _of_model(one: Wanted) -> dict[str, Any]:
    from flawscope.bundle import Bundle
    from flawscope.errors import UsageError
    from flawscope.evaluation.runs import find_models

    try:
        models = find_models(one.path)
    except UsageError:
        return {}
    stage = Bundle.load(models.bundle or models.folds[0]).manifest.stages[-1]
    return parameters_of(stage.network.name, stage.network.options)
