"""Grad-CAM of a bundle: the bright spot of a photograph is found where it lies, and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from flawscope.bundle import Bundle  # noqa: E402
from flawscope.cli.app import main  # noqa: E402
from flawscope.inspection.bands import ArraySource  # noqa: E402
from flawscope.inspection.explain import make_explainer  # noqa: E402
from flawscope.inspection.explain_labels import PANEL_PX, LabelExplainer  # noqa: E402
from flawscope.manifest import InputSpec  # noqa: E402
from flawscope.models.build import build_model  # noqa: E402
from flawscope.training.bundle_writer import write_bundle  # noqa: E402
from flawscope.types import ClassInfo  # noqa: E402

CLASSES = (ClassInfo(0, "clean", "#000000", "image"), ClassInfo(1, "spot", "#ff0000", "image"))
OPTIONS: dict[str, Any] = {"in_channels": 1, "classes": 2, "size_hw": [32, 48], "widths": [2], "hidden": 2}


def spotted() -> Any:
    """A dark photograph of 64 x 96 with a bright spot around row 44, column 72."""
    image = np.full((64, 96, 3), 40, dtype=np.uint8)
    image[40:48, 68:76] = 250
    return image


@pytest.fixture(scope="module", params=["softmax", "sigmoid"])
def bundle(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network that says `spot` for bright pixels, `clean` for none: written by hand."""
    network = build_model("lab-cnn", **OPTIONS)
    for part in network.parameters():
        part.data.zero_()
    network.stages[0].convs[0].conv.weight.data[0, 0, 2, 2] = 1.0  # type: ignore[union-attr,index]
    network.hidden.weight.data[0, : 16 * 24] = 1.0  # type: ignore[union-attr,index]
    network.output.weight.data[:, 0] = torch.tensor([-1.0, 1.0])  # type: ignore[union-attr,index]
    network.output.bias.data = torch.tensor([1.0, -1.0])  # type: ignore[union-attr]
    spec = InputSpec(
        mode="resize", size_hw=(32, 48), channels="grey", mean=(0.5,), std=(0.25,), activation=request.param
    )
    return write_bundle(
        network,
        network_name="lab-cnn",
        network_options=OPTIONS,
        classes=CLASSES,
        input_spec=spec,
        out=tmp_path_factory.mktemp("b") / "b",
        parity_images=[spotted()],
        task="classification",
    )


def test_the_map_is_high_where_the_spot_is(bundle: Bundle) -> None:
    explainer = make_explainer(bundle)
    assert isinstance(explainer, LabelExplainer)
    ((title, one),) = explainer.maps(ArraySource(spotted())).items()
    assert title == "spot 1.00" and one.shape == (16, 24) and one.dtype == np.float32
    assert float(one.max()) == 1.0 and float(one.min()) == 0.0
    assert set(zip(*np.nonzero(one > 0.5), strict=True)) == {(r, c) for r in (10, 11) for c in (17, 18)}


def test_without_a_spot_the_likelier_class_is_explained(bundle: Bundle) -> None:
    dark = np.full((64, 96, 3), 40, dtype=np.uint8)
    ((title, one),) = make_explainer(bundle).maps(ArraySource(dark)).items()  # type: ignore[attr-defined]
    assert title.startswith("clean") and not one.any()


def test_a_large_photograph_is_drawn_small(bundle: Bundle) -> None:
    large = np.repeat(np.repeat(spotted(), 16, axis=0), 16, axis=1)
    drawn = LabelExplainer(bundle).draw(ArraySource(large))
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.shape[1] < 3 * PANEL_PX


def test_the_command(bundle: Bundle, tmp_path: Path) -> None:
    Image.fromarray(spotted()).save(tmp_path / "a.png")
    words = ["inspect", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--explain"]
    assert main([*words, "--model", str(bundle.source)]) == 0
    drawn = np.asarray(Image.open(tmp_path / "out" / "explain" / "a.png").convert("RGB"))
    assert drawn.shape[0] > 64
