"""Truth classes meet model classes by name, by being alone, by index, or by --map."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.errors import ClassMappingError, ImageError, UsageError
from flawscope.evaluation.classes import match_classes, parse_mapping
from flawscope.types import ClassInfo


def infos(*names: str) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(k, name) for k, name in enumerate(names, start=1))


def test_by_name_whatever_the_order_and_case() -> None:
    match = match_classes(infos("Rust", "crack"), infos("crack", "rust"))
    assert match.names == ("crack", "rust")
    assert match.truth_ids == ((2,), (1,))
    assert match.notes == ()


def test_one_on_each_side_match() -> None:
    match = match_classes(infos("fissure"), infos("crack"))
    assert match.truth_ids == ((1,),)
    assert "fissure" in match.notes[0] and "crack" in match.notes[0]


def test_unnamed_match_by_index_and_say_so() -> None:
    match = match_classes(infos("1", "2"), infos("inclusion", "patches", "scratches"), truth_named=False)
    assert match.names == ("inclusion", "patches")
    assert "by index" in match.notes[0] and "not counted: scratches" in match.notes[1]


def test_named_classes_never_match_by_index() -> None:
    with pytest.raises(ClassMappingError, match=r"(?s)a, b.*--map TRUTH=MODEL"):
        match_classes(infos("a", "b"), infos("c", "d"))


def test_mapping_merges_drops_and_ignores() -> None:
    mapping = parse_mapping(["wide=crack", "thin = crack", "moss=background", "chalk=ignore"])
    match = match_classes(infos("wide", "thin", "moss", "chalk"), infos("crack"), mapping)
    plane = match.truth(np.array([[0, 1, 2, 3, 4, 255]], np.uint8))[0]
    assert plane.tolist() == [[0, 1, 1, 0, 255, 255]]


def test_a_partial_mapping_leaves_the_rest_to_the_names() -> None:
    match = match_classes(infos("fissure", "rust"), infos("crack", "rust"), {"fissure": "crack"})
    assert match.truth_ids == ((1,), (2,))


@pytest.mark.parametrize("mapping", [{"x": "crack"}, {"crack": "x"}])
def test_unknown_names_are_refused(mapping: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="'x'"):
        match_classes(infos("crack"), infos("crack"), mapping)


@pytest.mark.parametrize("text", ["crack", "=a", "a="])
def test_a_mapping_needs_two_names(text: str) -> None:
    with pytest.raises(UsageError, match="TRUTH=MODEL"):
        parse_mapping([text])
    with pytest.raises(UsageError, match="twice"):
        parse_mapping(["a=b", "a=c"])


def test_mapping_everything_away_is_refused() -> None:
    with pytest.raises(ClassMappingError):
        match_classes(infos("moss"), infos("crack"), {"moss": "background"})


def test_stacks_are_read_by_channel() -> None:
    match = match_classes(infos("a", "b"), infos("b"), {"a": "background"})
    stack = np.zeros((1, 2, 2), bool)
    stack[0, 0, 1] = True
    assert match.truth(stack)[0].tolist() == [[1, 0]]
    with pytest.raises(ImageError, match="3 channels"):
        match.truth(np.zeros((1, 2, 3), bool))
