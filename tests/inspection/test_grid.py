"""Tiles: every pixel once, inside the image, on the stride, with enough halo."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.inspection.grid import plan_axis, plan_grid
from flawscope.manifest import InputSpec


@st.composite
def specs(draw: st.DrawFn) -> InputSpec:
    stride = draw(st.sampled_from([1, 2, 8, 32]))
    halo, blend = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    least = -(-(2 * halo + blend + stride) // stride)
    return InputSpec(
        stride_multiple=stride,
        halo_px=halo,
        blend_px=blend,
        size_px=stride * draw(st.integers(least, least + 20)),
    )


@given(specs(), st.integers(1, 4000))
@settings(max_examples=300, deadline=None)
def test_every_axis_is_covered_once_by_tiles_that_stay_inside(spec: InputSpec, length: int) -> None:
    axis = plan_axis(length, spec)
    assert axis.padded_px % spec.stride_multiple == 0
    assert length <= axis.padded_px < length + spec.stride_multiple
    assert axis.starts_px[0] == 0
    assert axis.starts_px[-1] + axis.tile_px == axis.padded_px
    assert all(start % spec.stride_multiple == 0 for start in axis.starts_px)
    assert axis.tile_px <= spec.size_px
    cores = [axis.core(index) for index in range(axis.count)]
    assert cores[0][0] == 0
    assert cores[-1][1] == length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cores))
    assert all(a < b for a, b in cores)


@given(specs(), st.integers(1, 4000))
@settings(max_examples=300, deadline=None)
def test_ramps_keep_the_halo_on_both_sides_and_never_meet(spec: InputSpec, length: int) -> None:
    axis = plan_axis(length, spec)
    for index, (begin, end) in enumerate(axis.ramps_px):
        assert 0 <= end - begin <= spec.blend_px
        assert begin - axis.starts_px[index + 1] >= spec.halo_px
        assert axis.starts_px[index] + axis.tile_px - end >= spec.halo_px
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(axis.ramps_px))


def test_a_small_image_is_one_tile_padded_to_the_stride() -> None:
    grid = plan_grid((320, 481), InputSpec(size_px=512, stride_multiple=32))
    assert grid.count == 1
    assert (grid.rows.tile_px, grid.columns.tile_px) == (320, 512)


def test_resized_networks_have_one_tile_of_any_size() -> None:
    axis = plan_axis(3000, InputSpec(mode="resize", factor=0.5, stride_multiple=32))
    assert (axis.count, axis.tile_px) == (1, 3008)
