from __future__ import annotations

import pytest
import torch
from torch import nn

from flawscope.models import build_model
from flawscope.models.receptive_field import measure

from .networks import image


def test_stacked_convolutions_reach_what_arithmetic_says() -> None:
    wide = nn.Conv2d(4, 4, 5, padding=2)
    dilated = nn.Conv2d(4, 1, 3, padding=2, dilation=2)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), wide, dilated)
    reach = measure(layers)
    assert reach is not None
    assert (reach.before_px, reach.after_px) == (5, 5)


def test_a_two_level_unet_reaches_what_arithmetic_says() -> None:
    # Down: 2 x 1 px fine, 2 x 2 px coarse; up: 2 x 1 px fine; the pooling grid adds one pixel on one side.
    reach = measure(build_model("unet", widths=(4, 4)))
    assert reach is not None
    assert reach.halo_px == 2 + 4 + 2 + 1


@pytest.mark.parametrize("options", [{}, {"stem": "space_to_depth"}, {"padding": "valid"}])
def test_pixels_beyond_the_halo_change_nothing(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    model = build_model("unet", widths=(4, 6, 8), **options).eval()
    reach = measure(model)
    assert reach is not None
    plain = image(1, 3, 16, 256)
    changed = plain.clone()
    changed[..., :64] += 5.0
    with torch.no_grad():
        difference = (model(plain) - model(changed)).abs().amax(dim=(0, 1, 2))
    assert difference[64 + reach.before_px :].max() == 0.0
    assert difference[64 + reach.before_px - 12 : 64 + reach.before_px].max() > 0.0


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_a_norm_over_the_image_has_no_bound(norm: str) -> None:
    assert measure(build_model("unet", widths=(4, 4), norm=norm)) is None


def test_squeeze_and_excite_has_no_bound() -> None:
    channels = (32, 32, 16, 16, 16)
    model = build_model("smp-unet", decoder_attention_type="scse", decoder_channels=channels)
    assert measure(model) is None
