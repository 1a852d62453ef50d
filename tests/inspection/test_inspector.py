"""The Inspector: images of every kind in, predictions and findings out; ensembles; refusals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Bundle, write_bundle_folder
from flawscope.errors import BundleError, ImageError, MemoryLimitError, UsageError
from flawscope.inspection import inspector as inspector_module
from flawscope.inspection.inspector import Inspector, open_image
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.runtimes import RUNTIMES, OnnxRuntime, default_threads, make_runtime
from flawscope.manifest import Chosen, InputSpec, NetworkSpec, StageSpec
from flawscope.types import Scale

from .toy_networks import PLAIN, dark_bundle, dark_graph


def photograph(height: int = 200, width: int = 300) -> np.ndarray:
    """Light ground with a dark bar of 8 x 200 px and a dark speck."""
    image = np.full((height, width, 3), 220, dtype=np.uint8)
    image[60:68, 50:250] = 20
    image[150:153, 20:23] = 20
    return image


def test_a_dark_bar_is_found_and_measured(tmp_path: Path) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "b"), min_area_px={"crack": 20})
    result = inspector.inspect(photograph(), scale="0.5mm", name="bar.jpg")
    assert result.status == "ok"
    assert result.verdict == "defect"
    assert result.size_hw == (200, 300)
    (finding,) = result.findings
    assert finding.class_name == "crack"
    assert finding.area_px == 1600
    assert finding.width_mean_mm == pytest.approx(4.0, abs=0.3)
    assert result.prediction is not None
    assert result.prediction.mask.sum() == 1600
    assert result.prediction.probability.shape == (1, 200, 300)
    assert result.prediction.stack is None


def test_paths_pil_images_and_arrays_are_the_same(tmp_path: Path) -> None:
    inspector = Inspector(tmp_path / "b" if dark_bundle(tmp_path / "b") else "")
    image = photograph()
    Image.fromarray(image).save(tmp_path / "a.png")
    expected = inspector.predict(image).mask
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(image)):
        np.testing.assert_array_equal(inspector.predict(given).mask, expected)
    assert inspector.inspect(tmp_path / "a.png").image == "a.png"


def test_pil_images_come_out_upright(tmp_path: Path) -> None:
    picture = Image.fromarray(photograph())
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    inspector = Inspector(dark_bundle(tmp_path / "b"))
    with Image.open(tmp_path / "turned.jpg") as opened:
        from_pil = inspector.predict(opened).mask
    assert from_pil.shape == (300, 200)
    np.testing.assert_array_equal(from_pil, inspector.predict(tmp_path / "turned.jpg").mask)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "RGBA"])
def test_pil_images_of_any_mode(tmp_path: Path, mode: str) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "b"))
    picture = Image.fromarray(photograph())
    mask = inspector.predict(picture.convert(mode, dither=Image.Dither.NONE)).mask
    assert mask[60:68, 50:250].mean() > 0.95


def test_thresholds_and_areas_of_the_call_win_over_the_bundles(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "b", min_area_px={"crack": Chosen(value=20)})
    assert len(Inspector(bundle).inspect(photograph()).findings) == 1
    assert len(Inspector(bundle, min_area_px={"crack": 0}).inspect(photograph()).findings) == 2
    assert Inspector(bundle, thresholds={"crack": 1.0}).inspect(photograph()).findings == ()
    for wrong in (
        {"thresholds": {"spall": 0.5}},
        {"thresholds": {"crack": 2}},
        {"min_area_px": {"crack": -1}},
    ):
        with pytest.raises(UsageError):
            Inspector(bundle, **wrong)  # type: ignore[arg-type]


def test_presence_clears_an_image_with_too_few_pixels(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "b", presence_px={"crack": Chosen(value=2000)})
    assert Inspector(bundle).inspect(photograph()).findings == ()


def test_numbers_of_pixels_follow_the_size_that_they_are_meant_for(tmp_path: Path) -> None:
    """The photograph has 60,000 px, and a crack of 1,600 px in it."""
    meant = {"crack": Chosen(value=3000, of_px=120_000)}
    bundle = dark_bundle(tmp_path / "b", presence_px=meant, min_area_px=meant)
    inspector = Inspector(bundle)
    assert (inspector.min_area_px, inspector.presence_px) == ({"crack": 3000}, {"crack": 3000})
    assert inspector.areas_px((200, 300)) == ({"crack": 1500}, {"crack": 1500})
    assert inspector.areas_px((1, 3)) == ({"crack": 1}, {"crack": 1})
    assert len(inspector.inspect(photograph()).findings) == 1
    given = Inspector(bundle, min_area_px={"crack": 2000})
    assert given.areas_px((200, 300))[0] == {"crack": 2000} and not given.inspect(photograph()).findings
    assert inspector.min_area_meant_for_px("crack") == 120_000
    assert given.min_area_meant_for_px("crack") is None
    other = dark_bundle(tmp_path / "other", min_area_px={"crack": Chosen(value=10, of_px=600)})
    assert Inspector([bundle, bundle]).min_area_meant_for_px("crack") == 120_000
    assert Inspector([bundle, other]).min_area_meant_for_px("crack") is None
    # As it is on any photograph where the bundle names none.
    old = dark_bundle(tmp_path / "old", presence_px={"crack": Chosen(value=3000)})
    assert Inspector(old).areas_px((2, 2)) == ({"crack": 0}, {"crack": 3000})


def test_presence_of_an_ensemble_is_the_mean_like_its_thresholds(tmp_path: Path) -> None:
    one = dark_bundle(tmp_path / "one", presence_px={"crack": Chosen(value=100)})
    two = dark_bundle(tmp_path / "two", presence_px={"crack": Chosen(value=600, of_px=600)})
    both = Inspector([one, two])
    assert both.areas_px((20, 30))[1] == {"crack": 350}
    assert both.areas_px((10, 30))[1] == {"crack": 200}


def test_overlapping_classes_give_a_stack(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "b", ("crack", "spall"), multi_label=True)
    prediction = Inspector(bundle).predict(photograph())
    assert prediction.stack is not None
    assert prediction.stack.shape == (2, 200, 300)
    assert prediction.stack[0].sum() == 1609
    assert prediction.stack[1].sum() == 0
    assert prediction.class_ids == (1, 2)


def test_an_ensemble_is_the_mean_of_its_members(tmp_path: Path) -> None:
    one = dark_bundle(tmp_path / "1")
    two = dark_bundle(tmp_path / "2", input=one.manifest.input.model_copy(update={"mean": (0.1,) * 3}))
    image = np.random.default_rng(0).integers(0, 256, (150, 170, 3), dtype=np.uint8)
    probabilities = [Inspector(bundle).predict_probability(image) for bundle in (one, two)]
    both = Inspector([one, two]).predict_probability(image)
    np.testing.assert_allclose(both, np.mean(probabilities, axis=0), atol=1e-6)
    with pytest.raises(BundleError, match="different classes"):
        Inspector([one, dark_bundle(tmp_path / "3", ("spall",))])
    with pytest.raises(UsageError, match="at least one"):
        Inspector([])


def test_the_order_of_an_ensemble_does_not_matter_to_the_working_scale(tmp_path: Path) -> None:
    tiles = dark_bundle(tmp_path / "a")
    whole = dark_bundle(
        tmp_path / "b", input=InputSpec(**{**PLAIN.model_dump(), "mode": "resize", "factor": 1})
    )
    options = PredictOptions(scales=(0.5,))
    one, other = (Inspector(pair, options=options) for pair in ([tiles, whole], [whole, tiles]))
    assert one.inspect(photograph()).notes == other.inspect(photograph()).notes == ("working scale 0.5",)
    found, expected = (inspector.predict_probability(photograph()) for inspector in (one, other))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_working_scale_that_no_network_can_heed_is_refused(tmp_path: Path) -> None:
    sized = dark_bundle(
        tmp_path / "b", input=InputSpec(**{**PLAIN.model_dump(), "mode": "resize", "factor": 1})
    )
    with pytest.raises(UsageError, match=r"sizes every photograph[^\n]*\nLeave --working-scale out"):
        Inspector(sized, options=PredictOptions(scales=(0.5,)))
    for scales in ("native", "auto", (1.0,)):
        Inspector(sized, options=PredictOptions(scales=scales))  # type: ignore[arg-type]
    tiled = dark_bundle(tmp_path / "tiled")
    Inspector([sized, tiled], options=PredictOptions(scales=(0.5,)))


def test_the_working_scale_is_told(tmp_path: Path) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "b"), options=PredictOptions(scales=(0.5,)))
    assert inspector.inspect(photograph()).notes == ("working scale 0.5",)


def test_scales_of_any_kind(tmp_path: Path) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "b"))
    for scale in (0.2, "0.2mm", Scale(0.2)):
        result = inspector.inspect(photograph(), scale=scale)
        assert result.scale is not None
        assert result.scale.mm_per_px == 0.2
    with pytest.raises(UsageError):
        inspector.inspect(photograph(), scale="fine")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    inspector = Inspector(dark_bundle(tmp_path / "b"))
    wrong: list[Any] = [None, 3, np.zeros((3, 3)), tmp_path / "absent.jpg"]
    for given in wrong:
        with pytest.raises(ImageError):
            inspector.inspect(given)


def test_large_pictures_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    monkeypatch.setattr(inspector_module, "open_windowed", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(MemoryLimitError, match=r"needs .* of memory"):
        open_image(tmp_path / "a.png", max_pixels=1000)


def test_runtimes_are_chosen_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = dark_bundle(tmp_path / "b")
    assert make_runtime(bundle).name == "onnx"
    assert make_runtime(bundle, threads=2).threads == 2
    assert set(RUNTIMES) == {"onnx", "openvino", "torch"}
    with pytest.raises(UsageError, match="Unknown runtime 'tpu'"):
        make_runtime(bundle, name="tpu")
    with pytest.raises(UsageError, match="threads is 0"):
        make_runtime(bundle, threads=0)
    with pytest.raises(BundleError, match="holds nothing for the torch runtime"):
        make_runtime(bundle, name="torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert default_threads() >= 1


def test_graphs_that_cannot_be_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot load"):
        OnnxRuntime(b"no graph")
    runtime = make_runtime(dark_bundle(tmp_path / "b"))
    with pytest.raises(BundleError, match="cannot run on input"):
        runtime.run(np.zeros((1, 5, 8, 8), dtype=np.float32))


def test_onnx_runtime_that_is_broken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = dark_bundle(tmp_path / "b")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="Install it again"):
        Inspector(bundle)


def test_a_network_that_answers_nan_finds_nothing_in_silence_no_more(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "b")
    (bundle.root / "model.onnx").write_bytes(dark_graph(gain=float("nan")))
    with pytest.raises(BundleError, match="answers with NaN"):
        Inspector(bundle).inspect(photograph())


def torch_bundle(root: Path, weights: bytes, **options: object) -> Bundle:
    network = NetworkSpec(name="unet", options={"in_channels": 3, "classes": 1, "widths": [2, 3], **options})
    stage = StageSpec(network=network, files={"onnx": "model.onnx", "weights": "w.safetensors"})
    manifest = dark_bundle(root.with_name("dark")).manifest.model_copy(update={"stages": (stage,)})
    return write_bundle_folder(root, manifest, {"model.onnx": dark_graph(), "w.safetensors": weights})


def test_weights_that_make_no_network_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    from flawscope.models.build import build_model

    state = build_model("unet", widths=[2, 3]).state_dict()
    good = save(state)
    image = photograph(40, 40)
    Inspector(torch_bundle(tmp_path / "0", good), runtime="torch").inspect(image)
    wrong: list[tuple[bytes, dict[str, object], str]] = [
        (b"garbage", {}, "do not fit"),
        (good[:-9], {}, "do not fit"),
        (b"", {}, "do not fit"),
        (good, {"widths": [2, 4]}, "do not fit"),
        (good, {"bogus": 1}, "cannot be built"),
        (good, {"widths": "wide"}, "cannot be built"),
    ]
    for number, (weights, options, named) in enumerate(wrong, start=1):
        bundle = torch_bundle(tmp_path / str(number), weights, **options)
        with pytest.raises(BundleError, match=named):
            Inspector(bundle, runtime="torch")
    other = save(build_model("unet", widths=[2, 3], in_channels=2).state_dict())
    with pytest.raises(BundleError, match="cannot run on input"):
        Inspector(torch_bundle(tmp_path / "c", other, in_channels=2), runtime="torch").inspect(image)
    state["head.bias"] = torch.full_like(state["head.bias"], torch.nan)
    with pytest.raises(BundleError, match="answers with NaN"):
        Inspector(torch_bundle(tmp_path / "n", save(state)), runtime="torch").inspect(image)


def test_openvino_answers_as_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    bundle = dark_bundle(tmp_path / "b")
    image = np.random.default_rng(0).integers(0, 256, (150, 170, 3), dtype=np.uint8)
    found = Inspector(bundle, runtime="openvino").predict_probability(image)
    np.testing.assert_allclose(found, Inspector(bundle).predict_probability(image), atol=1e-4)


def test_a_bundle_without_a_segmenting_network_is_refused(tmp_path: Path) -> None:
    stage = StageSpec(role="classify", files={"onnx": "model.onnx"})
    with pytest.raises(BundleError, match="no 'segment' network"):
        Inspector(dark_bundle(tmp_path / "b", stages=(stage,)))
