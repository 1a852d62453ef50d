"""The composer: exact truth, reproducible bytes, clean pictures, refusals."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from flawscope.data.synthetic import kind_named, synthesize
from flawscope.data.synthetic.canvas import CrackTruth, SynthImage
from flawscope.data.synthetic.concrete import ConcreteOptions, draw_mask, render_concrete, visible
from flawscope.data.synthetic.cracks import CrackOptions
from flawscope.errors import UsageError

SIZE_HW = (128, 160)


def digest(drawn: SynthImage) -> str:
    parts = [drawn.image.tobytes(), drawn.mask.tobytes()]
    parts += [c.points_xy_px.tobytes() + c.width_px.tobytes() for c in drawn.cracks]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("seed", range(20))
def test_picture_and_truth_agree(seed: int) -> None:
    drawn = render_concrete(seed, SIZE_HW)
    assert drawn.image.shape == (*SIZE_HW, 3)
    assert drawn.image.dtype == drawn.mask.dtype == np.uint8
    assert drawn.mask.shape == SIZE_HW
    assert set(np.unique(drawn.mask)) <= {0, 1}
    assert bool(drawn.cracks) == bool(drawn.mask.any())
    assert np.array_equal(drawn.mask, draw_mask(drawn.cracks, SIZE_HW))
    for crack in drawn.cracks:
        assert crack.points_xy_px.shape == (len(crack.width_px), 2)
        assert (crack.width_px > 0).all()


def test_bytes_depend_on_seed_and_size_alone() -> None:
    first = [digest(render_concrete(seed, SIZE_HW)) for seed in (3, 4, 5)]
    backwards = [digest(render_concrete(seed, SIZE_HW)) for seed in (5, 4, 3)]
    assert first == backwards[::-1]
    assert len(set(first)) == 3


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from flawscope.data.synthetic.concrete import render_concrete as r;"
        "d = r(11, (96, 96)); print(hashlib.sha256(d.image.tobytes() + d.mask.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = render_concrete(11, (96, 96))
    assert other.stdout.strip() == hashlib.sha256(here.image.tobytes() + here.mask.tobytes()).hexdigest()


def test_clean_share() -> None:
    everything = [render_concrete(s, (64, 64), ConcreteOptions(clean_share=1.0)) for s in range(8)]
    assert not any(drawn.mask.any() or drawn.cracks for drawn in everything)
    cracked = [render_concrete(s, (160, 160), ConcreteOptions(clean_share=0.0)) for s in range(20)]
    assert np.mean([drawn.mask.any() for drawn in cracked]) > 0.8


def test_clean_share_leaves_the_surface_alone() -> None:
    with_cracks = render_concrete(2, SIZE_HW, ConcreteOptions(clean_share=0.0)).recipe
    without = render_concrete(2, SIZE_HW, ConcreteOptions(clean_share=1.0)).recipe
    assert with_cracks["material"] == without["material"]
    assert with_cracks["surface"] == without["surface"]


def test_label_margin_widens_the_mask_only() -> None:
    options = [
        ConcreteOptions(clean_share=0, cracks=CrackOptions(label_margin_px=margin)) for margin in (0.0, 2.0)
    ]
    for seed in range(6):
        exact, wide = (render_concrete(seed, SIZE_HW, choice) for choice in options)
        assert np.array_equal(exact.image, wide.image)
        assert (wide.mask >= exact.mask).all()
        assert not exact.mask.any() or wide.mask.sum() > exact.mask.sum()


@pytest.mark.parametrize("width_px", [1.0, 3.0, 8.0])
def test_mask_area_equals_length_times_width(width_px: float) -> None:
    points = np.column_stack([np.linspace(10, 110, 51), np.linspace(20, 95, 51)])
    mask = draw_mask((CrackTruth(points, np.full(51, width_px)),), (128, 128))
    length_px = np.hypot(100, 75)
    expected = length_px * width_px + np.pi * width_px**2 / 4
    assert mask.sum() == pytest.approx(expected, rel=0.05 if width_px > 2 else 0.45)


def test_scaled_truth_follows_the_picture() -> None:
    crack = CrackTruth(np.array([[-0.5, -0.5], [9.5, 9.5]]), np.array([2.0, 4.0]))
    half = crack.scaled(0.5)
    assert np.allclose(half.points_xy_px, [[-0.5, -0.5], [4.5, 4.5]])
    assert np.allclose(half.width_px, [1, 2])
    assert np.allclose(crack.shifted(3, -1).points_xy_px, [[2.5, -1.5], [12.5, 8.5]])


def test_resized_pictures_keep_cracks_under_their_truth() -> None:
    """In pictures painted at another scale the cracks can be seen where the truth says."""
    options = ConcreteOptions(clean_share=0, rescale_share=1, distractors=False, materials={"concrete": 1})
    seen = away = 0
    for seed in range(12):
        drawn = render_concrete(seed, (192, 192), options)
        assert drawn.recipe["zoom"] != 1
        seen += sum(visible(crack, drawn.image) for crack in drawn.cracks)
        away += sum(visible(crack.shifted(11, 9), drawn.image) for crack in drawn.cracks)
    assert seen > 10
    assert away < 0.7 * seen


def test_visible_tells_a_dark_line_from_nothing() -> None:
    image = np.random.default_rng(0).integers(90, 140, (64, 64, 3)).astype(np.uint8)
    points = np.column_stack([np.arange(5.0, 60.0), np.full(55, 30.0)])
    crack = CrackTruth(points, np.full(55, 3.0))
    assert not visible(crack, image)
    image[29:32] = 30
    assert visible(crack, image)
    assert not visible(crack.shifted(500, 0), image)


@pytest.mark.parametrize(
    ("seed", "size_hw", "options", "word"),
    [
        (-1, (64, 64), None, "seed"),
        (0, (8, 64), None, "size"),
        (0, (64, 9000), None, "size"),
        (0, (64, 64), ConcreteOptions(clean_share=1.5), "clean_share"),
        (0, (64, 64), ConcreteOptions(materials={"jelly": 1}), "jelly"),
        (0, (64, 64), ConcreteOptions(materials={}), "materials"),
        (0, (64, 64), ConcreteOptions(materials={"brick": 0}), "materials"),
        (0, (64, 64), ConcreteOptions(always=("graffiti",)), "graffiti"),
    ],
)
def test_refusals(seed: int, size_hw: tuple[int, int], options: ConcreteOptions | None, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        render_concrete(seed, size_hw, options)


@pytest.mark.parametrize("distractors", [True, False])
def test_a_named_distractor_is_in_every_picture(distractors: bool) -> None:
    always = ("weld-seam", "handwriting")
    for seed in range(4):
        drawn = render_concrete(seed, (64, 80), ConcreteOptions(distractors=distractors, always=always))
        names = drawn.recipe["distractors"]
        assert set(always) <= set(names)
        assert distractors or names == list(always)


@pytest.mark.parametrize("material", ["asphalt", "brick", "concrete", "plaster", "painted-steel", "rubble"])
def test_every_material_can_be_asked_for(material: str) -> None:
    drawn = render_concrete(1, (64, 64), ConcreteOptions(materials={material: 1}, patch_share=0.0))
    assert drawn.recipe["material"] == ("brick" if material == "rubble" else material)


def test_synthesize_is_a_sample() -> None:
    sample = synthesize("concrete", 7, (64, 96))
    drawn = render_concrete(7, (64, 96))
    assert np.array_equal(sample.image(), drawn.image)
    assert np.array_equal(sample.mask, drawn.mask)
    sample.image()[:] = 0
    assert np.array_equal(sample.image(), drawn.image)
    assert sample.source == "synthetic-concrete"


def test_unknown_kinds_are_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(UsageError, match="concrete"):
        kind_named("granite")
    with pytest.raises(UsageError, match="Did you mean 'concrete'"):
        synthesize("concret", 0, (64, 64))


def test_visible_sees_a_line_that_is_dark_here_and_pale_there() -> None:
    image = np.full((64, 256, 3), 115, np.uint8)
    image[29:32, :128], image[29:32, 128:] = 60, 170
    points = np.column_stack([np.arange(2.0, 254.0), np.full(252, 30.0)])
    assert visible(CrackTruth(points, np.full(252, 3.0)), image)
