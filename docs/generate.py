"""Writes the generated pages: docs/commands.md from the verbs, docs/configuration.md from the configuration.

Run it with ``make docs``; CI refuses pages that are not what it writes.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flawscope.cli.app import VERBS, main
from flawscope.training.config import TrainConfig
from flawscope.training.losses import LOSSES
from flawscope.training.option_ranges import (
    CONCRETE_OPTIONS,
    CRACK_OPTIONS,
    LOSS_OPTIONS,
    OPTIMISER_OPTIONS,
    SCHEDULE_OPTIONS,
)
from flawscope.training.toml_writer import to_toml

HERE = Path(__file__).parent
NOTE = "<!-- Written by `make docs`; change the source, not this page. -->\n"


def help_of(arguments: list[str]) -> str:
    """What ``flawscope ARGUMENTS --help`` prints on a terminal of 100 columns."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        main([*arguments, "--help"])
    return "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())


def commands_page() -> str:
    """The page of all verbs."""
    parts = [NOTE, "# Commands\n", f"```text\n{help_of([])}\n```\n"]
    for verb, about in VERBS.items():
        parts.append(f"## `flawscope {verb}`\n\n{about}\n\n```text\n{help_of([verb])}\n```\n")
    parts.append(
        "## Exit codes\n\n"
        "| code | meaning |\n|---|---|\n| 0 | done |\n"
        "| 1 | done, but some inputs failed; each is named in the output |\n"
        "| 2 | wrong use or wrong configuration |\n| 3 | nothing could be done, or a gate refused |\n"
    )
    return "\n".join(parts)


def configuration_page() -> str:
    """The page of all configuration keys, a table a section."""
    parts = [
        NOTE,
        "# Configuration\n",
        "A recipe is a TOML file with these keys; any of them can be left out, and\n"
        "`flawscope train --set a.b=c` changes one.\nAn unknown key is refused with the nearest known one.\n",
    ]
    for title, model in sections("", TrainConfig):
        parts.append(f"## {f'`[{title}]`' if title else 'On top'}\n\n{first_paragraph(model)}\n")
        rows = ["| key | default | meaning |", "|---|---|---|"]
        rows += [
            f"| `{key}` | {default_of(field)} | {cell(field.description or '')} |"
            for key, field in model.model_fields.items()
            if inner(field) is None
        ]
        parts.append("\n".join(rows) + "\n" if len(rows) > 2 else "")
    parts += [losses_table(), options_table()]
    return "\n".join(part for part in parts if part)


def losses_table() -> str:
    """What each loss is, in the words of its docstring."""
    rows = [f"| `{name}` | {cell(first_paragraph(loss))} |" for name, loss in LOSSES.items()]
    head = "## Losses by name\n\nEach `[[loss]]` names one; training goes by their weighted sum.\n"
    return "\n".join([head, "| loss | what it is |", "|---|---|", *rows]) + "\n"


def options_table() -> str:
    """What the tables `options` of losses, schedules, optimisers and synthetic images may hold."""
    known = {f"`loss` `{name}`": options for name, options in LOSS_OPTIONS.items()}
    known |= {f"`schedule` `{name}`": options for name, options in SCHEDULE_OPTIONS.items()}
    known |= {"`optimiser`, where torch's has it": OPTIMISER_OPTIONS}
    known |= {"`data.synth` `concrete`": CONCRETE_OPTIONS, "its `cracks`, or on photographs": CRACK_OPTIONS}
    rows = [
        f"| {where} | `{name}` | {cell(option.words)} |"
        for where, options in known.items()
        for name, option in options.items()
    ]
    head = "## Options by name\n\nThe values that tables called `options` may hold.\n"
    return "\n".join([head, "| of | option | expected |", "|---|---|---|", *rows]) + "\n"


def sections(title: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its dotted name, outermost first."""
    yield title, model
    for key, field in model.model_fields.items():
        below = inner(field)
        if below is not None:
            yield from sections(f"{title}.{key}" if title else key, below)


def inner(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, or None for a plain value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def default_of(field: FieldInfo) -> str:
    """The default as TOML."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "none"
    if isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        return ", ".join(f"`{one.name}`" for one in value)
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{to_toml({'x': plain}).partition('=')[2].strip() or '{}'}`"


def first_paragraph(documented: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


def cell(text: str) -> str:
    """Text fit for a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    (HERE / "commands.md").write_text(commands_page(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration_page(), encoding="utf-8")
