"""What gates let through: on the photograph's grid, in panels, as files of a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from flawscope.bundle import Bundle  # noqa: E402
from flawscope.cli.app import main  # noqa: E402
from flawscope.errors import UsageError  # noqa: E402
from flawscope.inspection.bands import ArraySource  # noqa: E402
from flawscope.inspection.explain import PANEL_PX, Explainer  # noqa: E402
from flawscope.inspection.inspector import Inspector  # noqa: E402
from flawscope.inspection.preprocess import preprocess  # noqa: E402
from flawscope.inspection.run import RunSettings, inspect_folder  # noqa: E402
from flawscope.manifest import InputSpec  # noqa: E402
from flawscope.models.attention_unet import AttentionGate, attention_maps  # noqa: E402
from flawscope.models.build import build_model  # noqa: E402
from flawscope.training.bundle_writer import write_bundle  # noqa: E402
from flawscope.types import ClassInfo  # noqa: E402

OPTIONS: dict[str, Any] = {"in_channels": 3, "classes": 1, "widths": [3, 4, 5]}
TILE = InputSpec(size_px=64, stride_multiple=4, halo_px=16, blend_px=4)


def picture(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make(out: Path, name: str = "attention-unet", spec: InputSpec = TILE, classes: int = 1) -> Bundle:
    torch.manual_seed(0)
    options = {**OPTIONS, "classes": classes}
    network = build_model(name, **options)
    for part in network.modules():
        if isinstance(part, AttentionGate):
            part.psi.weight.data.normal_(std=2.0)  # as after a training: openings that differ
    kinds: dict[str, Any] = {
        "network_name": name,
        "network_options": options,
        "classes": (ClassInfo(1, "c"),),
    }
    return write_bundle(network, out=out, input_spec=spec, parity_images=[picture(70, 80)], **kinds)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make(tmp_path_factory.mktemp("bundle") / "b")


def direct(bundle: Bundle, image: Any) -> dict[str, Any]:
    """The maps of the whole picture at once, straight from the network."""
    from flawscope.inspection.runtimes import make_runtime

    module = make_runtime(bundle, name="torch").module  # type: ignore[attr-defined]
    batch = torch.from_numpy(preprocess(image, bundle.manifest.input))[None]
    return {name: one[0].numpy() for name, one in attention_maps(module, batch).items()}


def test_maps_are_those_of_the_network_whatever_the_tiles(bundle: Bundle) -> None:
    image = picture(96, 130)
    maps = Explainer(bundle).maps(ArraySource(image), (96, 130))
    wanted = direct(bundle, image)
    assert list(maps) == ["level-2", "level-1"]
    for name, opening in maps.items():
        assert opening.shape == (96, 130) and opening.dtype == np.float32
        # Padding inside the network shows at the border; tiles there are padded another way.
        np.testing.assert_allclose(opening[24:-24, 24:-24], wanted[name][24:-24, 24:-24], atol=1e-3)


def test_a_smaller_map_is_the_mean(bundle: Bundle) -> None:
    source = ArraySource(picture(100, 150))
    explainer = Explainer(bundle)
    full, half = explainer.maps(source, (100, 150)), explainer.maps(source, (50, 75))
    for name, opening in half.items():
        np.testing.assert_allclose(
            opening, full[name].reshape(50, 2, 75, 2).mean(axis=(1, 3)), rtol=1e-4, atol=1e-5
        )
    assert explainer.maps(source, (33, 47))["level-1"].shape == (33, 47)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_resized_input_is_drawn_on_the_photograph(activation: Any, tmp_path: Path) -> None:
    spec = InputSpec(mode="resize", size_hw=(40, 64), activation=activation, stride_multiple=4)
    outputs = 2 if activation == "softmax" else 1
    explainer = Explainer(make(tmp_path / "b", "attention-unet-full", spec, outputs))
    assert explainer.gates == ("level-2-from-1", "level-2-from-2", "level-1-from-1")
    maps = explainer.maps(ArraySource(picture(90, 140)), (90, 140))
    assert all(0 < one.min() <= one.max() < 1 and one.shape == (90, 140) for one in maps.values())


def test_a_large_photograph_is_drawn_small(bundle: Bundle) -> None:
    drawn = Explainer(bundle).draw(ArraySource(picture(20, 2 * PANEL_PX)))
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3
    assert PANEL_PX < drawn.shape[1] < 1.1 * PANEL_PX and drawn.shape[0] < 300


def test_a_run_writes_a_picture_an_image_and_resumes(bundle: Bundle, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "sub").mkdir(parents=True)
    Image.fromarray(picture(60, 80)).save(photos / "a.png")
    Image.fromarray(picture(64, 70)).save(photos / "sub" / "b.png")
    settings = RunSettings((photos,), out, formats=("csv",), explainer=Explainer(bundle))
    result = inspect_folder(Inspector(bundle), settings)
    assert result.files["explain"] == "explain"
    written = [out / "explain" / "a.png", out / "explain" / "sub" / "b.png"]
    assert all(path.is_file() for path in written)
    written[0].unlink()
    again = inspect_folder(Inspector(bundle), replace(settings, resume=True))
    assert again.resumed == 1 and written[0].is_file()


def test_the_command(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(picture(40, 50)).save(tmp_path / "a.png")
    words = ["inspect", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--explain"]
    assert main([*words, "--model", str(bundle.source)]) == 0
    assert (tmp_path / "out" / "explain" / "a.png").is_file()
    plain = make(tmp_path / "plain", "unet")
    assert main([*words, "--model", str(plain.source)]) == 2
    assert "attention-unet-full" in capsys.readouterr().err


def test_a_network_without_gates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no attention gates"):
        Explainer(make(tmp_path / "plain", "unet"))


def test_without_torch_the_extra_is_named(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("flawscope.models")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    Image.fromarray(picture(40, 50)).save(tmp_path / "a.png")
    words = ["inspect", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--explain"]
    assert main([*words, "--model", str(bundle.source)]) == 2
    assert "flawscope[train]" in capsys.readouterr().err
