"""What is written as TOML reads back equal."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flawscope.training.toml_writer import to_toml

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_SCALARS = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | _TEXT
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first draw builds tables
@given(st.dictionaries(_TEXT, _VALUES, max_size=4))
def test_round_trip(table: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(table)) == table


def test_none_is_left_out_and_nesting_kept() -> None:
    table = {"a": None, "b": {"c": None, "d": [{"e": 1.0, "f": None}, {"e": 2.5}]}, "z": 3}
    assert tomllib.loads(to_toml(table)) == {"b": {"d": [{"e": 1.0}, {"e": 2.5}]}, "z": 3}


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="no spelling in TOML"):
        to_toml({"a": object()})
