"""What is kept of one image equals what brute force finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from flawscope.data.dataset import make_class
from flawscope.data.explore_look import (
    WIDEST_PX,
    look,
    measure_class,
    plane_of,
    sharpness_of,
    width_counts,
)
from flawscope.errors import ImageError
from flawscope.images.rle import decode_rle
from flawscope.types import IGNORE_INDEX, Mask, Sample

CLASSES = (make_class(1, "crack"), make_class(2, "patch"))
SIZE = (12, 17)


def sample(mask: Mask | None, labels: tuple[int, ...] = ()) -> Sample:
    pixels = np.arange(SIZE[0] * SIZE[1] * 3, dtype=np.uint8).reshape(*SIZE, 3)
    return Sample("a", lambda: pixels, None if mask is None else (lambda: mask), labels, "s")


@settings(deadline=None)
@given(arrays(np.uint8, SIZE, elements=st.sampled_from([0, 0, 1, 2, IGNORE_INDEX])))
def test_figures_equal_brute_force(mask: Mask) -> None:
    found = look(sample(mask), CLASSES)
    assert found.row is not None
    valid = int((mask != IGNORE_INDEX).sum())
    present = [n for n in (1, 2) if (mask == n).any()]
    assert list(found.row.classes) == present == list(found.rles)
    for number in present:
        plane = mask == number
        labels, count = ndimage.label(plane, np.ones((3, 3)))
        figures = found.row.classes[number]
        assert (figures.pixels, figures.components) == (int(plane.sum()), count)
        assert figures.largest_px == max(int((labels == n).sum()) for n in range(1, count + 1))
        assert figures.share == pytest.approx(plane.sum() / valid)
        assert (decode_rle(found.rles[number], SIZE) == plane).all()
    assert list(found.widths) == [n for n in present if n == 1]
    marked = int(((mask == 1) | (mask == 2)).sum())
    assert found.row.share == pytest.approx(marked / valid if valid else 0.0)


@settings(deadline=None)
@given(arrays(np.bool_, (*SIZE, 2)))
def test_overlapping_classes_count_a_pixel_once(stack: Mask) -> None:
    found = look(sample(stack), CLASSES)
    assert found.row is not None
    assert found.row.share == pytest.approx(stack.any(axis=2).mean())
    for number, figures in found.row.classes.items():
        assert figures.pixels == stack[..., number - 1].sum()


def test_labels_of_whole_images() -> None:
    found = look(sample(None, (0, 3)), CLASSES)
    assert found.row is not None and list(found.row.classes) == [0, 3]
    assert found.row.share == 1 and not found.rles and not found.widths


def test_an_image_that_cannot_be_read() -> None:
    def broken() -> Mask:
        raise ImageError("a.png: truncated.")

    found = look(Sample("a", broken), CLASSES)
    assert found.row is None and found.check.error == "a.png: truncated."


@pytest.mark.parametrize("width_px", range(1, 12))
@pytest.mark.parametrize("turned", [False, True])
def test_widths_of_bars_are_exact(width_px: int, turned: bool) -> None:
    plane = np.zeros((40, 300), np.bool_)
    plane[10 : 10 + width_px, 20:280] = True
    counts = width_counts(plane.T if turned else plane)
    assert int(counts.argmax()) == width_px and counts[width_px] > 0.95 * counts.sum()


def test_the_rim_of_the_picture_is_no_edge() -> None:
    plane = np.zeros((60, 20), np.bool_)
    plane[:, 8:13] = True
    figures, counts = measure_class(plane, plane.size, True)
    assert counts is not None and counts.sum() > 50 and not counts[:4].any() and not counts[7:].any()
    assert figures.width_mean_px == pytest.approx(5, abs=0.1)


def test_widths_do_not_depend_on_tiles() -> None:
    plane = np.zeros((1400, 1300), np.bool_)
    for y, x in ((100, 100), (300, 900), (1020, 40)):
        plane[y : y + 9, x : x + 390] = True
    parts = [plane[50:200, 50:600], plane[250:400, 850:], plane[1000:1100, :500]]
    assert (width_counts(plane) == sum(width_counts(part) for part in parts)).all()


def test_a_plane_that_is_all_marked_has_no_width() -> None:
    figures, counts = measure_class(np.ones((5, 6), np.bool_), 30, True)
    assert counts is not None and not counts.any() and len(counts) == WIDEST_PX + 1
    assert figures.width_mean_px is None and figures.pixels == 30


def test_blur_lowers_sharpness() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    soft = ndimage.uniform_filter(sharp, 5)
    assert sharpness_of(sharp) > 10 * sharpness_of(soft) > 0
    laplacian = ndimage.convolve(sharp.astype(float), [[0, -1, 0], [-1, 4, -1], [0, -1, 0]])[1:-1, 1:-1]
    assert sharpness_of(sharp) == pytest.approx(laplacian.var(), rel=1e-4)
    assert sharpness_of(np.zeros((2, 9), np.uint8)) == 0


def test_planes_of_both_kinds_of_mask() -> None:
    mask = np.array([[0, 2], [1, 2]], np.uint8)
    assert plane_of(mask, 2).tolist() == [[False, True], [False, True]]
    stack = np.stack([mask == 1, mask == 2], axis=2)
    assert (plane_of(stack, 2) == plane_of(mask, 2)).all()
