"""CoreDeep's search, against the paper's words carried out by labelling."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from flawscope.errors import DataError, UsageError
from flawscope.evaluation.component_curve import component_curve
from flawscope.evaluation.connectivity import (
    ConnectivitySearch,
    search_image,
    threshold_name,
)

from .test_counts import scene


def by_hand(plane: np.ndarray) -> float:
    """Section 3.1, step by step."""

    def components(t: float) -> int:
        return int(ndimage.label(plane >= t, np.ones((3, 3)))[1])

    first = components(0.5)
    edges = np.linspace(float(plane.min()), float(plane.max()), 11)
    for k in range(10):
        if components(edges[k + 1]) > first:
            inner = np.linspace(edges[k], edges[k + 1], 11)
            for t in inner[::-1]:
                if components(t) == first:
                    return float(t)
            return float(inner[0])
    return float(edges[-1])


@pytest.mark.parametrize("seed", range(12))
def test_the_search_is_the_papers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = ndimage.gaussian_filter(rng.random((50, 60)), 1 + seed % 4)
    plane = ((plane - plane.min()) / np.ptp(plane)).astype(np.float32)
    found, _ = search_image(component_curve(plane), float(plane.min()), float(plane.max()))
    assert found == pytest.approx(by_hand(plane))


def bridge(weak: float) -> np.ndarray:
    """A crack of 0.97 with one weaker pixel, beside nothing."""
    plane = np.full((20, 40), 0.01, np.float32)
    plane[10, 3:37] = 0.97
    plane[10, 20] = weak
    return plane


def test_the_threshold_stays_below_the_weakest_link() -> None:
    plane = bridge(0.73)
    found, ended = search_image(component_curve(plane), 0.01, 0.97)
    assert ended == 7 and 0.62 < found <= 0.73
    assert int(component_curve(plane).count(found)) == 1
    whole, ended = search_image(component_curve(bridge(0.97)), 0.01, 0.97)
    assert ended is None and whole == pytest.approx(0.97)


def choose(planes: list[np.ndarray], truth: np.ndarray | None = None):
    search = ConnectivitySearch(["crack"])
    for k, plane in enumerate(planes):
        search.add(f"{k}", [plane], [(plane > 0.5).astype(np.uint8) if truth is None else truth])
    return search, search.choose()[0]


def test_the_middle_of_the_fullest_bin_and_its_name() -> None:
    planes = [bridge(w) for w in (0.55, 0.6, 0.7, 0.97, 0.97, 0.97)]
    _, choice = choose(planes)
    k = int(np.argmax(choice.counts))
    assert choice.threshold == pytest.approx((choice.edges[k] + choice.edges[k + 1]) / 2, abs=0.006)
    assert sum(choice.counts) == 6 and choice.above_high == 3
    content = choice.to_dict()
    assert content["histogram_above_0.899"]["images_above"] == 3
    assert sum(content["histogram_above_0.899"]["images"]) == 3
    json.dumps(content)
    assert threshold_name(0.95) == "95" and threshold_name(0.9) == "90" and threshold_name(0.945) == "94.5"


def lone(value: float) -> np.ndarray:
    """A crack that stays whole up to its probability, beside nothing."""
    plane = np.zeros((8, 8), np.float32)
    plane[3, 1:7] = value
    return plane


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("value", [0.7204, 0.97, 1.0])
def test_images_that_agree_choose_what_they_agree_on(value: float, count: int) -> None:
    _, choice = choose([lone(value)] * count)
    assert choice.threshold == pytest.approx(min(value, 0.99), abs=0.0051)
    k = int(np.argmax(choice.counts))
    assert choice.counts[k] == count and choice.edges[k] <= value <= choice.edges[k + 1]
    assert len(choice.counts) == 10 and choice.edges[-1] - choice.edges[0] < 0.02


def test_images_that_differ_in_the_last_digit_agree() -> None:
    _, choice = choose([lone(0.97), np.nextafter(lone(0.97), np.float32(1))])
    assert choice.threshold == 0.97


def test_no_threshold_is_nothing_or_all() -> None:
    plane = lone(0.9)
    plane[6, ::2] = 0.2  # faint specks: only at 0 is all one component
    _, choice = choose([plane] * 2, (plane > 0.5).astype(np.uint8))
    assert choice.images[0].threshold == 0 and choice.threshold == 0.01


def test_clean_and_silent_images_have_no_say_and_ignored_pixels_neither() -> None:
    dim = np.full((10, 10), 0.2, np.float32)
    search = ConnectivitySearch(["crack"])
    search.add("clean", [bridge(0.7)], [np.zeros((20, 40), np.uint8)])
    search.add("dim", [dim], [np.ones((10, 10), np.uint8)])
    assert search.absent == ("crack",) and search.silent == [1]
    with pytest.raises(DataError, match="--part"):
        search.choose()
    plane, truth = bridge(0.97), np.zeros((20, 40), np.uint8)
    truth[10, 3:37] = 1
    plane[2, 2] = 1.0
    truth[2, 2] = 255
    search.add("ignored", [plane], [truth])
    (choice,) = search.choose()
    assert choice.images[0].components == 1


def test_faint_specks_end_the_search_at_once_unless_it_begins_at_half() -> None:
    plane = bridge(0.8)
    plane[2:18:4, 2:38:4] = np.maximum(plane[2:18:4, 2:38:4], 0.3)
    truth = (plane > 0.5).astype(np.uint8)
    for begin, low, high in (("lowest", 0.0, 0.15), ("half", 0.7, 0.8)):
        search = ConnectivitySearch(["crack"], begin=begin)  # type: ignore[arg-type]
        search.add("specks", [plane], [truth])
        (choice,) = search.choose()
        assert low <= choice.images[0].threshold <= high
        assert choice.at_once == (begin == "lowest")
    with pytest.raises(UsageError, match="lowest or half"):
        ConnectivitySearch(["crack"], begin="top")  # type: ignore[arg-type]


def test_real_looking_scenes_end_with_as_many_components_as_they_began_with() -> None:
    planes = [scene(seed, (60, 70))[0] for seed in range(4)]
    _, choice = choose(planes)
    for one in choice.images:
        assert not one.rises or one.components_after <= max(one.components, 1) or one.threshold < 0.5
