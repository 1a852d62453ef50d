"""The bundle writer: exports that agree, gates that hold, nothing half-written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402

from flawscope.bundle import Bundle  # noqa: E402
from flawscope.errors import ParityError, UsageError  # noqa: E402
from flawscope.inspection.runtimes import make_runtime  # noqa: E402
from flawscope.inspection.tiles import predict_probability  # noqa: E402
from flawscope.manifest import Chosen, InputSpec  # noqa: E402
from flawscope.models.build import build_model  # noqa: E402
from flawscope.training import bundle_writer  # noqa: E402
from flawscope.training.bundle_writer import write_bundle  # noqa: E402
from flawscope.types import ClassInfo  # noqa: E402

IMAGES = [np.random.default_rng(i).integers(0, 256, (70, 90 + i, 3), dtype=np.uint8) for i in range(2)]
SPEC = InputSpec(size_px=64, stride_multiple=4, halo_px=8, blend_px=4)
CRACK = (ClassInfo(1, "crack"),)
OPTIONS: dict[str, Any] = {"in_channels": 3, "classes": 1, "widths": [4, 8]}


def tiny() -> nn.Module:
    torch.manual_seed(1)
    return build_model("unet", **OPTIONS)


def write(network: nn.Module, out: Path, **more: Any) -> Bundle:
    given: dict[str, Any] = {
        "network_name": "unet",
        "network_options": OPTIONS,
        "classes": CRACK,
        "input_spec": SPEC,
        "parity_images": IMAGES,
        **more,
    }
    return write_bundle(network, out=out, **given)


def test_the_bundle_answers_as_the_network_in_every_runtime(tmp_path: Path) -> None:
    network = tiny().train()
    bundle = write(network, tmp_path / "b", thresholds={"crack": Chosen(value=0.3, rule="f1", data="val")})
    assert network.training
    assert bundle.manifest.parity_difference is not None
    assert bundle.manifest.parity_difference <= 1e-4
    assert bundle.manifest.seam_difference is not None
    assert bundle.threshold("crack") == 0.3
    answers = [
        predict_probability(IMAGES[0], make_runtime(bundle, name=name), bundle.manifest.input, 1)
        for name in ("onnx", "torch")
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)


def test_results_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    from flawscope.inspection.options import PredictOptions

    bundle = write(tiny(), tmp_path / "b")
    runtime = make_runtime(bundle)
    image = np.random.default_rng(9).integers(0, 256, (200, 210, 3), dtype=np.uint8)
    one, seven = (
        predict_probability(image, runtime, bundle.manifest.input, 1, PredictOptions(batch=batch))
        for batch in (1, 7)
    )
    assert np.abs(one - seven).max() <= 1e-5


def test_the_graph_is_one_file_without_names_of_this_machine(tmp_path: Path) -> None:
    bundle = write(tiny(), tmp_path / "b", card="# Card")
    names = sorted(path.name for path in bundle.root.iterdir())
    assert names == ["card.md", "manifest.json", "model.onnx", "weights.safetensors"]
    graph = (bundle.root / "model.onnx").read_bytes()
    assert b".py" not in graph
    assert str(Path(__file__).parents[2]).encode() not in graph


def test_an_export_that_disagrees_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bundle_writer.export_onnx

    def other(network: nn.Module, channels: int, stride: int) -> bytes:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.5)
        data = real(network, channels, stride)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.div_(1.5)
        return data

    monkeypatch.setattr(bundle_writer, "export_onnx", other)
    with pytest.raises(ParityError, match="No bundle was written"):
        write(tiny(), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    network = tiny()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(ParityError):
        write(network, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_real_images_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one real image"):
        write(tiny(), tmp_path / "b", parity_images=[])


def test_the_tracing_exporter_has_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flawscope.training import onnx_export

    def gone(network: nn.Module, example: Tensor) -> bytes:
        raise RuntimeError("no such exporter")

    monkeypatch.setattr(onnx_export, "_traced", gone)
    bundle = write(nn.Conv2d(3, 1, 5, padding=2), tmp_path / "b", network_name="", network_options={})
    assert bundle.manifest.seam_difference is not None
    assert bundle.manifest.seam_difference <= 1e-5
    assert b".py" not in (bundle.root / "model.onnx").read_bytes()


def test_a_coarser_network_raises_the_stride(tmp_path: Path) -> None:
    network = tiny()
    stride = int(network.stride_multiple)  # type: ignore[arg-type]
    bundle = write(network, tmp_path / "b", input_spec=SPEC.model_copy(update={"stride_multiple": 1}))
    assert bundle.manifest.input.stride_multiple % stride == 0


def test_a_stride_that_leaves_no_room_in_the_tile_widens_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    options = {"in_channels": 3, "classes": 1, "widths": [2] * 6}
    spec = InputSpec(size_px=32, stride_multiple=4, halo_px=8, blend_px=4)
    network = build_model("unet", **options)
    bundle = write(network, tmp_path / "b", network_options=options, input_spec=spec)
    assert bundle.manifest.input.stride_multiple == 32
    assert bundle.manifest.input.size_px == 64
    assert (bundle.manifest.input.halo_px, bundle.manifest.input.blend_px) == (8, 4)


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_pictures_of_a_single_stride_are_compared_too(tmp_path: Path, norm: str) -> None:
    torch.manual_seed(1)
    options = {**OPTIONS, "norm": norm}
    images = [IMAGES[0][:2, :2], IMAGES[0][:1, :1]]
    network = build_model("unet", **options)
    bundle = write(network, tmp_path / "b", network_options=options, parity_images=images)
    assert bundle.manifest.parity_difference is not None


def test_figures_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    bundle = write(
        tiny(), tmp_path / "b", metrics={"f1": np.float32(0.5), "ap": float("nan"), "n": [1, (2,)]}
    )
    assert bundle.manifest.metrics == {"f1": 0.5, "n": [1, [2]]}
