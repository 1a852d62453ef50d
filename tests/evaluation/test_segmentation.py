"""Figures equal their definitions, and their limits behave."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flawscope.evaluation import counts as c
from flawscope.evaluation.segmentation import ImageRow, average_precision, image_f1_tol2, summarise

from .reference import distance_to, f1_strict, f1_tol
from .test_counts import scene


@pytest.fixture(scope="module")
def images() -> list[tuple[np.ndarray, np.ndarray]]:
    """Six scenes: cracked ones, a clean one that fools the model, a clean one that does not, a missed one."""
    out = [scene(seed) for seed in range(4)]
    quiet = np.zeros((60, 80), np.float32)
    noisy = quiet.copy()
    noisy[10:12, 10:30] = 0.9
    out += [
        (noisy, np.zeros((60, 80), np.uint8)),
        (quiet, np.zeros((60, 80), np.uint8)),
        (quiet, scene(9)[1]),
    ]
    return out


def rows_of(images: list[tuple[np.ndarray, np.ndarray]]) -> list[ImageRow]:
    return [ImageRow(f"i{k}", (c.count_image(p, t, 0.5),)) for k, (p, t) in enumerate(images)]


def test_figures_follow_their_definitions(images) -> None:
    pairs = [(p >= 0.5, t > 0) for p, t in images]
    got = {n: f.value for n, f in summarise(rows_of(images), ["crack"], draws=0).figures.items()}
    tp = sum((p & t).sum() for p, t in pairs)
    union = sum((p | t).sum() for p, t in pairs)
    ious = [(p & t).sum() / (p | t).sum() if (p | t).any() else 1.0 for p, t in pairs]
    holding = [k for k, (_, t) in enumerate(pairs) if t.any()]
    back = [(~p & ~t).sum() / (~p | ~t).sum() for p, t in pairs]
    expected = {
        "iou_pooled": tp / union,
        "f1_pooled": f1_strict(pairs),
        "precision_pooled": tp / sum(p.sum() for p, _ in pairs),
        "recall_pooled": tp / sum(t.sum() for _, t in pairs),
        "iou_image_mean": np.mean([ious[k] for k in holding]),
        "f1_image_mean": np.mean([f1_strict([pairs[k]]) for k in holding]),
        "iou_image_mean_empty1": np.mean(ious),
        "dice_competition": np.mean([1.0 if math.isnan(f := f1_strict([x])) else f for x in pairs]),
        "miou_image_mean": (np.mean([ious[k] for k in holding]) + np.mean(back)) / 2,
        "f1_tol2_pooled": f1_tol(pairs, 2),
        "f1_tol5_pooled": f1_tol(pairs, 5),
        "image_tp": 4, "image_fp": 1, "image_fn": 1, "image_tn": 1,
        "image_fp_rate": 0.5, "image_fn_rate": 0.2,
    }  # fmt: skip
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=1e-12), name


def test_ods_and_ois_by_trying_every_threshold(images) -> None:
    got = {n: f.value for n, f in summarise(rows_of(images), ["crack"], draws=0).figures.items()}
    at = [[(p >= t, m > 0) for p, m in images] for t in c.THRESHOLDS]
    holding = [k for k, (_, m) in enumerate(images) if m.any()]
    assert got["ods"] == pytest.approx(max(f1_strict(pairs) for pairs in at))
    assert got["ods_tol2"] == pytest.approx(max(f1_tol(pairs, 2) for pairs in at))
    assert got["ois"] == pytest.approx(np.mean([max(f1_strict([pairs[k]]) for pairs in at) for k in holding]))
    assert got["ois_tol2"] == pytest.approx(
        np.mean([max(f1_tol([pairs[k]], 2) for pairs in at) for k in holding])
    )


def test_centreline_figures(images) -> None:
    figures = summarise(rows_of(images), ["crack"], draws=0).figures
    pairs = [(p >= 0.5, m > 0) for p, m in images]
    thin = [(c.thin(p), c.thin(t)) for p, t in pairs]
    precision = sum((a & t).sum() for (a, _), (_, t) in zip(thin, pairs, strict=True)) / sum(
        a.sum() for a, _ in thin
    )
    recall = sum((b & p).sum() for (_, b), (p, _) in zip(thin, pairs, strict=True)) / sum(
        b.sum() for _, b in thin
    )
    assert figures["cldice"].value == pytest.approx(2 * precision * recall / (precision + recall))
    tp = sum((b & (distance_to(a) <= 4)).sum() for a, b in thin)
    fp = sum((a & (distance_to(b) > 4)).sum() for a, b in thin)
    assert figures["cliou_tol4"].value == pytest.approx(tp / (sum(b.sum() for _, b in thin) + fp))


def test_a_perfect_prediction_scores_one() -> None:
    truth = scene(1)[1]
    figures = summarise(rows_of([(truth.astype(np.float32), truth)]), ["crack"]).figures
    for name in (
        "iou_pooled",
        "f1_tol2_pooled",
        "ods",
        "ois",
        "ods_tol2",
        "cldice",
        "cliou_tol4",
        "image_ap",
    ):
        assert figures[name].value == 1, name


def test_nothing_true_and_nothing_found_is_undefined_not_perfect() -> None:
    empty = np.zeros((20, 20), np.uint8)
    figures = summarise(rows_of([(empty.astype(np.float32), empty)]), ["crack"]).figures
    assert math.isnan(figures["f1_pooled"].value) and math.isnan(figures["image_ap"].value)
    assert figures["dice_competition"].value == 1 and figures["iou_image_mean_empty1"].value == 1


def test_silence_scores_zero_not_undefined() -> None:
    truth = scene(1)[1]
    figures = summarise(rows_of([(np.zeros(truth.shape, np.float32), truth)]), ["crack"]).figures
    for name in ("f1_pooled", "f1_tol2_pooled", "precision_image_mean", "cldice", "ods", "ods_tol2"):
        assert figures[name].value == 0, name


def test_several_classes_average_over_those_that_occur() -> None:
    probability, truth = scene(2)
    counts = c.count_image(probability, truth)
    never = c.count_image(probability * 0, truth * 0)
    background = c.count_strict(probability < 0.5, truth == 0)
    out = summarise([ImageRow("a", (counts, never), background)], ["a", "b"], draws=0)
    assert out.figures["f1_pooled"].value == out.classes["a"]["f1_pooled"].value
    assert math.isnan(out.classes["b"]["f1_pooled"].value)
    assert out.classes["background"]["iou_pooled"].value > 0.5
    with pytest.raises(ValueError, match="background"):
        summarise([ImageRow("a", (counts, never))], ["a", "b"])


def test_limits_hold_the_value_repeat_and_widen_with_groups(images) -> None:
    rows = [replace(row, name=f"{k}") for k, row in enumerate(rows_of(images * 4))]
    one = summarise(rows, ["crack"], seed=3).figures["f1_tol2_pooled"]
    assert one.low < one.value < one.high
    assert one == summarise(rows, ["crack"], seed=3).figures["f1_tol2_pooled"]
    # Four copies of a picture are no new evidence once they share a group.
    tied = [replace(row, group=str(k % len(images))) for k, row in enumerate(rows)]
    wide = summarise(tied, ["crack"], seed=3).figures["f1_tol2_pooled"]
    assert wide.value == one.value
    assert wide.high - wide.low > 1.5 * (one.high - one.low)


def test_every_mean_over_images_has_limits(images) -> None:
    figures = summarise(rows_of(images), ["crack"], draws=50).figures
    for name in ("iou", "f1", "precision", "recall"):
        assert figures[f"{name}_image_mean"].low is not None


def test_one_group_has_no_limits(images) -> None:
    figure = summarise(rows_of(images[:1]), ["crack"]).figures["iou_pooled"]
    assert figure.low is None and figure.high is None


def test_a_thousand_draws_over_a_thousand_images_are_quick(images) -> None:
    row = rows_of(images)[0]
    start = time.process_time()
    summarise([ImageRow(str(k), row.classes) for k in range(1000)], ["crack"])
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.9, 0.8, 0.1], [1, 1, 0], 1.0),
        ([0.9, 0.8, 0.1], [0, 1, 1], (1 / 2 + 2 / 3) / 2),
        ([0.5, 0.5], [1, 0], 0.5),
    ],
)
def test_average_precision(scores: list[float], truth: list[int], expected: float) -> None:
    assert average_precision(scores, [bool(t) for t in truth]) == pytest.approx(expected)


def test_image_f1_of_empty_is_one() -> None:
    assert image_f1_tol2(c.ClassCounts(0, 0, 0, 9)) == 1
    assert image_f1_tol2(c.ClassCounts(0, 2, 0, 9)) == 0


def test_real_masks_against_plain_code(data_root) -> None:
    """CFD truth, widened and shifted, taken as a prediction: figures by exact distances."""
    folder = data_root / "cfd" / "masks"
    pairs = []
    for k, path in enumerate(sorted(folder.glob("*.png"))[:6]):
        true = np.asarray(Image.open(path)) > 0
        pairs.append((np.roll(distance_to(true) <= 1, k % 4, axis=k % 2), true))
    rows = [ImageRow(str(k), (c.count_image(p.astype(np.float32), t),)) for k, (p, t) in enumerate(pairs)]
    figures = summarise(rows, ["crack"], draws=0).figures
    assert figures["f1_tol2_pooled"].value == pytest.approx(f1_tol(pairs, 2))
    assert figures["f1_tol5_pooled"].value == pytest.approx(f1_tol(pairs, 5))
    assert figures["f1_pooled"].value == pytest.approx(f1_strict(pairs))
    assert figures["ods"].value == pytest.approx(f1_strict(pairs))
