"""Thresholds of gates: counted by hand, held on draws, and written into bundles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from flawscope.bundle import Bundle, Chosen, zip_bundle
from flawscope.cli.app import main
from flawscope.data.open import open_dataset
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.gate_report import choose_gate
from flawscope.evaluation.gate_threshold import gate_cut
from flawscope.inspection.gate import gate_stage
from flawscope.inspection.inspector import Inspector
from inspection.gates import dark_gate
from inspection.toy_networks import dark_bundle


def test_by_hand() -> None:
    scores = [0.9, 0.8, 0.7, 0.3, 0.05, 0.4, 0.2, 0.1, 0.02, 0.01]
    defective = [True] * 5 + [False] * 5
    one = gate_cut(scores, defective, 0.35)  # two among five: (1 + 1) / 6 <= 0.35 < (2 + 1) / 6
    assert (one.missed, one.defective, one.spared, one.clean) == (1, 5, 4, 5)
    assert one.threshold == pytest.approx((0.3 + 0.2) / 2)
    none = gate_cut(scores, defective, 0.2)
    assert (none.missed, none.spared) == (0, 2) and none.threshold == pytest.approx((0.05 + 0.02) / 2)
    assert "at most 0.35 of defective images missed, in expectation; here 1 of 5" in one.rule


def test_the_lowest_score_of_all_may_be_a_defect() -> None:
    cut = gate_cut([0.5, 0.9], [True, False], 0.5)
    assert cut.threshold == 0.25 and cut.missed == cut.spared == 0


def test_with_confidence_by_hand() -> None:
    # None of 59 missed bounds the rate by 1 - 0.05 ** (1 / 59) = 0.0495.
    scores, truth = np.linspace(0.1, 0.9, 59), [True] * 59
    assert gate_cut(scores, truth, 0.05, 0.95).missed == 0
    with pytest.raises(DataError, match="at least 59"):
        gate_cut(scores[:58], truth[:58], 0.05, 0.95)
    # So few misses would be seen one time in twenty at most, were the rate 0.2.
    assert stats.binom.cdf(6, 59, 0.2) <= 0.05 < stats.binom.cdf(7, 59, 0.2)
    assert gate_cut(scores, truth, 0.2, 0.95).missed == 6


@pytest.mark.parametrize("level", [0.02, 0.1])
def test_too_few_images_are_refused(level: float) -> None:
    needed = round(1 / level) - 1
    with pytest.raises(DataError, match=f"at least {needed}"):
        gate_cut([0.5] * (needed - 1), [True] * (needed - 1), level)
    assert gate_cut([0.5] * needed, [True] * needed, level).missed == 0


@pytest.mark.parametrize("wrong", [(0.0, None), (1.0, None), (0.1, 1.0)])
def test_shares_that_are_none_are_refused(wrong: tuple[float, float | None]) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        gate_cut([0.5] * 20, [True] * 20, *wrong)


def test_the_promise_holds_on_average_and_with_confidence() -> None:
    rng = np.random.default_rng(0)
    rates: dict[float | None, list[float]] = {None: [], 0.9: []}
    for _ in range(300):
        scores = rng.beta(5, 2, 80)
        for confidence, found in rates.items():
            cut = gate_cut(scores, [True] * 80, 0.1, confidence)
            found.append(float((rng.beta(5, 2, 4000) < cut.threshold).mean()))
    assert 0.08 < np.mean(rates[None]) <= 0.102
    assert np.mean(np.array(rates[0.9]) > 0.1) < 0.13


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve cracked photographs with masks, of rising darkness, and eight bright ones."""
    root = tmp_path_factory.mktemp("set")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for number in range(20):
        image, mask = np.full((64, 64, 3), 240, np.uint8), np.zeros((64, 64), np.uint8)
        if number < 12:
            image[20:40, 20:40], mask[20:40, 20:40] = 20 + 8 * number, 255
        image[number, 0] = 235  # no two alike
        Image.fromarray(image).save(root / "images" / f"{number:02d}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number:02d}.png")
    return root


def test_a_gate_is_put_before_a_segmenter(photos: Path, tmp_path: Path, capsys: Any) -> None:
    plain, gate = dark_bundle(tmp_path / "plain"), dark_gate(tmp_path / "gate")
    words = ["threshold", str(plain.source), str(photos), "--method", "gate", "--level", "0.1"]
    words += ["--gate", str(gate.source), "--part", "all", "--out", str(tmp_path / "out"), "--write"]
    assert main(words) == 0
    assert "0 of 12, while 8 of 8 clean ones are spared" in capsys.readouterr().out
    assert (tmp_path / "out" / "thresholds.png").is_file()
    facts = json.loads((tmp_path / "out" / "thresholds.json").read_text(encoding="utf-8"))
    assert facts["method"] == "gate" and facts["classes"]["gate"]["spared"] == 8
    stage = gate_stage(Bundle.load(plain.source).manifest)
    assert stage is not None and stage.threshold is not None
    assert stage.threshold.value == facts["classes"]["gate"]["threshold"]
    assert "part all" in stage.threshold.data
    inspector = Inspector(plain.source)
    spared = [inspector.inspect(path).spared for path in sorted((photos / "images").iterdir())]
    assert spared == [False] * 12 + [True] * 8


def test_its_threshold_is_set_anew_in_folder_and_zip(photos: Path, tmp_path: Path) -> None:
    data = open_dataset(photos)
    plain, gate = dark_bundle(tmp_path / "plain"), dark_gate(tmp_path / "gate")
    packed = Bundle.load(zip_bundle(plain.root, tmp_path / "plain.flawscope"))
    for bundle in (plain, packed):
        first = choose_gate(bundle, gate, data, None, None, 0.1)
        gated = first.apply(bundle)
        second = choose_gate(gated, None, data, None, None, 0.3)
        assert second.cut.missed == 2 and second.cut.threshold > first.cut.threshold
        stage = gate_stage(second.apply(gated).manifest)
        assert stage is not None and stage.threshold == Chosen(
            value=second.cut.threshold, rule=second.cut.rule, data=second.data, digests=second.digests
        )
        assert "part all" in second.data and len(second.digests) == 8 * 20


def test_without_a_gate_or_method_it_is_refused(photos: Path, tmp_path: Path, capsys: Any) -> None:
    plain = dark_bundle(tmp_path / "plain")
    words = ["threshold", str(plain.source), str(photos), "--part", "all"]
    assert main([*words, "--method", "gate"]) == 2
    assert "holds no gate" in capsys.readouterr().err
    assert main([*words, "--gate", str(plain.source)]) == 2
    assert "--method gate" in capsys.readouterr().err


def test_an_unreadable_image_is_named(photos: Path, tmp_path: Path) -> None:
    data = open_dataset(photos)

    def broken() -> Any:
        from flawscope.errors import ImageError

        raise ImageError("cut off")

    samples = [replace(data[0], image=broken), *data.samples[1:]]
    report = choose_gate(
        dark_bundle(tmp_path / "p"), dark_gate(tmp_path / "g"), data.with_samples(samples), None, None, 0.1
    )
    assert [item.name for item in report.failed] == ["00"] and report.cut.defective == 11
