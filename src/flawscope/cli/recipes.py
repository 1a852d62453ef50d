"""``flawscope recipes``: lists the training recipes, or prints one with its network's layers and cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flawscope.evaluation.table_text import Labelled, Table
    from flawscope.models.cost import Cost
    from flawscope.training.config import TrainConfig

_NO_TORCH = "# Layers and cost: pip install 'flawscope[train]'"


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe, or a TOML file; none lists all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the training recipes, or print one with its network's layers, parameters and cost.

    Layers and cost need `pip install 'flawscope[train]'`; GFLOP = 2 x multiply-adds, 10^9 of them, for one
    image of the size that the recipe trains on. Of two steps both networks are told; in JSON `cost` is then
    the second one's and `gate_cost` the gate's.
    """
    if name is None:
        typer.echo(_listing(as_json))
        return
    from flawscope.training.config_load import dump_config, load_config

    config = load_config(name)
    told = [(step, one, _cost(one)) for step, one in _steps(config)]
    if as_json:
        from flawscope.evaluation.table_text import records

        sized = _sized(name, config)
        printed = {table: records(_table(table, sized)) for table in config.tables}
        shown = [_cost_record(one, cost) for _, one, cost in told]
        costs = {"cost": shown[-1], "gate_cost": shown[0] if len(shown) > 1 else None}
        content = {"recipe": config.model_dump(mode="json"), **costs, "tables": printed}
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    typer.echo(f"# {name}: {config.description}\n# Every key, defaults included; copy, change, train.\n")
    typer.echo(dump_config(config))
    typer.echo("\n#\n".join(_cost_text(step, one, cost) for step, one, cost in told if cost) or _NO_TORCH)
    if config.tables:
        typer.echo(_tables_text(config.tables, _sized(name, config)))


def _steps(config: TrainConfig) -> list[tuple[str, TrainConfig]]:
    """What is trained, in order: each step's name, empty where there is one network, and configuration."""
    from flawscope.training.two_step_config import CLASSES, GATE, classes_config, gate_config

    if config.two_step.steps == "off":
        return [("", config)]
    # Whatever the classes are, the gate knows one: a defect.
    steps = [(GATE, gate_config(config).model_copy(update={"expected_classes": 1}))]
    return steps if config.two_step.steps == "gate" else [*steps, (CLASSES, classes_config(config))]


def _sized(name: str, config: TrainConfig) -> list[Labelled]:
    """The recipe as a row of the tables that tell parameters."""
    from flawscope.cli._parameters import parameters_of
    from flawscope.evaluation.table_text import Labelled

    given = {"in_channels": config.input.channel_count, "classes": _outputs(config)}
    found, origin = parameters_of(config.model.name, {**config.model.options, **given})
    return [Labelled(name, found, origin)] if found else []


def _table(name: str, sized: Sequence[Labelled]) -> Table:
    """A paper's table as it was printed; where it tells parameters, with those of the recipe."""
    from flawscope.evaluation.table_text import make_table
    from flawscope.evaluation.tables import layout_named

    layout = layout_named(name)
    return make_table(layout, sized if layout.tells_parameters else [])


def _tables_text(names: Sequence[str], sized: Sequence[Labelled]) -> str:
    """What the paper printed, as comments below the recipe."""
    from flawscope.evaluation.table_text import markdown

    lines = []
    for name in names:
        text = markdown(_table(name, sized))
        lines += [f"#\n# Your runs beside these: flawscope table RUN... --like {name}"]
        lines += [f"# {line}".rstrip() for line in text.splitlines()]
    return "\n".join(lines)


def _listing(as_json: bool) -> str:
    from flawscope.training.config_load import read_recipe, recipe_names

    about = {name: str(read_recipe(name)[1].get("description", "")) for name in recipe_names()}
    if as_json:
        return json.dumps(about, ensure_ascii=False)
    width = max(map(len, about), default=0)
    lines = [f"{name:<{width}}  {text}" for name, text in about.items()]
    return "\n".join([*lines, "", "Print one with its network and cost: flawscope recipes NAME"])


def _size_hw(config: TrainConfig) -> tuple[int, int]:
    """What the network sees in one training step: a crop, else the resized image, else a tile."""
    if config.data.crop_px and config.task == "segmentation":
        return config.data.crop_px, config.data.crop_px
    size_hw = getattr(config.input, "size_hw", None)
    if config.input.mode == "resize" and size_hw:
        return int(size_hw[0]), int(size_hw[1])
    return config.input.size_px, config.input.size_px


def _outputs(config: TrainConfig) -> int:
    """Outputs for the classes that the recipe was made for; background too where masks are exclusive."""
    background = config.task == "segmentation" and config.input.activation == "softmax"
    return (config.expected_classes or 1) + background


def _cost(config: TrainConfig) -> Cost | None:
    """Cost of the recipe's network, or None where torch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return None
    from flawscope.models.describe import cost_of

    size_hw = _size_hw(config)
    options = dict(config.model.options)
    if config.task == "classification":
        options["size_hw"] = size_hw
    return cost_of(config.model.name, options, size_hw, config.input.channel_count, _outputs(config))


def _cost_record(config: TrainConfig, cost: Cost | None) -> dict[str, Any] | None:
    from dataclasses import asdict

    return {"size_hw": _size_hw(config), **asdict(cost)} if cost else None


def _cost_text(step: str, config: TrainConfig, cost: Cost) -> str:
    from flawscope.models.describe import layer_table, totals

    (height, width), count = _size_hw(config), config.expected_classes or 1
    classes = "one class" if count == 1 else f"{count} classes"
    what = f"Step {step}, network" if step else "Network"
    lines = [f"# {what} {config.model.name}, one image of {height} x {width} px, {classes}:"]
    lines += [f"#   {line}" for line in layer_table(cost)]
    return "\n".join([*lines, *(f"# {line}" for line in totals(cost, config.train.batch))])
