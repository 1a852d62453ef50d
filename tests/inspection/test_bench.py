"""Times of an inspection: stages, limits, and what a gate saves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Bundle, Chosen
from flawscope.errors import DataError, UsageError
from flawscope.inspection import bench as module
from flawscope.inspection.bench import BenchSettings, bench
from flawscope.inspection.gate import gate_stage, with_gate, without_gate
from flawscope.inspection.inspector import Inspector
from flawscope.types import FloatArray

from .gates import colour_classes, dark_gate
from .toy_networks import dark_bundle

HALF = Chosen(value=0.5, rule="half", data="none")


class Slow:
    """The network, and a tenth of a second more for each run: far more than anything else takes here."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def run(self, batch: FloatArray) -> FloatArray:
        time.sleep(0.1)
        return self._runtime.run(batch)  # type: ignore[no-any-return]


def slow(bundles: Sequence[Any]) -> Inspector:
    """An inspector whose segmenter takes its time; its gate does not."""
    inspector = Inspector(list(bundles))
    timed = inspector._networks[0].runtime
    timed._runtime = Slow(timed._runtime)  # type: ignore[attr-defined]
    return inspector


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three clean pictures and one with a dark blotch."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcd":
        image = np.full((80, 100, 3), 230, np.uint8)
        if name == "b":
            image[20:50, 30:70] = 10
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def gated(tmp_path: Path) -> Bundle:
    return with_gate(dark_bundle(tmp_path / "plain"), dark_gate(tmp_path / "gate"), HALF, tmp_path / "gated")


def test_each_stage_is_timed_and_together_they_are_the_total(photos: Path, tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "dark")
    before = sorted(tmp_path.rglob("*"))
    result = bench([bundle], slow, BenchSettings((photos,), repeats=2))
    assert (result.images, result.failed, result.repeats, result.gate) == (4, (), 2, None)
    assert result.megapixels == pytest.approx(0.008) and result.runtime == "onnx"
    assert set(result.stages) == {"read", "prepare", "network", "measure", "write", "other"}
    assert result.stages["network"].median_ms >= 100
    assert sum(row.median_ms for row in result.stages.values()) == pytest.approx(
        result.total.median_ms, rel=0.2
    )
    for row in (*result.stages.values(), result.total):
        assert 0 <= row.low_ms <= row.median_ms <= row.high_ms and row.share <= 1
    assert sorted(tmp_path.rglob("*")) == before, "nothing stays behind"


def test_a_gate_saves_the_time_of_what_it_spares(photos: Path, gated: Bundle) -> None:
    result = bench([gated], slow, BenchSettings((photos,), formats=("csv",), repeats=2))
    assert result.gate is not None and "gate" in result.stages
    assert (result.gate.spared, result.gate.images, result.gate.threshold) == (3, 4, 0.5)
    assert result.gate.without_ms > 100 and result.gate.with_ms < result.gate.without_ms
    assert result.gate.time_saved == pytest.approx(1 - result.gate.with_ms / result.gate.without_ms)
    assert result.gate.time_saved > 0.2, "three of four runs of the network"


def test_without_its_gate_a_bundle_is_what_it_was(gated: Bundle) -> None:
    plain = without_gate(gated)
    assert gate_stage(plain.manifest) is None and gate_stage(gated.manifest) is not None
    assert Inspector(plain).gate_threshold is None


def test_two_steps_save_nothing_for_anyone_else(photos: Path, tmp_path: Path) -> None:
    from .test_gate import two_step

    result = bench([two_step(tmp_path)], Inspector, BenchSettings((photos,), repeats=1))
    assert result.gate is None and {"gate", "network"} <= set(result.stages)


def test_a_classifier_is_timed_too(photos: Path, tmp_path: Path) -> None:
    result = bench([colour_classes(tmp_path / "c")], Inspector, BenchSettings((photos,), repeats=1))
    assert result.stages["network"].median_ms > 0 and "measure" not in result.stages


def test_limits_are_compared_with_what_they_name(photos: Path, tmp_path: Path) -> None:
    limits = {"network": 5.0, "total": 1e6, "load": 1e6, "measure": 1e-6}
    result = bench([dark_bundle(tmp_path / "d")], slow, BenchSettings((photos,), repeats=1, limits=limits))
    assert result.exceeded == ("network", "measure") and result.exit_code == 3
    assert result.to_dict()["exceeded"] == ["network", "measure"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"repeats": 0}, "expected 1 or more"),
        ({"limits": {"cooking": 3.0}}, "no stage 'cooking'"),
        ({"limits": {"total": 0.0}}, "above 0"),
        ({"limits": {"total": float("nan")}}, "above 0"),
        ({"formats": ("cake",)}, "not known"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], said: str, photos: Path, tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "d")
    with pytest.raises(UsageError, match=said):
        bench([bundle], Inspector, BenchSettings((photos,), **wrong))


def test_a_limit_for_a_stage_that_did_not_run_is_kept(photos: Path, tmp_path: Path) -> None:
    settings = BenchSettings((photos,), repeats=1, limits={"gate": 1.0})
    result = bench([dark_bundle(tmp_path / "d")], Inspector, settings)
    assert result.exceeded == () and result.found_ms("gate") == 0.0


def test_images_that_fail_are_named(photos: Path, tmp_path: Path) -> None:
    (photos / "e.png").write_text("no picture", encoding="utf-8")
    bundle = dark_bundle(tmp_path / "d")
    result = bench([bundle], Inspector, BenchSettings((photos,), repeats=1))
    assert result.images == 5 and [name for name, _ in result.failed] == ["e.png"] and result.exit_code == 1
    for name in "abcd":
        (photos / f"{name}.png").unlink()
    with pytest.raises(DataError, match="None of the 1 images"):
        bench([bundle], Inspector, BenchSettings((photos,), repeats=1))


def test_the_stages_that_may_be_limited_are_those_that_are_told() -> None:
    assert set(module.STAGES) < set(module.LIMITED)
