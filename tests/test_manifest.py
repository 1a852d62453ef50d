"""The manifest of a bundle: what can work and what cannot, and how older ones stay readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.bundle import (
    Bundle,
    Chosen,
    ClassSpec,
    InputSpec,
    Manifest,
    StageSpec,
)
from flawscope.errors import BundleError
from flawscope.manifest import Strict
from small_bundles import edit, make


def test_a_number_for_every_photograph_keeps_the_text_of_its_manifest(tmp_path: Path) -> None:
    """Bundles from before numbers named their photograph keep their hash, and are read as they were."""
    plain = make(tmp_path / "plain")
    assert "of_px" not in plain.manifest.to_json()
    areas = {"crack": Chosen(value=25, of_px=409_600)}
    assert make(tmp_path / "sized", min_area_px=areas).manifest.min_area_px == areas
    assert Bundle.load(tmp_path / "sized").manifest.min_area_px["crack"].of_px == 409_600
    with pytest.raises(ValueError, match="of_px"):
        Chosen(value=1, of_px=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (0.5,)},
        {"std": (0.0, 1.0, 1.0)},
        {"size_px": 500},
        {"size_px": 96, "halo_px": 40},
        {"mode": "resize"},
        {"mode": "resize", "factor": 0.5, "size_hw": (3, 3)},
        {"mode": "resize", "size_hw": (0, 3)},
        {"mode": "resize", "size_hw": (10**6, 10**6)},
        {"mode": "resize", "size_hw": (1, 10**6)},
        {"mode": "resize", "size_hw": (10_000, 10_000)},
        {"std": (1e-45, 1.0, 1.0)},
        {"mean": (1e300, 0.5, 0.5)},
        {"unknown": 1},
    ],
)
def test_inputs_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        InputSpec(**wrong)  # type: ignore[arg-type]


def test_text_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "b")
    edit(tmp_path / "b", lambda raw: raw.update(name="\ud800"))
    with pytest.raises(BundleError, match="no Unicode text"):
        Bundle.load(tmp_path / "b")


def test_class_lists_must_be_unique_and_start_at_one() -> None:
    stage = StageSpec(files={"onnx": "m.onnx"})
    for ids, names in (((1, 1), "ab"), ((1, 2), "aa"), ((0, 1), "ab")):
        classes = tuple(ClassSpec(id=i, name=n) for i, n in zip(ids, names, strict=True))
        with pytest.raises(ValueError, match=r"unique|start at 1"):
            Manifest(classes=classes, input=InputSpec(), stages=(stage,))


def test_a_classifier_sees_images_of_one_size() -> None:
    classes, stage = (ClassSpec(id=0, name="clean"),), StageSpec(role="classify", files={"onnx": "m.onnx"})
    for given in (InputSpec(), InputSpec(mode="resize", factor=0.5)):
        with pytest.raises(ValueError, match="images of one size"):
            Manifest(task="classification", classes=classes, input=given, stages=(stage,))


def test_keys_that_came_later_are_left_out_while_they_say_nothing() -> None:
    kinds = [kind for kind in Strict.__subclasses__() if kind.later]
    assert {kind.__name__ for kind in kinds} >= {"Chosen", "Manifest", "Promise", "StageSpec"}
    for kind in kinds:
        assert kind.later <= kind.model_fields.keys(), kind
        assert not any(kind.model_fields[key].is_required() for key in kind.later), kind
    assert set(Chosen(value=2.0).model_dump()) == {"value", "rule", "data"}
    assert Chosen(value=2.0, of_px=400).model_dump()["of_px"] == 400
    assert Chosen(value=2.0, digests="0123abcd").model_dump()["digests"] == "0123abcd"
    assert StageSpec(files={"onnx": "model.onnx"}).model_dump().keys() == {"role", "network", "files"}
