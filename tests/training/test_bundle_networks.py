"""Every network of our own becomes a bundle: the exported graph answers as the network, at any tile size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flawscope.manifest import InputSpec
from flawscope.models.attention_unet import KINDS
from flawscope.models.build import build_model
from flawscope.models.fcn import FCNS
from flawscope.models.upsampling import UPSAMPLINGS
from flawscope.training.bundle_writer import PARITY_LIMIT, write_bundle
from flawscope.types import ClassInfo

CRACK = (ClassInfo(1, "crack"),)
ENCODER = {"encoder": "tu-lcnet_050"}
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"widths": [3, 4, 5]}) for name in KINDS),
    *(("unet", {"widths": [3, 4, 5], "upsampling": kind}) for kind in UPSAMPLINGS),
    *((name, ENCODER) for name in FCNS),
    *(("fcn-8s", {**ENCODER, "upsampling": kind}) for kind in ("bed_of_nails", "max_unpooling")),
]


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=lambda part: str(part))
def test_it_passes_the_parity_gate(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"in_channels": 3, "classes": 1, **options}
    network = build_model(name, **options)
    with torch.no_grad():
        for part in network.parameters():
            part.add_(torch.randn_like(part) * 0.05)  # scores that start at zero would agree too easily
    pictures = [np.random.default_rng(k).integers(0, 256, (70, 90 + k, 3), dtype=np.uint8) for k in range(2)]
    bundle = write_bundle(
        network,
        network_name=name,
        network_options=options,
        classes=CRACK,
        input_spec=InputSpec(size_px=64, halo_px=8, blend_px=4, stride_multiple=4),
        out=tmp_path / "bundle",
        parity_images=pictures,
    )
    assert bundle.manifest.parity_difference is not None
    assert bundle.manifest.parity_difference <= PARITY_LIMIT
