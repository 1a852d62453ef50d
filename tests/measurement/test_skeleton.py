"""The graph of a skeleton: what is an arm, a spur, a loop."""

from __future__ import annotations

import numpy as np
import pytest

from flawscope.measurement.components import components
from flawscope.measurement.findings import measure
from flawscope.measurement.graph import SkeletonGraph
from flawscope.measurement.skeleton import skeleton_graph
from flawscope.measurement.width import edge_field

from . import shapes


def graph_of(coverage: shapes.Coverage) -> SkeletonGraph:
    return skeleton_graph(next(components(coverage >= 0.5)).own)


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133])
def test_a_bar_is_one_branch_without_spurs(angle: int) -> None:
    graph = graph_of(shapes.bar(80, 14, angle))
    assert len(graph.branches) == 1
    assert not graph.nodes


def test_a_cross_is_four_arms_at_one_node_even_when_thinning_draws_two() -> None:
    for angle in (0, 10, 33, 45):
        graph = graph_of(shapes.star(70, 10, (angle, angle + 60, angle + 180, angle + 240)))
        assert len(graph.nodes) == 1, angle
        assert len(graph.branches) == 4, angle


def test_an_h_keeps_its_bar() -> None:
    mask = np.zeros((90, 60))
    mask[5:85, 10:16] = 1
    mask[5:85, 34:40] = 1
    mask[42:48, 10:40] = 1
    graph = graph_of(mask)
    assert len(graph.nodes) == 2
    assert len(graph.branches) == 5


def test_a_ring_is_a_closed_branch_and_a_ring_with_a_tail_has_a_node() -> None:
    assert [branch.closed for branch in graph_of(shapes.ring(20, 4)).branches] == [True]
    tailed = np.zeros((60, 120))
    ring = shapes.ring(20, 4)
    tailed[: ring.shape[0], : ring.shape[1]] = ring[:60]
    tailed[26:30, 48:110] = 1
    graph = graph_of(tailed)
    assert len(graph.nodes) == 1
    assert len(graph.branches) == 2


def test_a_very_thick_shape_is_thinned_on_blocks_and_keeps_its_thin_arm() -> None:
    mask = np.zeros((420, 900), bool)
    mask[20:400, 20:500] = True
    mask[208:212, 500:880] = True
    found = measure(mask)[0]
    assert found.length_px == pytest.approx(860, rel=0.1)
    assert found.centreline.width_px.max() == pytest.approx(380, rel=0.05)
    assert found.centreline.width_px[found.centreline.points_xy_px[:, 0] > 600] == pytest.approx(4, abs=0.3)


def test_hard_probabilities_leave_the_edges_to_the_mask() -> None:
    own = np.pad(np.ones((6, 30), bool), 3)
    assert not edge_field(own, None).soft
    assert not edge_field(own, own.astype(np.float32)).soft
    contradicting = np.where(own, np.float32(0.3), np.float32(0.6))
    assert not edge_field(own, contradicting).soft
    gentle = np.where(own, np.float32(0.7), np.float32(0.2))
    assert edge_field(own, gentle).level == 0.5
    low_threshold = np.where(own, np.float32(0.4), np.float32(0.1))
    assert edge_field(own, low_threshold).level == pytest.approx(0.4)
