"""Losses of units are what inspection would miss at each threshold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.counts import THRESHOLDS, within
from flawscope.evaluation.risk import (
    LOSSES,
    RISKS,
    RiskChooser,
    RiskOptions,
    missed_cracks,
    missed_image,
    missed_pixels,
    surviving_levels,
)
from flawscope.inspection.postprocess import to_mask

from .test_counts import scene


def predicted(plane: np.ndarray, threshold: float, area: int, presence: int) -> np.ndarray:
    return to_mask(plane[None], [threshold], [area], [presence])[0] > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("area", "presence"), [(0, 1), (6, 1), (6, 60), (0, 300)])
def test_levels_are_what_inspection_predicts_at_every_threshold(seed: int, area: int, presence: int) -> None:
    plane, _ = scene(seed, (40, 50))
    level = surviving_levels(plane, area, presence)
    for k in range(1, 100, 4):
        np.testing.assert_array_equal(level >= k, predicted(plane, THRESHOLDS[k - 1], area, presence))


@pytest.mark.parametrize("seed", range(3))
def test_losses_by_the_definition(seed: int) -> None:
    plane, truth = scene(seed, (40, 50))
    true = truth == 1
    level = surviving_levels(plane, 4)
    labels, count = ndimage.label(true, np.ones((3, 3)))
    pixels, cracks, image = missed_pixels(level, true), missed_cracks(level, true), missed_image(level, true)
    assert (pixels[1], cracks[1], image[1]) == (true.sum(), count, 1)
    for k, threshold in enumerate(THRESHOLDS):
        mask = predicted(plane, threshold, 4, 1)
        assert pixels[0][k] == (true & ~mask).sum()
        near = within(mask, 2)
        assert cracks[0][k] == sum(near[labels == n].mean() < 0.5 for n in range(1, count + 1))
        assert image[0][k] == (not mask.any())


def chooser(risk: str = "pixels", level: float = 0.2, **more) -> RiskChooser:
    return RiskChooser(["crack"], RiskOptions(level=level, risk=risk, **more), {"crack": 4}, {})  # type: ignore[arg-type]


def test_areas_go_by_the_size_of_each_image() -> None:
    """As inspection cuts them: a large image needs more pixels than a small one."""

    def areas_of(size_hw: tuple[int, int]) -> tuple[dict[str, int], dict[str, int]]:
        return {"crack": size_hw[0] // 10}, {"crack": size_hw[1]}

    options = RiskOptions(level=0.5)
    scaled, fixed = RiskChooser(["crack"], options, {}, {}, areas_of), RiskChooser(["crack"], options, {}, {})
    sums = []
    for seed, size_hw in enumerate([(40, 50), (80, 60)] * 4):
        plane, truth = scene(seed, size_hw)
        scaled.add(str(seed), [plane], [truth])
        fixed.add(str(seed), [plane], [truth])
        missed, there = LOSSES["pixels"](surviving_levels(plane, size_hw[0] // 10, size_hw[1]), truth == 1)
        sums.append(missed / there)
    np.testing.assert_allclose(scaled.choose()[0].curve, np.mean(sums, axis=0))
    assert (scaled.choose()[0].curve >= fixed.choose()[0].curve).all()


@pytest.mark.parametrize("risk", RISKS)
def test_the_unit_is_the_group(risk: str) -> None:
    scenes = [scene(seed, (40, 50)) for seed in range(12)]
    level = 0.45
    found = chooser(risk, level)
    for k, (plane, truth) in enumerate(scenes):
        found.add(f"unit {k // 2}", [plane], [truth])
    (choice,) = found.choose()
    assert (choice.units, choice.images) == (6, 12)
    sums = [LOSSES[risk](surviving_levels(p, 4), t == 1) for p, t in scenes]  # type: ignore[index]
    units = [(a[0] + b[0]) / (a[1] + b[1]) for a, b in zip(sums[::2], sums[1::2], strict=True)]
    np.testing.assert_allclose(choice.curve, np.mean(units, axis=0))
    kept = (np.sum(units, axis=0) + 1) / 7 <= level + 1e-12
    assert choice.threshold == pytest.approx(float(THRESHOLDS[np.flatnonzero(kept).max()]))
    content = choice.to_dict()
    assert content["method"] == "conformal risk control" and content["confidence"] is None
    json.dumps(content)


def test_ignored_and_clean_images_miss_nothing() -> None:
    plane, truth = np.full((8, 8), 0.9, np.float32), np.zeros((8, 8), np.uint8)
    found = chooser(level=0.5)
    found.add("clean", [plane], [truth])
    assert found.absent == ("crack",)
    with pytest.raises(DataError, match="None of the 1 images"):
        found.choose()
    truth[:2], truth[2:4] = 1, 255
    for k in range(3):
        found.add(f"{k}", [plane], [truth])
    (choice,) = found.choose()
    assert (choice.units, choice.risk_there, choice.threshold) == (3, 0.0, 0.9)


def test_too_few_units_and_promises_that_cannot_be_kept() -> None:
    plane, truth = np.full((8, 8), 0.9, np.float32), np.ones((8, 8), np.uint8)
    few = chooser(level=0.1)
    few.add("one", [plane], [truth])
    with pytest.raises(DataError, match=r"needs 9 or more"):
        few.choose()
    blind = chooser(level=0.2)
    for k in range(20):
        blind.add(f"{k}", [plane * 0], [truth])
    with pytest.raises(DataError, match="No threshold"):
        blind.choose()


def test_with_confidence_is_no_bolder_than_in_expectation() -> None:
    thresholds = []
    for confidence in (None, 0.8, 0.95):
        found = chooser("pixels", 0.4, confidence=confidence)
        for seed in range(40):
            plane, truth = scene(seed, (30, 30))
            found.add(f"{seed}", [plane], [truth])
        (choice,) = found.choose()
        thresholds.append(choice.threshold)
    assert thresholds[0] >= thresholds[1] >= thresholds[2]
    assert "risk-controlling" in choice.method and "0.95" in choice.options.words


@pytest.mark.parametrize("confidence", [None, 0.6])
def test_a_promise_that_other_units_might_not_have_had_says_so(confidence: float | None) -> None:
    """Two of 20 units are not seen at all: with four of them it would have been refused."""
    truth = np.ones((8, 8), np.uint8)
    for blind, said in ((0, False), (2, True)):
        found = chooser(level=0.2, confidence=confidence)
        for k in range(20):
            found.add(f"{k}", [np.full((8, 8), 0.9 * (k >= blind), np.float32)], [truth])
        (choice,) = found.choose()
        assert choice.close == bool(choice.notes) == (said and confidence is None)
    if confidence is None:
        assert "still miss 0.100 on average" in choice.notes[0] and "more than 0.2 may" in choice.notes[0]


def test_wrong_options() -> None:
    with pytest.raises(UsageError, match="risk"):
        RiskOptions(risk="metres")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"The level is 1\.5"):
        RiskOptions(level=1.5)
    with pytest.raises(UsageError, match=r"The confidence is 0\.3"):
        RiskOptions(confidence=0.3)
    with pytest.raises(UsageError, match="no bound 'clt'"):
        RiskOptions(bound="clt")  # type: ignore[arg-type]
