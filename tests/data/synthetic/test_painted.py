"""Cracks drawn on photographs leave the rest of the picture and of its mask alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flawscope.data.synthetic.cracks import CrackOptions
from flawscope.data.synthetic.noise import blur
from flawscope.data.synthetic.painted import grain_px, paint_cracks
from flawscope.errors import UsageError


def _ground(seed: int = 0, side: int = 160, grain: float = 1.5) -> np.ndarray:
    rough = np.random.default_rng(seed).normal(0, 1, (side, side)).astype(np.float32)
    smooth = blur(rough, grain)
    grey = 130 + 12 * smooth / smooth.std()
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_the_same_arguments_give_the_same_bytes_and_other_seeds_others() -> None:
    image, mask = _ground(), np.zeros((160, 160), np.uint8)
    one, again, other = (paint_cracks(seed, image, mask) for seed in (3, 3, 4))
    assert np.array_equal(one.image, again.image) and np.array_equal(one.mask, again.mask)
    assert not np.array_equal(one.image, other.image)


def test_what_is_labelled_is_seen_and_far_from_it_the_photograph_stays() -> None:
    image, mask = _ground(), np.zeros((160, 160), np.uint8)
    options = CrackOptions(count=1, path="long", fill="void", width_px=(4.0, 7.0), surround=False, gaps=False)
    drawn = paint_cracks(1, image, mask, options)
    on = drawn.mask == 1
    assert 0.01 < on.mean() < 0.2 and drawn.cracks
    difference = image.astype(int).mean(axis=2) - drawn.image.astype(int).mean(axis=2)
    assert difference[on].mean() > 25
    unchanged = (drawn.image == image).all(axis=2)
    assert unchanged.mean() > 0.6
    widths = np.concatenate([crack.width_px for crack in drawn.cracks])
    assert widths.min() > 2 and widths.max() <= 7.0 + 1e-6


def test_labels_that_were_there_stay() -> None:
    image, mask = _ground(), np.zeros((160, 160), np.uint8)
    mask[:40], mask[40:80] = 1, 255
    drawn = paint_cracks(2, image, mask, CrackOptions(count=2, fill="void", width_px=(3.0, 8.0)))
    assert (drawn.mask[:40] == 1).all() and (drawn.mask[40:80] == 255).all()
    assert set(np.unique(drawn.mask[80:])) == {0, 1}
    assert mask[80:].max() == 0


def test_cracks_that_nobody_could_see_are_not_labelled() -> None:
    image, mask = _ground(side=96), np.zeros((96, 96), np.uint8)
    plain = CrackOptions(count=1, path="long", fill="void", contrast=(0.0, 1.0), surround=False)
    faint = replace(plain, contrast=(0.0, 0.01))
    seen, unseen = (paint_cracks(0, image, mask, options) for options in (plain, faint))
    assert not unseen.mask.any() and not unseen.cracks
    assert seen.mask.any() and seen.cracks


def test_wide_cracks_are_as_frequent_as_fine_ones() -> None:
    image, mask = _ground(side=96), np.zeros((96, 96), np.uint8)
    widths = [
        float(np.median(np.concatenate([crack.width_px for crack in drawn.cracks])))
        for drawn in (paint_cracks(seed, image, mask) for seed in range(30))
        if drawn.cracks
    ]
    assert len(widths) > 20
    assert min(widths) < 3.5 and max(widths) > 7.0


def test_grain_is_measured_in_pixels() -> None:
    fine, middle, coarse = (grain_px(_ground(side=192, grain=grain)) for grain in (0.6, 1.5, 3.0))
    assert 1.0 <= fine < middle < coarse <= 6.0
    assert grain_px(np.full((64, 64, 3), 90, np.uint8)) == 1.0


def test_distractors_come_without_a_label_and_leave_labels_to_be_seen() -> None:
    image, mask = _ground(), np.zeros((160, 160), np.uint8)
    mask[:, 78:82] = 1
    no_cracks = CrackOptions(count=0)
    drawn = paint_cracks(5, image, mask, no_cracks, {"crazed-paint": 1.0, "cable": 0.0})
    assert np.array_equal(drawn.mask, mask) and drawn.recipe["distractors"] == ["crazed-paint"]
    brighter = drawn.image.astype(int).mean(axis=2) - image.astype(int).mean(axis=2)
    assert (brighter > 20).mean() > 0.05
    assert np.array_equal(drawn.image[mask == 1], image[mask == 1])
    plain = paint_cracks(5, image, mask, no_cracks, {"crazed-paint": 0.0})
    assert np.array_equal(plain.image, image) and plain.recipe["distractors"] == []


def test_distractors_are_as_frequent_as_asked() -> None:
    image, mask = _ground(side=64), np.zeros((64, 64), np.uint8)
    shares = {"crazed-paint": 0.3, "scratches": 0.8}
    shown = [
        paint_cracks(seed, image, mask, CrackOptions(count=0), shares).recipe["distractors"]
        for seed in range(60)
    ]
    assert 0.1 < np.mean(["crazed-paint" in names for names in shown]) < 0.5
    assert 0.6 < np.mean(["scratches" in names for names in shown]) < 0.95


def test_what_lies_on_a_crack_is_drawn_after_it() -> None:
    image, mask = _ground(), np.zeros((160, 160), np.uint8)
    options = CrackOptions(count=1, path="long", fill="void", width_px=(4.0, 6.0), surround=False, gaps=False)
    marked = [paint_cracks(seed, image, mask, options, {"crazed-paint": 1.0}) for seed in range(6)]
    dark = [drawn.image[drawn.mask == 1].mean() for drawn in marked if drawn.mask.any()]
    # Cracks break the paint, so they stay darker than the photograph was.
    assert dark and max(dark) < image.mean() - 20
    covered = [paint_cracks(seed, image, mask, options, {"cable": 1.0}) for seed in range(6)]
    assert all(drawn.recipe["distractors"] == ["cable"] for drawn in covered)
    plain = [paint_cracks(seed, image, mask, options) for seed in range(6)]
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(covered, plain, strict=True))
    assert any(
        (one.image[one.mask == 1] != other.image[other.mask == 1]).any()
        for one, other in zip(covered, plain, strict=True)
    )


def test_an_unknown_distractor_is_refused() -> None:
    with pytest.raises(UsageError, match=r"distractors names paint-crazed.\nExpected .*crazed-paint"):
        paint_cracks(0, _ground(side=64), np.zeros((64, 64), np.uint8), None, {"paint-crazed": 0.5})


@pytest.mark.parametrize(
    ("seed", "shape", "mask_hw", "words"),
    [
        (-1, (64, 64, 3), (64, 64), "seed"),
        (0, (64, 64, 3), (64, 60), "mask"),
        (0, (20, 64, 3), (20, 64), "32"),
    ],
)
def test_what_cannot_be_drawn_on_is_refused(
    seed: int, shape: tuple[int, int, int], mask_hw: tuple[int, int], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        paint_cracks(seed, np.zeros(shape, np.uint8), np.zeros(mask_hw, np.uint8))
