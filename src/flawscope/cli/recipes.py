"""``flawscope recipes``: lists the training recipes, or prints one with its network's layers and cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flawscope.training.config import TrainConfig


_POINTWISE = {"ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Identity", "Dropout", "Dropout2d"}
"""Layers that would only lengthen the table: they have no weights and keep the shape."""


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe, or a TOML file; none lists all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the training recipes, or print one with its network's layers, parameters and cost.

    Layers and cost need `pip install 'flawscope[train]'`; GFLOP = 2 x multiply-adds, 10^9 of them, for one
    image of the size that the recipe trains on.
    """
    if name is None:
        typer.echo(_listing(as_json))
        return
    from flawscope.training.config_load import dump_config, load_config

    config = load_config(name)
    cost = _cost(config)
    if as_json:
        typer.echo(json.dumps({"recipe": config.model_dump(mode="json"), "cost": cost}, ensure_ascii=False))
        return
    typer.echo(f"# {name}: {config.description}\n# Every key, defaults included; copy, change, train.\n")
    typer.echo(dump_config(config))
    typer.echo(_cost_text(config, cost))
    if config.tables:
        typer.echo(_tables_text(config.tables))


def _tables_text(names: Sequence[str]) -> str:
    """What the paper printed, as comments below the recipe."""
    from flawscope.evaluation.table_text import make_table, markdown
    from flawscope.evaluation.tables import layout_named

    lines = []
    for name in names:
        text = markdown(make_table(layout_named(name), []))
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
    if config.data.crop_px:
        return config.data.crop_px, config.data.crop_px
    size_hw = getattr(config.input, "size_hw", None)
    if config.input.mode == "resize" and size_hw:
        return int(size_hw[0]), int(size_hw[1])
    return config.input.size_px, config.input.size_px


def _cost(config: TrainConfig) -> dict[str, Any] | None:
    """Cost of the recipe's network with one class, or None where torch is not installed."""
    try:
        import torch
    except ImportError:
        return None
    from dataclasses import asdict

    from flawscope.models.build import build_model
    from flawscope.models.cost import count

    outputs = 2 if config.input.activation == "softmax" else 1
    # Weights from a file or the hub do not change the cost.
    options = {key: value for key, value in config.model.options.items() if key != "encoder_weights"}
    channels = config.input.channel_count
    with torch.device("meta"):
        model = build_model(config.model.name, **options, in_channels=channels, classes=outputs)
    return {"size_hw": _size_hw(config), **asdict(count(model, _size_hw(config), channels))}


def _cost_text(config: TrainConfig, cost: dict[str, Any] | None) -> str:
    if cost is None:
        return "# Layers and cost: pip install 'flawscope[train]'"
    height, width = cost["size_hw"]
    lines = [f"# Network {config.model.name}, one image of {height} x {width} px, one class:"]
    lines += [f"#   {'layer':<34} {'kind':<16} {'output':<18} {'parameters':>11} {'GFLOP':>8}"]
    for layer in cost["layers"]:
        if not layer["parameters"] and layer["kind"] in _POINTWISE:
            continue
        shape = " x ".join(map(str, layer["output_shape"]))
        lines.append(
            f"#   {layer['name']:<34} {layer['kind']:<16} {shape:<18} {layer['parameters']:>11,} "
            f"{layer['gflop']:>8.3f}"
        )
    lines.append(
        f"# {cost['parameters']:,} parameters ({cost['parameters_keras']:,} as Keras counts, with moving "
        f"statistics), {cost['gflop']:.2f} GFLOP, {cost['activation_mib']:.0f} MiB of activations."
    )
    return "\n".join(lines)
