"""The ways up, against arrays worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models import build_model
from flawscope.models.receptive_field import measure
from flawscope.models.upsampling import (
    UPSAMPLINGS,
    BedOfNails,
    BilinearTransposed,
    MaxUnpool,
    make_up,
    pool_places,
)

GRID = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)


def identity(kind: str) -> nn.Module:
    """A way up for one channel whose 1 x 1 convolution changes nothing."""
    up = make_up(kind, 1, 1)
    conv = next(part for part in up.modules() if isinstance(part, nn.Conv2d))
    nn.init.ones_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return up


def rows(*given: list[float]) -> Tensor:
    return torch.tensor(given)


def test_nearest_copies() -> None:
    wanted = rows([1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4])
    assert torch.equal(identity("nearest")(GRID)[0, 0], wanted)


def test_a_bed_of_nails_keeps_zeros() -> None:
    wanted = rows([1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0])
    assert torch.equal(identity("bed_of_nails")(GRID)[0, 0], wanted)
    third = BedOfNails(3)(torch.tensor([[[[5.0]], [[7.0]]]]))
    assert third.shape == (1, 2, 3, 3)
    assert third[0, :, 0, 0].tolist() == [5, 7] and third.count_nonzero() == 2


def test_max_unpooling_remembers_where_the_largest_lay() -> None:
    """The thesis' figure 40, then other values at the same places."""
    fine = rows([7, 5, 6, 3], [6, 9, 0, 5], [5, 3, 0, 1], [2, 9, 9, 6]).view(1, 1, 4, 4)
    pooled = functional.max_pool2d(fine, 2)
    assert pooled[0, 0].tolist() == [[9, 6], [9, 9]]
    assert pool_places(fine)[0, 0].tolist() == [[3, 0], [3, 2]]
    printed = rows([0, 0, 6, 0], [0, 9, 0, 0], [0, 0, 0, 0], [0, 9, 9, 0])
    assert torch.equal(MaxUnpool()(pooled, pool_places(fine))[0, 0], printed)
    wanted = rows([0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 3, 4, 0])
    assert torch.equal(identity("max_unpooling")(GRID, fine)[0, 0], wanted)


def test_max_unpooling_is_torchs_also_at_ties() -> None:
    fine = torch.randint(0, 3, (2, 3, 8, 6), generator=torch.Generator().manual_seed(0)).float()
    pooled, indices = functional.max_pool2d(fine, 2, return_indices=True)
    wanted = functional.max_unpool2d(pooled, indices, [2, 2])
    assert torch.equal(MaxUnpool()(pooled, pool_places(fine)), wanted)


def test_a_transposed_convolution_adds_overlapping_kernels() -> None:
    up = nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)
    nn.init.ones_(up.weight)
    wanted = rows([1, 1, 3, 2, 2], [1, 1, 3, 2, 2], [4, 4, 10, 6, 6], [3, 3, 7, 4, 4], [3, 3, 7, 4, 4])
    assert torch.equal(up(GRID)[0, 0], wanted)
    two = make_up("transposed", 1, 1)
    nn.init.constant_(two.weight, 2.0)  # type: ignore[arg-type]
    nn.init.zeros_(two.bias)  # type: ignore[arg-type]
    assert two(GRID)[0, 0, 0].tolist() == [2, 2, 4, 4]


def test_the_bilinear_start_by_hand() -> None:
    kernel = BilinearTransposed(1).weight[0, 0]
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.equal(kernel, torch.outer(line, line))
    # Between 1 and 2: .75 * 1 + .25 * 2, .25 * 1 + .75 * 2; beyond the grid its border goes on.
    row = torch.tensor([[[[1.0, 2.0, 4.0]] * 3]])
    assert identity("transposed_bilinear")(row)[0, 0, 2].tolist() == [1.0, 1.25, 1.75, 2.5, 3.5, 4.0]


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
def test_the_bilinear_start_interpolates_up_to_the_border(factor: int) -> None:
    grid = torch.randn(1, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    wanted = functional.interpolate(grid, scale_factor=float(factor), mode="bilinear", align_corners=False)
    torch.testing.assert_close(BilinearTransposed(3, factor)(grid), wanted)


def test_a_u_net_starts_with_the_bilinear_kernel() -> None:
    model = build_model("unet", widths=(4, 6), upsampling="transposed_bilinear")
    up = next(part for part in model.modules() if isinstance(part, BilinearTransposed))
    assert torch.equal(up.weight, BilinearTransposed(4).weight)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
def test_the_reach_of_a_u_net_is_bounded_whatever_the_way_up(kind: str) -> None:
    reach = measure(build_model("unet", widths=(2, 3, 3), upsampling=kind))
    assert reach is not None and 15 <= reach.halo_px <= 40


def test_an_unknown_way_is_named() -> None:
    with pytest.raises(ConfigError, match="bed_of_nails"):
        make_up("magic", 1, 1)
