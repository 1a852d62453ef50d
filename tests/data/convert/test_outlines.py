"""Outlines along pixel edges cover exactly their pieces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flawscope.data.convert.outlines import outline
from flawscope.data.convert.pixels import pieces
from flawscope.data.layouts.shapes import Shape, crosses_itself

planes = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(planes)
@settings(max_examples=150, deadline=None)
def test_every_piece_comes_back_by_one_ring_that_does_not_cross(plane: npt.NDArray[np.bool_]) -> None:
    back = np.zeros_like(plane)
    for piece, (top, left) in pieces(plane):
        ring = [float(value) for point in outline(piece) for value in point]
        assert not crosses_itself(ring)
        drawn = Shape(1, (tuple(ring),)).draw((piece.shape[0], piece.shape[1]))
        assert np.array_equal(drawn, piece)
        back[top : top + piece.shape[0], left : left + piece.shape[1]] |= drawn
    assert np.array_equal(back, plane)


def test_a_square_has_four_corners_and_a_frame_a_slit() -> None:
    assert sorted(outline(np.ones((3, 2), np.bool_))) == [(0, 0), (0, 3), (2, 0), (2, 3)]
    frame = np.ones((5, 5), np.bool_)
    frame[2, 2] = False
    assert set(outline(frame)) >= {(2, 2), (3, 2), (3, 3), (2, 3), (0, 2)}
