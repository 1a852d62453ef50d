"""Tiled prediction: exact where it can be, independent of batch, bounded in memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.errors import BundleError, ImageError, UsageError
from flawscope.inspection.bands import ArraySource, activate
from flawscope.inspection.options import PredictOptions, parse_working_scale
from flawscope.inspection.seams import measure_seam_difference
from flawscope.inspection.tiles import Network, predict_bands, predict_probability, scaled_bytes_per_px
from flawscope.inspection.working_scale import ScaleSearch
from flawscope.manifest import InputSpec
from flawscope.types import FloatArray, RgbImage

from .toy_networks import PLAIN, Box, Global, Identity, Pooled

SPEC = InputSpec(size_px=96, stride_multiple=8, halo_px=16, blend_px=8, mean=(0.5,) * 3, std=(0.1,) * 3)
WHOLE = SPEC.model_copy(update={"size_px": 8192})


def picture(height: int, width: int, seed: int = 0) -> RgbImage:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sigmoid_of_red(image: RgbImage) -> FloatArray:
    value = (image[..., 0].astype(np.float64) / 255 - 0.5) / 0.1
    return (1 / (1 + np.exp(-value))).astype(np.float32)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 5), st.booleans())
@settings(max_examples=40, deadline=None)
def test_an_identity_network_gives_the_picture_back(height: int, width: int, batch: int, flips: bool) -> None:
    image = picture(height, width)
    options = PredictOptions(batch=batch, flip_tta=flips)
    found = predict_probability(image, Identity(), SPEC, 1, options)
    assert found.shape == (1, height, width)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], sigmoid_of_red(image), atol=2e-6)


@pytest.mark.parametrize("network", [Box(5), Box(16), Pooled()])
@pytest.mark.parametrize("size_hw", [(97, 513), (300, 211), (400, 96)])
def test_tiling_is_exact_for_local_networks(network: Box | Pooled, size_hw: tuple[int, int]) -> None:
    image = picture(*size_hw)
    tiled = predict_probability(image, network, SPEC, 1)
    np.testing.assert_array_equal(tiled, predict_probability(image, network, WHOLE, 1))


def test_a_network_that_sees_further_than_the_halo_is_not_exact() -> None:
    image = picture(300, 300)
    tiled = predict_probability(image, Box(40), SPEC, 1)
    assert np.abs(tiled - predict_probability(image, Box(40), WHOLE, 1)).max() > 1e-4


def test_seam_difference_is_nought_for_local_networks_and_measured_for_others() -> None:
    images = [picture(80, 60), picture(400, 300)]
    assert measure_seam_difference(Box(5), images, SPEC) <= 1e-6
    assert measure_seam_difference(Global(), images, SPEC) > 1e-4
    assert measure_seam_difference(Box(SPEC.halo_px), images, SPEC) <= 1e-6
    assert measure_seam_difference(Box(SPEC.halo_px + SPEC.blend_px), images, SPEC) > 1e-4
    resized = InputSpec(mode="resize", factor=0.5)
    assert measure_seam_difference(Global(), images, resized) == 0.0


def test_neighbouring_tiles_of_a_global_network_fade_without_a_step() -> None:
    image = picture(90, 300)
    image[:, :150] //= 2  # tiles disagree about the mean
    found = predict_probability(image, Global(), SPEC, 1)
    whole = predict_probability(image, Global(), WHOLE, 1)
    offset = np.median(found - whole, axis=(0, 1))
    assert np.abs(np.diff(offset)).max() < np.ptp(offset) / 4


def test_bands_come_from_top_to_bottom_and_cover_every_row_once() -> None:
    image = picture(500, 130)
    network = Network(Box(5), SPEC, 1)
    bands = list(predict_bands(ArraySource(image), network, PredictOptions()))
    assert len(bands) > 3
    assert [band[0] for band in bands] == [0, *(band[1] for band in bands[:-1])]
    assert bands[-1][1] == 500
    together = np.concatenate([band[2] for band in bands], axis=1)
    np.testing.assert_array_equal(together, predict_probability(image, Box(5), SPEC, 1))


def test_memory_of_bands_does_not_grow_with_the_height() -> None:
    def peak(height: int) -> int:
        network = Network(Identity(), SPEC, 1)
        source = ArraySource(np.zeros((height, 200, 3), dtype=np.uint8))
        tracemalloc.start()
        for _ in predict_bands(source, network, PredictOptions(batch=1)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(8000) < 1.3 * peak(800)


@pytest.mark.parametrize("scales", [(2.0,), (3.0,), (1.0, 2.0), (1.5, 2.0, 0.5)])
def test_memory_of_other_sizes_is_asked_for(scales: tuple[float, ...]) -> None:
    image, spec = picture(600, 600), SPEC.model_copy(update={"size_px": 128, "halo_px": 8})
    options = PredictOptions(scales=scales, fusion="mean")
    network = Network(Identity(), spec, 1, ScaleSearch(candidates=scales))
    tracemalloc.start()
    predict_probability(image, network.runtime, spec, 1, options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    asked = scaled_bytes_per_px(network, options)
    own = 4 + 4  # its answer, and rows of tiles, which are a good part of so small a picture
    assert peak / (600 * 600) < asked + own
    assert scaled_bytes_per_px(network, replace(options, scales="auto")) == asked
    assert scaled_bytes_per_px(network, replace(options, fusion="choose")) <= asked
    assert scaled_bytes_per_px(network, PredictOptions()) == 0.0


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 200), (3, 7), (200, 1)])
@pytest.mark.parametrize("scales", ["native", "auto", (0.5,), (2.0, 1.0)])
def test_tiny_pictures_of_any_shape_are_done(size_hw: tuple[int, int], scales: object) -> None:
    options = PredictOptions(scales=scales, fusion="mean" if isinstance(scales, tuple) else "choose")  # type: ignore[arg-type]
    found = predict_probability(picture(*size_hw), Pooled(), SPEC, 1, options)
    assert found.shape == (1, *size_hw)
    assert np.isfinite(found).all()


def test_a_resized_network_answers_on_the_photographs_grid() -> None:
    spec = InputSpec(mode="resize", size_hw=(40, 64), stride_multiple=8, mean=(0.5,) * 3, std=(0.1,) * 3)
    image = np.full((300, 200, 3), 40, dtype=np.uint8)
    image[:150] = 200
    found = predict_probability(image, Identity(), spec, 1)
    assert found.shape == (1, 300, 200)
    assert found[0, :140].min() > 0.9
    assert found[0, 160:].max() < 0.1


def test_mean_over_scales_lies_between_them() -> None:
    image = picture(120, 150)
    one, half = (
        predict_probability(image, Box(2), SPEC, 1, PredictOptions(scales=(scale,))) for scale in (1.0, 0.5)
    )
    both = PredictOptions(scales=(1.0, 0.5), fusion="mean")
    np.testing.assert_allclose(predict_probability(image, Box(2), SPEC, 1, both), (one + half) / 2, atol=1e-6)
    largest = PredictOptions(scales=(0.5, 1.0), fusion="max")
    np.testing.assert_allclose(
        predict_probability(image, Box(2), SPEC, 1, largest), np.maximum(one, half), atol=1e-6
    )


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 0.5, 1.0)])
def test_a_scale_that_is_named_twice_counts_once(scales: tuple[float, ...]) -> None:
    image = picture(120, 150)
    twice, once = (PredictOptions(scales=s, fusion="mean") for s in (scales, tuple(dict.fromkeys(scales))))
    answers = [predict_probability(image, Box(2), SPEC, 1, options) for options in (twice, once)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert twice == once


def test_softmax_drops_the_background_plane() -> None:
    logits = np.array([[[[2.0]], [[1.0]], [[0.0]]]], dtype=np.float32)
    found = activate(logits, InputSpec(activation="softmax"), 2)
    assert found.shape == (1, 2, 1, 1)
    np.testing.assert_allclose(found.ravel(), [0.2447, 0.0900], atol=1e-3)


def test_sigmoid_of_huge_logits_does_not_overflow() -> None:
    logits = np.array([-1e9, 1e9], dtype=np.float32).reshape(1, 1, 1, 2)
    with np.errstate(all="raise"):
        assert activate(logits, InputSpec(), 1).ravel().tolist() == [pytest.approx(0.0, abs=1e-30), 1.0]


def test_a_network_with_other_planes_or_sizes_than_the_manifest_says_is_refused() -> None:
    with pytest.raises(BundleError, match="do not belong together"):
        predict_probability(picture(40, 40), Identity(), SPEC, 3)

    class Halving(Identity):
        def run(self, batch: FloatArray) -> FloatArray:
            return batch[:, :1, ::2, ::2]

    with pytest.raises(BundleError, match="must be equal"):
        predict_probability(picture(40, 40), Halving(), SPEC, 1)

    class Merging(Identity):
        def run(self, batch: FloatArray) -> FloatArray:
            return batch[:1, :1].copy()

    with pytest.raises(BundleError, match=r"1 answers to \d tiles"):
        predict_probability(picture(300, 300), Merging(), SPEC, 1)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_that_are_no_picture_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="Expected height x width x 3"):
        predict_probability(array, Identity(), PLAIN, 1)


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"batch": 0}, {"scales": (0.0,)}, {"scales": ()}, {"fusion": "sum"}, {"scales": "best"}):
        with pytest.raises(UsageError):
            PredictOptions(**wrong)  # type: ignore[arg-type]
    assert parse_working_scale("auto") == "auto"
    assert parse_working_scale("1,0.5") == (1.0, 0.5)
    assert parse_working_scale("1,0.5,1.0,0.5") == (1.0, 0.5)
    for wrong_text in ("half", "1;2", "100"):
        with pytest.raises(UsageError):
            parse_working_scale(wrong_text)
