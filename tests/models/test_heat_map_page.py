"""The page's way from a bundle to a heat map over a photograph runs as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flawscope.manifest import InputSpec
from flawscope.models import build_model
from flawscope.training.bundle_writer import write_bundle
from flawscope.types import ClassInfo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "networks.md"
SIZE_HW = (32, 48)


def write_spot_finder(out: Path, activation: str) -> None:
    """A classifier written by hand: `spot` where its window holds bright pixels, `clean` elsewhere."""
    options: dict[str, Any] = {
        "in_channels": 1, "classes": 2, "size_hw": list(SIZE_HW), "widths": [2], "hidden": 2
    }  # fmt: skip
    network: Any = build_model("lab-cnn", **options)
    for part in network.parameters():
        part.data.zero_()
    network.stages[0].convs[0].conv.weight.data[0, 0, 2, 2] = 1.0
    network.hidden.weight.data[0, : 16 * 24] = 1.0
    network.output.weight.data[:, 0] = torch.tensor([-1.0, 1.0])
    network.output.bias.data = torch.tensor([2.0, -2.0])
    write_bundle(
        network,
        network_name="lab-cnn",
        network_options=options,
        classes=(ClassInfo(0, "clean", "#000000", "image"), ClassInfo(1, "spot", "#ff0000", "image")),
        input_spec=InputSpec(
            mode="resize", size_hw=SIZE_HW, channels="grey", mean=(0.5,), std=(0.25,), activation=activation
        ),
        out=out,
        parity_images=[np.full((*SIZE_HW, 3), 40, np.uint8)],
        task="classification",
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_page_finds_the_spot_where_it_lies(
    activation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    write_spot_finder(tmp_path / "runs" / "steel" / "bundle", activation)
    photo = np.full((100, 150, 3), 40, np.uint8)
    photo[70:76, 40:46] = 250
    Image.fromarray(photo).save(tmp_path / "wall.png")
    (tmp_path / "wall.png").rename(tmp_path / "wall.jpg")  # lossless: read by content, not by name
    monkeypatch.chdir(tmp_path)
    probability = runpy.run_path("page.py")["probability"]
    assert probability.shape == (2, 100, 150)
    rows, columns = np.nonzero(probability[1] > 0.5)
    # Every window that holds the spot says so: a rectangle of the window's size around it.
    assert abs(rows.mean() - 72.5) < 2 and abs(columns.mean() - 42.5) < 2
    assert abs(np.ptp(rows) - SIZE_HW[0]) < 10 and abs(np.ptp(columns) - SIZE_HW[1]) < 10
    assert Image.open("heat.png").size > (2 * 150, 2 * 100)
