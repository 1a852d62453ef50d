"""The chosen threshold and area are the best of those tried, by brute force."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from flawscope.bundle import Bundle, zip_bundle
from flawscope.data.split_file import Split
from flawscope.errors import DataError, ImageError, UsageError
from flawscope.evaluation.chooser import AREAS_PX, Chooser, area_counts
from flawscope.evaluation.counts import THRESHOLDS, within
from flawscope.evaluation.thresholds import choose_threshold
from inspection.toy_networks import PLAIN, dark_bundle

from .reference import distance_to, f1_strict, f1_tol
from .test_counts import scene
from .toys import Dark, dataset, unreadable


def cleaned(mask: np.ndarray, area: int) -> np.ndarray:
    """Without components of fewer than ``area`` pixels."""
    labels, count = label(mask, np.ones((3, 3)))
    return np.isin(labels, [k for k in range(1, count + 1) if (labels == k).sum() >= area])


@pytest.mark.parametrize("measure", ["f1", "f1_tol2", "mean"])
def test_the_choice_is_the_best_of_all_that_was_tried(measure: str) -> None:
    images = [scene(seed, (40, 50)) for seed in range(3)]
    with Chooser(["crack"], measure, areas_px=(0, 4, 12)) as chooser:  # type: ignore[arg-type]
        for probability, truth in images:
            chooser.add([probability], [truth])
        (choice,) = chooser.choose()

    def score(t: float, area: int) -> float:
        pairs = [(cleaned(p >= np.float32(t), area), m > 0) for p, m in images]
        strict, tol = f1_strict(pairs), f1_tol(pairs, 2)
        return {"f1": strict, "f1_tol2": tol, "mean": (strict + tol) / 2}[measure]

    assert choice.score == pytest.approx(score(choice.threshold, choice.min_area_px))
    assert choice.score >= max(score(float(t), 0) for t in THRESHOLDS) - 1e-9
    for area, value in choice.areas.items():
        assert value == pytest.approx(score(choice.threshold, area))
    assert choice.curves["f1"][29] == pytest.approx(
        f1_strict([(p >= THRESHOLDS[29], m > 0) for p, m in images])
    )


def test_with_slack_the_middle_of_the_nearly_best_thresholds_and_the_smallest_area_are_chosen() -> None:
    # Between .2 and .8 the mask is the same but for one pixel, which appears from .3 down.
    truth = np.zeros((40, 40), np.uint8)
    truth[20, 5:35] = 1
    probability = np.where(truth == 1, 0.8, 0.0).astype(np.float32)
    probability[20, 35] = 0.3
    probability[3, 3] = 0.85
    chosen = {}
    for slack in (0.0, 0.05):
        with Chooser(["crack"], "f1", areas_px=(0, 4), slack=slack) as chooser:
            chooser.add([probability], [truth])
            (chosen[slack],) = chooser.choose()
    exact, middle = chosen[0.0], chosen[0.05]
    # Exactly: the middle of .31 to .80, without the speck. With slack: of .01 to .80, and it stays.
    assert (exact.threshold, exact.min_area_px) == (0.56, 4)
    assert (middle.threshold, middle.min_area_px) == (0.41, 0)
    assert middle.score == middle.areas[0] == pytest.approx(60 / 61)
    assert exact.score == 1.0


def test_with_slack_a_minimum_area_is_taken_that_spares_clean_images() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[20, 5:35] = 1
    cracked = truth * np.float32(0.8)
    cracked[20, 2:4] = 0.8
    speckled = np.zeros((40, 40), np.float32)
    speckled[3, 3:6] = 0.8
    with Chooser(["crack"], "f1", areas_px=(0, 2, 4, 8), slack=0.1) as chooser:
        chooser.add([cracked], [truth])
        (alone,) = chooser.choose()
        chooser.add([speckled], [np.zeros((40, 40), np.uint8)])
        (beside_clean,) = chooser.choose()
    assert alone.min_area_px == 0
    assert beside_clean.min_area_px == 4


@pytest.mark.parametrize("seed", range(3))
def test_area_counts_equal_cleaning_for_each_area(seed: int) -> None:
    probability, truth = scene(seed, (40, 50))
    predicted, true = probability >= 0.4, truth > 0
    got = area_counts(predicted, true, within(true, 2), AREAS_PX)
    for k, area in enumerate(AREAS_PX):
        kept = cleaned(predicted, area)
        expected = [
            kept.sum(),
            (kept & true).sum(),
            (kept & (distance_to(true) <= 2)).sum(),
            (true & (distance_to(kept) <= 2)).sum(),
        ]
        assert got[:, k].tolist() == expected
    assert area_counts(predicted & False, true, true, AREAS_PX).sum() == 0


def test_specks_are_removed_and_ignored_pixels_do_not_vote() -> None:
    truth = np.zeros((60, 60), np.uint8)
    truth[30, 2:58] = 1
    probability = truth * np.float32(0.9)
    probability[5:55:10, 3:57:6] = 0.9
    with Chooser(["crack"]) as chooser:
        chooser.add([probability], [truth])
        (choice,) = chooser.choose()
    assert choice.min_area_px == 10 and choice.score == 1
    truth[probability * (truth == 0) > 0] = 255
    with Chooser(["crack"]) as chooser:
        chooser.add([probability], [truth])
        (choice,) = chooser.choose()
    assert choice.min_area_px == 0 and choice.score == 1


def test_equally_good_thresholds_give_the_middle_one() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[10] = 1
    with Chooser(["crack"]) as chooser:
        chooser.add([np.where(truth, 0.805, 0.205).astype(np.float32)], [truth])
        assert chooser.choose()[0].threshold == pytest.approx(0.51, abs=0.011)


def test_classes_that_never_occur() -> None:
    truth = np.ones((5, 5), np.uint8)
    with Chooser(["a", "b"]) as chooser:
        chooser.add([truth * np.float32(1)] * 2, [truth, truth * 0])
        assert [choice.class_name for choice in chooser.choose()] == ["a"]
        assert chooser.absent == ("b",)
    with Chooser(["a"]) as chooser, pytest.raises(DataError, match="--part"):
        chooser.choose()
    with Chooser(["a"]) as chooser, pytest.raises(ImageError):
        chooser.add([np.zeros((2, 2), np.float32)], [np.zeros((3, 2), np.uint8)])


def test_choosing_names_bad_images_and_writes_files(tmp_path) -> None:
    data = dataset(3, Split(parts={"val": ("000", "001", "002")}))
    data = replace(data, samples=(*data.samples[:2], replace(data.samples[2], image=unreadable)))
    report = choose_threshold(Dark(), data)
    assert (report.images, report.part, [f.name for f in report.failed]) == (2, "val", ["002"])
    report.write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "thresholds.json").read_text())
    assert content["classes"]["crack"]["threshold"] == report.choices[0].threshold
    assert (tmp_path / "out" / "thresholds.png").stat().st_size > 1000


def test_unknown_methods_and_measures_are_refused() -> None:
    with pytest.raises(UsageError, match="connectivity, risk"):
        choose_threshold(Dark(), dataset(2), method="otsu")
    with pytest.raises(UsageError, match="iou"):
        choose_threshold(Dark(), dataset(2), measure="iou")  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "of_px"), [({"mode": "resize", "size_hw": (40, 48)}, 40 * 48), ({}, None)])
def test_an_area_is_a_share_where_every_photograph_is_seen_at_one_size(
    tmp_path, mode: dict[str, object], of_px: int | None
) -> None:
    bundle = dark_bundle(tmp_path / "bundle", input=PLAIN.model_copy(update=mode))
    report = choose_threshold(bundle, dataset(2))
    chosen = report.updated(bundle.manifest)
    assert chosen.min_area_px["crack"].of_px == of_px and chosen.thresholds["crack"].of_px is None


@pytest.mark.parametrize("zipped", [False, True])
def test_the_choice_goes_into_the_bundle_and_nothing_else_changes(tmp_path, zipped: bool) -> None:
    bundle = dark_bundle(tmp_path / "bundle")
    if zipped:
        bundle = Bundle.load(zip_bundle(tmp_path / "bundle", tmp_path / "b.flawscope"))
    before = bundle.manifest
    report = choose_threshold(bundle, dataset(2))
    after = report.apply(bundle).manifest
    assert after.thresholds["crack"].value == report.choices[0].threshold
    assert "toys, part all" in after.thresholds["crack"].data and "F1" in after.thresholds["crack"].rule
    assert after.sha256 == before.sha256
    same = {"thresholds": before.thresholds, "min_area_px": before.min_area_px}
    assert after.model_copy(update=same) == before
    if zipped:
        assert zipfile.is_zipfile(tmp_path / "b.flawscope")
