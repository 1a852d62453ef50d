"""Fingerprints, and the search for near-copies among many."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest

from flawscope.data.copies import NO_THUMBNAIL, Fingerprint, fingerprint, near_copies

from .small import photo


def test_small_and_blank_pictures_are_near_copies_of_nothing() -> None:
    digits = [fingerprint(photo(number, (28, 28))) for number in range(3)]
    blank = [fingerprint(np.zeros((64 + number, 64, 3), np.uint8)) for number in range(2)]
    assert not any(item.has_thumbnail for item in (*digits, *blank))
    assert not near_copies([*digits, *blank])


def test_numbers_are_of_all_prints_also_of_those_without_a_thumbnail() -> None:
    seen = fingerprint(photo(7, (96, 128)))
    again = Fingerprint(b"saved anew", seen.thumbnail)
    other = fingerprint(photo(8, (96, 128)))
    digit = fingerprint(photo(9, (28, 28)))
    assert near_copies([digit, seen, digit, other, again]) == [(1, 4)]


@pytest.mark.parametrize("edge_px", [28, 96])
def test_a_print_stays_the_same_on_its_way_between_processes(edge_px: int) -> None:
    item = fingerprint(photo(1, (edge_px, edge_px)))
    sent = pickle.dumps(item)
    back = pickle.loads(sent)
    assert back.digest == item.digest
    assert np.array_equal(back.thumbnail, item.thumbnail)
    assert back.has_thumbnail == (edge_px == 96)
    if edge_px == 28:
        assert len(sent) < 200, "thousands of digits need not send a thumbnail each"
        assert back.thumbnail is NO_THUMBNAIL


@pytest.mark.slow
def test_twelve_thousand_strips_are_compared_in_seconds() -> None:
    rng = np.random.default_rng(0)
    strips = rng.integers(0, 255, (12_568, 64, 64), dtype=np.uint8)
    strips[9_000] = strips[17]
    prints = [Fingerprint(str(number).encode(), strip) for number, strip in enumerate(strips)]
    began = time.process_time()
    assert near_copies(prints) == [(17, 9_000)]
    assert time.process_time() - began < 60
