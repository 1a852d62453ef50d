"""From a recipe's name or a TOML file, and ``--set`` pairs, to a checked :class:`TrainConfig`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from flawscope.errors import ConfigError
from flawscope.training.config import TrainConfig
from flawscope.training.toml_writer import to_toml

_LENGTHS = ("train.epochs", "train.steps", "train.minutes")


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes in the package, sorted."""
    folder = resources.files("flawscope.recipes")
    return tuple(sorted(f.name[: -len(".toml")] for f in folder.iterdir() if f.name.endswith(".toml")))


def read_recipe(recipe_or_path: str | Path) -> tuple[str, dict[str, Any]]:
    """Return ``(name, table)`` of a packaged recipe or of a TOML file. Raises ConfigError."""
    given = str(recipe_or_path)
    if given in recipe_names():
        text = resources.files("flawscope.recipes").joinpath(f"{given}.toml").read_text(encoding="utf-8")
        name = given
    else:
        path = Path(given)
        if not path.is_file():
            raise ConfigError(
                f"No recipe and no file is called {given!r}.{_did_you_mean(given, recipe_names())}\n"
                f"Give a TOML file or one of: {', '.join(recipe_names())}"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read {path}: {error}\nA recipe is a TOML file in UTF-8.") from error
        name = path.stem
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{given} is not valid TOML: {error}") from error
    return str(table.get("recipe") or name), table


def load_config(recipe_or_path: str | Path, sets: Sequence[str] = ()) -> TrainConfig:
    """Return the checked configuration.

    :param recipe_or_path: a packaged recipe's name (``crack-quick``) or a TOML file.
    :param sets: ``a.b=c`` pairs; the value is read as TOML, or as plain text where it is no TOML value.
        A list item is named by its number: ``loss.0.weight=2``. A length of the run (``train.epochs``,
        ``train.steps``, ``train.minutes``) takes the place of the recipe's.
    Raises ConfigError naming the key, what was found, what was expected and the nearest known key.
    """
    name, table = read_recipe(recipe_or_path)
    table = {**table, "recipe": name}
    for pair in sets:
        _apply_set(table, pair)
    _drop_other_lengths(table, set_keys(sets))
    return parse_config(table, where=str(recipe_or_path))


def set_keys(sets: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that ``a.b=c`` pairs name."""
    return tuple(".".join(_path_of(pair)) for pair in sets)


def _path_of(pair: str) -> list[str]:
    return [part.strip() for part in pair.partition("=")[0].split(".")]


def _drop_other_lengths(table: dict[str, Any], keys: Sequence[str]) -> None:
    """Drop the recipe's steps and minutes where another length was set: they would come before it."""
    train = table.get("train")
    given = {key.removeprefix("train.") for key in keys if key in _LENGTHS}
    if given and isinstance(train, dict):
        for name in {"steps", "minutes"} - given:
            train.pop(name, None)


def parse_config(table: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
    """Check a plain dictionary. Raises ConfigError with one line a mistake."""
    try:
        return TrainConfig.model_validate(table)
    except ValidationError as error:
        # A list is also called too short where one of its values is out of range.
        found = [item for item in error.errors() if not (item["type"] == "too_short" and item["input"])]
        lines = [_explain(item) for item in found]
        raise ConfigError(f"{where}: " + "\n".join(lines)) from error


def dump_config(config: TrainConfig) -> str:
    """Return the whole configuration, defaults included, as TOML; reading it back gives an equal one."""
    return to_toml(config.model_dump(mode="json"))


def replace_in(config: TrainConfig, section: str, **values: Any) -> TrainConfig:
    """Return ``config`` with ``values`` in one section, checked again."""
    table = config.model_dump(mode="json")
    table[section].update(values)
    return parse_config(table)


def _apply_set(table: dict[str, Any], pair: str) -> None:
    _, equals, text = pair.partition("=")
    path = _path_of(pair)
    if not equals or not all(path):
        raise ConfigError(f"--set {pair!r} is not of the form a.b=value.")
    node: Any = table
    for place, part in enumerate(path[:-1]):
        if part not in node and _is_list(path[: place + 1]):
            whole = ".".join(path[: place + 1])
            raise ConfigError(
                f"--set {pair!r}: {whole!r} is a list, and the recipe has none.\n"
                f"Give it as a whole: --set '{whole}=[...]'."
            )
        node = _step_into(node, part, pair)
    last = path[-1]
    if isinstance(node, list):
        node[_list_index(node, last, pair)] = _parse_value(text)
    else:
        node[last] = _parse_value(text)


def _step_into(node: Any, part: str, pair: str) -> Any:
    inner = node[_list_index(node, part, pair)] if isinstance(node, list) else node.setdefault(part, {})
    if not isinstance(inner, dict | list):
        raise ConfigError(f"--set {pair!r}: {part!r} is a value, not a section.")
    return inner


def _list_index(node: list[Any], part: str, pair: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise ConfigError(
            f"--set {pair!r}: {part!r} does not name an item of a list of {len(node)}; items count from 0."
        )
    return int(part)


def _parse_value(text: str) -> Any:
    text = text.strip()
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # plain words need no quotes on a command line


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        section = _section_at(path[:-1])
        known = tuple(section.model_fields) if section else ()
        hint = _did_you_mean(path[-1], known)
        return f"unknown key {key!r}.{hint or ' Known here: ' + ', '.join(known)}"
    found = item["input"]
    shown = "" if isinstance(found, dict) else f" (found {found!r})"
    message = item["msg"].removeprefix("Value error, ")
    return f"{key or 'configuration'}: {message}{shown}.{_describe(path)}"


def _describe(path: Sequence[str]) -> str:
    section = _section_at(path[:-1])
    if section is None or not path or path[-1] not in section.model_fields:
        return ""
    text = section.model_fields[path[-1]].description
    return f" Meaning: {text}" if text else ""


def _section_at(path: Sequence[str]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = TrainConfig
    for part in path:
        if part.isdigit():
            continue
        field = section.model_fields.get(part) if section else None
        section = _model_in(field.annotation) if field else None
    return section


def _is_list(path: Sequence[str]) -> bool:
    section = _section_at(path[:-1])
    field = section.model_fields.get(path[-1]) if section else None
    return field is not None and isinstance(field.default, tuple)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model inside ``X``, ``tuple[X, ...]`` or ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.55)
    return f" Did you mean {close[0]!r}?" if close else ""
